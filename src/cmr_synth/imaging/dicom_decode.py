"""Coded pixels of DICOM files, decoded in a process of their own.

The decoder of JPEG, JPEG-LS and JPEG 2000 is GDCM as it comes in SimpleITK. A damaged code stream
can end the process that decodes it, with all that a window holds; here it ends this one alone.
Called as ``python -m cmr_synth.imaging.dicom_decode FOLDER PATH...``, it writes what PATH number k
holds to FOLDER as k.npy, (frames, y, x) as stored, or why it cannot be read to k.txt.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom_header import short

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SECONDS = 60  # for a file; a sound one takes milliseconds

_KEPT = (  # of a header, for the decoder: no rescaling, which it would apply
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


@contextmanager
def decoded(paths: Sequence[Path]) -> Iterator[dict[Path, Path]]:
    """Decode files, and give for each where its pixels lie while the context lasts.

    Parameters
    ----------
    paths : sequence of Path
        Files whose pixels are coded.

    Yields
    ------
    dict of Path to Path
        .npy files of (frames, y, x) stored values.

    Raises
    ------
    InputError
        If a file cannot be decoded.
    """
    with tempfile.TemporaryDirectory(prefix="cmr-synth-") as folder:
        command = [sys.executable, "-m", __name__, folder, *map(str, paths)]
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS * len(paths),
                check=False,  # what it did not write tells where it ended
            )
        except subprocess.TimeoutExpired:
            pass
        results = {}
        for k, path in enumerate(paths):
            result, reason = Path(folder, f"{k}.npy"), Path(folder, f"{k}.txt")
            if not result.is_file():
                why = reason.read_text("utf-8") if reason.is_file() else "its decoder gave up"
                raise InputError(
                    f"{path.name}: the pixels cannot be read ({why}). If they are compressed "
                    "or the file is truncated, export the series again, uncompressed."
                )
            results[path] = result
        yield results


def main(folder: str, *paths: str) -> None:
    """Decode each file into the folder, up to the first that cannot be."""
    warnings.simplefilter("ignore")
    for k, path in enumerate(paths):
        try:
            pixels = _decode(Path(path), Path(folder))
        except Exception as error:  # pydicom and SimpleITK raise many kinds
            Path(folder, f"{k}.txt").write_text(short(error), encoding="utf-8")
            return
        unfinished = Path(folder, "unfinished.npy")
        np.save(unfinished, pixels)
        unfinished.rename(Path(folder, f"{k}.npy"))


def _decode(path: Path, folder: Path) -> npt.NDArray[Any]:
    from pydicom import dcmread
    from pydicom.encaps import generate_frames

    data = dcmread(path, force=True)
    count = int(data.get("NumberOfFrames", 1) or 1)
    frames = generate_frames(data.PixelData, number_of_frames=count)
    return np.stack([_frame(data, frame, folder) for frame in frames])


def _frame(data: Dataset, coded: bytes, folder: Path) -> npt.NDArray[Any]:
    import SimpleITK
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import SecondaryCaptureImageStorage

    alone = Dataset()
    for keyword in _KEPT:
        setattr(alone, keyword, data.get(keyword))
    alone.SOPClassUID, alone.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    alone.PixelData = encapsulate([coded])
    alone["PixelData"].VR, alone["PixelData"].is_undefined_length = "OB", True
    alone.file_meta = FileMetaDataset()
    alone.file_meta.TransferSyntaxUID = data.file_meta.TransferSyntaxUID
    file = folder / "frame.dcm"
    alone.save_as(file, enforce_file_format=True)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    try:
        return np.asarray(SimpleITK.GetArrayFromImage(reader.Execute()))[0]
    except RuntimeError as error:
        name = data.file_meta.TransferSyntaxUID.name
        raise ValueError(f"{name}, which is damaged or of a kind that is not read") from error


if __name__ == "__main__":
    main(*sys.argv[1:])
