"""Try hundreds of malformed and odd files: each must be read, or refused in one line.

The files are those that nibabel and pydicom test themselves with, and seeded damage to good ones.
``python tools/try_files.py [--n N] [--seed S]`` prints how many of each kind were read, refused,
or did what must not happen, and ends with 1 if any did.
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

READ, REFUSED = "read", "refused"
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)


def try_file(path: Path) -> str:
    """Read a file as image and, if it is one, as labels; what came of it.

    Returns
    -------
    str
        "read", "refused", or a line that says what must not happen.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.dicom import is_dicom
    from cmr_synth.imaging.nifti import read_labels
    from cmr_synth.imaging.readers import read_scan

    outcome = READ
    for read in (read_scan,) if is_dicom(path) else (read_scan, read_labels):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scan = read(path)
            if not np.isfinite(scan.array).all():
                return f"{path.name}: {read.__name__} gave pixels that are no numbers"
        except InputError as error:
            outcome = REFUSED
            if len(str(error).splitlines()) != 1:
                return f"{path.name}: {read.__name__} refused in other than one line: {error}"
        except Exception as error:
            return f"{path.name}: {read.__name__} raised {type(error).__name__}: {error}"
    return outcome


def of_nibabel() -> list[Path]:
    """Every data file in nibabel's package."""
    import nibabel

    root = Path(nibabel.__file__).parent
    return sorted(
        p for p in root.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc", ".pyi")
    )


def of_pydicom() -> list[Path]:
    """Every test file that pydicom has at hand."""
    from pydicom.data import get_testdata_files

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(Path(name) for name in get_testdata_files())


def good_files() -> dict[str, bytes]:
    """A sound file of each kind, small enough that damage often meets its header."""
    return {
        "nii": _nifti(),
        "nii.gz": gzip.compress(_nifti(), mtime=0),
        "dcm": _dicom(),
        "png": _png(),
    }


def damaged(good: bytes, draw: random.Random) -> bytes:
    """A copy with bytes changed, left out, put in, or cut off."""
    content = bytearray(good)
    reach = draw.choice((60, 400, len(content)))  # near the beginning is the header
    for _ in range(draw.choice((1, 2, 5, 20))):
        if not content:
            break
        at = draw.randrange(min(reach, len(content)))
        kind = draw.randrange(6)
        if kind <= 2:
            content[at] = draw.choice((*EXTREMES, draw.randrange(256)))
        elif kind == 3:
            width = draw.choice((2, 4, 8))
            content[at : at + width] = bytes([draw.choice(EXTREMES)] * width)
        elif kind == 4:
            del content[at : at + draw.choice((1, 2, 16))]
        else:
            content[at:at] = draw.randbytes(draw.choice((1, 4, 64)))
    if draw.random() < 0.2:
        content = content[: draw.randrange(len(content) + 1)]
    return bytes(content)


def mutations(folder: Path, n: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Write `n` damaged files one after the other, and yield the kind and path of each."""
    draw = random.Random(seed)
    good = good_files()
    for number in range(n):
        kind = sorted(good)[number % len(good)]
        path = folder / f"{number:05d}.{kind}"
        path.write_bytes(damaged(good[kind], draw))
        yield f"damaged {kind}", path


def everything(folder: Path, n: int, seed: int) -> Iterator[tuple[str, Path]]:
    """All files to be tried, by kind."""
    for path in of_nibabel():
        yield "nibabel", path
    for path in of_pydicom():
        yield "pydicom", path
    yield from mutations(folder, n, seed)


def main() -> int:
    """Try them all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000, help="damaged files")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in everything(Path(folder), given.n, given.seed):
            outcome = try_file(path)
            known = outcome in (READ, REFUSED)
            counts[kind, outcome if known else "wrong"] += 1
            if not known:
                print(f"{kind}: {outcome}", file=sys.stderr)
    print(f"{'kind':16} {'read':>6} {'refused':>8} {'wrong':>6}")
    for kind in sorted({kind for kind, _ in counts}):
        print(
            f"{kind:16} {counts[kind, READ]:6} {counts[kind, REFUSED]:8} {counts[kind, 'wrong']:6}"
        )
    return 1 if any(outcome == "wrong" for _, outcome in counts) else 0


def _nifti() -> bytes:
    import nibabel as nib

    labels = np.zeros((12, 10, 3), np.uint8)
    labels[3:8, 3:8], labels[4:7, 4:7], labels[0:3, 3:8] = 2, 1, 3
    image = nib.Nifti1Image(labels, np.diag([-1.5, -1.5, 8.0, 1.0]))
    image.header.set_xyzt_units("mm", "sec")
    return image.to_bytes()


def _dicom() -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = MRImageStorage, "1.2.3.4", "MR"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2", "1.2.3"
    data.ImageType, data.Manufacturer = ["ORIGINAL", "PRIMARY", "M"], "SIEMENS"
    data.SeriesNumber, data.InstanceNumber, data.TriggerTime = 1, 1, 0
    data.Rows, data.Columns, data.PixelSpacing, data.SliceThickness = 10, 12, [1.5, 1.5], 8
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = np.arange(120, dtype="<u2").tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _png() -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(np.arange(120, dtype=np.uint8).reshape(10, 12)).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
