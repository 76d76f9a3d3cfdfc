"""OCMR: raw data of cine in ISMRMRD files (HDF5), Siemens; fully sampled ones are reconstructed.

One file a scan, `fs_0001_1_5T.h5`; those that are undersampled (`us_`) need an iterative
reconstruction and are left out, as are long-axis views. A picture is the root of the sum of squares
over coils of the inverse Fourier transform, without oversampling. The first phase, the nearest to
the R wave, is yielded as ED; nothing is drawn in this cohort.

Assumed without having seen the data: the layout of the ISMRMRD standard (`dataset/xml`,
`dataset/data`), Cartesian lines, and that every file is another patient's, which the files do not
tell. Needs h5py (`pip install "napari-cmr-synth[ocmr]"`).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import relative
from cmr_synth.cohorts.stacks import each, examination_of, require_short_axis
from cmr_synth.errors import InputError
from cmr_synth.files import walk
from cmr_synth.imaging.scan import MAX_VOXELS, Scan

name = "ocmr"
title = "OCMR, open-access multi-coil k-space data set of cardiovascular MR"
vendor = "siemens"
licence = "CC BY-NC 4.0"
citation = (
    "C. Chen, Y. Liu, P. Schniter, et al. OCMR (v1.0): Open-Access Multi-Coil k-Space Dataset for "
    "Cardiovascular Magnetic Resonance Imaging. arXiv:2008.03410, 2020."
)
asked_for = "https://ocmr.info"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}

NOISE = 1 << 18  # ACQ_IS_NOISE_MEASUREMENT is bit 19, counted from 1
LARGEST = 2048  # lines and samples of any cine
_SPACE = {"m": "http://www.ismrm.org/ISMRMRD"}


@dataclass(frozen=True)
class Encoding:
    """What the header says of the lines: (x, y) in samples and mm, the slice's thickness."""

    samples: tuple[int, int]
    field_mm: tuple[float, float]
    kept: tuple[int, int]  # without oversampling
    thickness_mm: float
    centre_line: int


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield the first phase of every fully sampled short-axis scan.

    Raises
    ------
    InputError
        If there is no .h5 file, or h5py is not installed.
    """
    root = Path(root)
    files = [path for path in walk(root).files if path.suffix.lower() == ".h5"]
    if not files:
        raise InputError(f"{root}: holds no .h5 file; give the folder of OCMR's scans.")
    _h5py()
    yield from each(_chosen(files, root), lambda p: [_read(p, root)], lambda p: [p], root=root)


def remarks(root: Path) -> list[str]:
    """What is taken, and for what."""
    return ["the first phase is taken for ED; every file counts as a patient; nothing is drawn."]


def _chosen(files: list[Path], root: Path) -> Iterator[Path | LeftOut]:
    for path in files:
        if path.name.lower().startswith("us_"):
            yield LeftOut(relative(path, root), "is undersampled and not reconstructed.")
        else:
            yield path


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            'OCMR needs h5py, which is not installed; run: pip install "napari-cmr-synth[ocmr]".'
        ) from error
    return h5py


def _read(path: Path, root: Path) -> Examination:
    try:
        with _h5py().File(path, "r") as file:
            encoding = _encoding(file["dataset/xml"][0])
            lines = file["dataset/data"]
            head = lines["head"]
            pixels, slices = _reconstructed(lines, head, encoding, path.name)
    except InputError:
        raise
    except Exception as error:  # h5py, the XML parser and numpy raise many kinds on damaged bytes
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path.name}: not a readable ISMRMRD file ({reason}).") from error
    scan = _scan(pixels, head, slices, encoding, path.name)
    require_short_axis(scan)
    return examination_of(
        scan,
        pixels,
        None,
        cohort=name,
        patient=re.sub(r"\.h5$", "", path.name, flags=re.IGNORECASE),
        files=(relative(path, root),),
        vendor=vendor,
        phase="ED",
    )


def _encoding(xml: bytes | str) -> Encoding:
    text = xml.decode() if isinstance(xml, bytes) else str(xml)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # expansion bombs
        raise ValueError("its header declares entities")
    first = ET.fromstring(text).find("m:encoding", _SPACE)
    if first is None:
        raise ValueError("its header has no encoding")

    def numbers(space: str, part: str) -> list[float]:
        found = [first.findtext(f"m:{space}/m:{part}/m:{axis}", "", _SPACE) for axis in "xyz"]
        return [float(value) for value in found]

    if (first.findtext("m:trajectory", "", _SPACE) or "cartesian").lower() != "cartesian":
        raise ValueError("its lines are not Cartesian")
    matrix, mm = numbers("encodedSpace", "matrixSize"), numbers("encodedSpace", "fieldOfView_mm")
    kept = numbers("reconSpace", "fieldOfView_mm")
    limits = "m:encodingLimits/m:kspace_encoding_step_1/m:center"
    centre = first.findtext(limits, str(int(matrix[1]) // 2), _SPACE)
    if not all(1 <= n <= LARGEST for n in matrix) or not all(0 < x < 2000 for x in (*mm, *kept)):
        raise ValueError(f"its header states {matrix} samples over {mm} mm")
    nx, ny = int(matrix[0]), int(matrix[1])
    return Encoding(
        samples=(nx, ny),
        field_mm=(mm[0], mm[1]),
        kept=(min(nx, round(nx * kept[0] / mm[0])), min(ny, round(ny * kept[1] / mm[1]))),
        thickness_mm=mm[2],
        centre_line=int(centre),
    )


def _reconstructed(
    lines: Any, head: NDArray, encoding: Encoding, file_name: str
) -> tuple[NDArray[np.float32], list[int]]:
    """First phase of every slice, (slice, y, x), and a row of the head for each slice."""
    nx, ny = encoding.samples
    wanted = (head["idx"]["phase"] == 0) & (head["flags"].astype(np.uint64) & NOISE == 0)
    rows = np.flatnonzero(wanted)
    numbers = np.unique(head["idx"]["slice"][rows])
    coils = int(head["active_channels"][rows].max(initial=0))
    if not rows.size or not 1 <= coils <= 256 or len(numbers) * coils * nx * ny > MAX_VOXELS:
        raise InputError(
            f"{file_name}: {len(rows)} lines of {coils} coils on {len(numbers)} slices are no cine."
        )
    space = np.zeros((len(numbers), coils, ny, nx), np.complex64)
    count = np.zeros((len(numbers), ny), np.int32)
    for row in rows:
        one = head[row]
        samples, channels = int(one["number_of_samples"]), int(one["active_channels"])
        values = np.asarray(lines[int(row)]["data"], np.float32)
        start = nx // 2 - int(one["center_sample"])
        line = int(one["idx"]["kspace_encode_step_1"]) - encoding.centre_line + ny // 2
        if values.size != 2 * samples * channels or channels != coils:
            raise InputError(f"{file_name}: line {row} holds other data than its head says.")
        if not (0 <= line < ny and 0 <= start and start + samples <= nx):
            raise InputError(f"{file_name}: line {row} lies beyond the matrix of {nx} x {ny}.")
        k = int(np.searchsorted(numbers, one["idx"]["slice"]))
        space[k, :, line, start : start + samples] += values.view(np.complex64).reshape(
            channels, samples
        )
        count[k, line] += 1
    if (filled := float((count > 0).mean())) < 0.6:  # partial Fourier fills 5 eighths and more
        raise InputError(f"{file_name}: is undersampled, {filled:.0%} of its lines are there.")
    space /= np.maximum(count, 1)[:, None, :, None]
    axes = (-2, -1)
    coil_pictures = np.fft.fftshift(
        np.fft.ifft2(np.fft.ifftshift(space, axes=axes), axes=axes, norm="ortho"), axes=axes
    )
    pictures = np.sqrt((np.abs(coil_pictures) ** 2).sum(axis=1))
    x, y = encoding.kept
    left, top = (nx - x) // 2, (ny - y) // 2
    pictures = pictures[:, top : top + y, left : left + x].astype(np.float32)
    return pictures, [int(rows[head["idx"]["slice"][rows] == n][0]) for n in numbers]


def _scan(
    pixels: NDArray[np.float32], head: NDArray, slices: list[int], encoding: Encoding, file: str
) -> Scan:
    """Where the slices lie: `position` is the centre of each, in LPS mm."""
    first, last = head[slices[0]], head[slices[-1]]
    dx, dy = (mm / n for mm, n in zip(encoding.field_mm, encoding.samples, strict=True))
    read, phase, normal = (
        np.array(first[part], float) for part in ("read_dir", "phase_dir", "slice_dir")
    )
    step = normal * encoding.thickness_mm
    if len(slices) > 1:
        step = (np.array(last["position"], float) - first["position"]) / (len(slices) - 1)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = read * dx, phase * dy, step
    _, ny, nx = pixels.shape
    lps[:3, 3] = np.array(first["position"], float) - lps[:3, :2] @ (nx // 2, ny // 2)
    try:
        between = abs(float(step @ np.cross(read, phase)))
        return Scan(
            array=pixels,
            spacing=(between, dy, dx),
            affine=np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps,
            name=file,
        )
    except ValueError as error:
        raise InputError(f"{file}: its head does not say where the slices lie.") from error
