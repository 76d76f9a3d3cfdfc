"""Raw data of a scanner: Cartesian lines of an ISMRMRD file (HDF5) become k-space of every coil.

The standard (Inati et al. 2017, doi:10.1002/mrm.26089) has a header of XML, `dataset/xml`, and a
table of lines, `dataset/data`, each with a head of its own. Nothing that they state is believed
before it is held against what is there: sizes, coils, places of lines. Read with h5py alone, so
that no line of the file decides how much memory is taken.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import MAX_VOXELS, Scan

LARGEST = 2048  # lines and samples of any short-axis scan
MOST_COILS = 256
MOST_LINES = 4_000_000
_SPACE = {"m": "http://www.ismrm.org/ISMRMRD"}

# Flags by their numbers in the standard, which count from 1: noise, navigators, phase correction,
# feedback of two kinds, dummies, and scans for coil correction are no lines of a picture.
_NO_PICTURE = sum(1 << (bit - 1) for bit in (19, 23, 24, 26, 27, 28, 29))
_REVERSED = 1 << 21
_ONE_OF = ("contrast", "set", "repetition")  # of which the first is read


@dataclass(frozen=True)
class Encoding:
    """What the header says of the lines: (x, y) in samples and mm, the slice's thickness."""

    samples: tuple[int, int]
    field_mm: tuple[float, float]
    kept: tuple[int, int]  # without oversampling
    thickness_mm: float
    centre_line: int
    coils: int | None


@dataclass(frozen=True, eq=False)
class Raw:
    """K-space of a short-axis scan.

    Parameters
    ----------
    kspace : (t, z, coils, y, x) complex64 array
        Frequency 0 is at n // 2; 0 where nothing was measured, means where it was repeatedly.
    measured : (t, z, y, x) bool array
    encoding : Encoding
    where : (2, z) array of heads
        Of the first line of each slice, which tells where it lies.
    name : str
        Of the file.
    notes : tuple of str
        What was left out, one line each.
    """

    kspace: NDArray[np.complex64]
    measured: NDArray[np.bool_]
    encoding: Encoding
    where: Sequence[Any]
    name: str
    notes: tuple[str, ...] = ()

    @property
    def lines_measured(self) -> float:
        """Share of the lines of which anything was measured."""
        return float(self.measured.any(axis=-1).mean())

    def scan(self, pictures: NDArray[np.floating]) -> Scan:
        """Pictures (t, z, y, x) of this k-space, without oversampling, where they lie.

        A single frame becomes a still. `position` of a head is the centre of its slice, in LPS mm.

        Raises
        ------
        InputError
            If the heads do not say where the slices lie.
        """
        x, y = self.encoding.kept
        left, top = (pictures.shape[-1] - x) // 2, (pictures.shape[-2] - y) // 2
        kept = pictures[..., top : top + y, left : left + x].astype(np.float32)
        first, last = self.where[0], self.where[-1]
        sizes = zip(self.encoding.field_mm, self.encoding.samples, strict=True)
        dx, dy = (mm / n for mm, n in sizes)
        read, phase, normal = (
            np.array(first[part], float) for part in ("read_dir", "phase_dir", "slice_dir")
        )
        step = normal * self.encoding.thickness_mm
        if len(self.where) > 1:
            apart = np.array(last["position"], float) - first["position"]
            step = apart / (len(self.where) - 1)
        lps = np.eye(4)
        lps[:3, 0], lps[:3, 1], lps[:3, 2] = read * dx, phase * dy, step
        lps[:3, 3] = np.array(first["position"], float) - lps[:3, :2] @ (x // 2, y // 2)
        try:
            return Scan(
                array=kept if len(kept) > 1 else kept[0],
                spacing=(abs(float(step @ np.cross(read, phase))), dy, dx),
                affine=np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps,
                name=self.name,
                notes=self.notes,
            )
        except ValueError as error:
            raise InputError(f"{self.name}: its head does not say where the slices lie.") from error


def is_raw(path: Path) -> bool:
    """Whether a file is HDF5, by its first bytes."""
    try:
        with Path(path).open("rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError:
        return False


def require_h5py() -> Any:
    """h5py, or the line that says how to get it."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "raw data (ISMRMRD) need h5py, which is not installed; run: "
            'pip install "napari-cmr-synth[ocmr]".'
        ) from error
    return h5py


def read_raw(path: Path, *, first_phase: bool = False) -> Raw:
    """Read a Cartesian scan.

    Parameters
    ----------
    path : path
        An ISMRMRD file.
    first_phase : bool
        Read that phase of the heartbeat alone.

    Raises
    ------
    InputError
        Naming the file, if it is damaged, not Cartesian or not of slices, if its lines lie beyond
        the matrix that it states, hold other data than they say, or come from other coils.
    """
    path = Path(path)
    h5py = require_h5py()
    try:
        with h5py.File(path, "r") as file:
            encoding = _encoding(_held(file, "dataset/xml", h5py)[0])
            lines = _held(file, "dataset/data", h5py)
            if len(lines.shape) != 1 or not 0 < lines.shape[0] <= MOST_LINES:
                raise ValueError(f"its table of lines has the shape {lines.shape}")
            return _filled(lines, lines["head"], encoding, path.name, first_phase)
    except InputError:
        raise
    except Exception as error:  # h5py, the XML parser and numpy raise many kinds on damaged bytes
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path.name}: not a readable ISMRMRD file ({reason}).") from error


def _held(file: Any, name: str, h5py: Any) -> Any:
    """A data set of the file itself: links and outside storage would read other files."""
    for part in ("dataset", name):
        if not isinstance(file.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"it holds no {part} of its own")
    found = file[name]
    if found.external or found.is_virtual:
        raise ValueError(f"its {name} is stored in other files")
    return found


def _encoding(xml: bytes | str) -> Encoding:
    text = xml.decode() if isinstance(xml, bytes) else str(xml)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # expansion bombs
        raise ValueError("its header declares entities")
    root = ET.fromstring(text)
    first = root.find("m:encoding", _SPACE)
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
    coils = root.findtext("m:acquisitionSystemInformation/m:receiverChannels", "", _SPACE)
    if not all(1 <= n <= LARGEST for n in matrix) or not all(0 < x < 2000 for x in (*mm, *kept)):
        raise ValueError(f"its header states {matrix} samples over {mm} mm")
    nx, ny = int(matrix[0]), int(matrix[1])
    return Encoding(
        samples=(nx, ny),
        field_mm=(mm[0], mm[1]),
        kept=(min(nx, round(nx * kept[0] / mm[0])), min(ny, round(ny * kept[1] / mm[1]))),
        thickness_mm=mm[2],
        centre_line=int(centre),
        coils=int(coils) if coils else None,
    )


def _chosen(
    head: NDArray, name: str, first_phase: bool
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Rows of the table that are lines of the picture, and what was left out."""
    index, flags = head["idx"], head["flags"].astype(np.uint64)
    wanted = flags & np.uint64(_NO_PICTURE) == 0
    if not wanted.any():
        raise InputError(f"{name}: holds no line of a picture.")
    known = index.dtype.names or ()
    if "kspace_encode_step_2" in known and index["kspace_encode_step_2"][wanted].any():
        raise InputError(f"{name}: is of a volume; k-space of slices is read.")
    notes = []
    for counter in (part for part in _ONE_OF if part in known):
        values = np.unique(index[counter][wanted])
        if len(values) > 1:
            notes.append(f"{name}: holds {len(values)} of {counter}; the first is read.")
            wanted &= index[counter] == values[0]
    if first_phase:
        wanted &= index["phase"] == index["phase"][wanted].min()
    return np.flatnonzero(wanted), tuple(notes)


def _filled(lines: Any, head: NDArray, encoding: Encoding, name: str, first_phase: bool) -> Raw:
    nx, ny = encoding.samples
    rows, notes = _chosen(head, name, first_phase)
    index = head["idx"]
    slices, phases = (np.unique(index[part][rows]) for part in ("slice", "phase"))
    coils = int(head["active_channels"][rows].max(initial=0))
    size = len(phases) * len(slices) * coils * nx * ny
    if not 1 <= coils <= MOST_COILS or size > MAX_VOXELS:
        raise InputError(
            f"{name}: {len(rows)} lines of {coils} coils on {len(slices)} slices in {len(phases)} "
            "phases are no scan of a heart."
        )
    if encoding.coils is not None and encoding.coils != coils:
        raise InputError(
            f"{name}: its header states {encoding.coils} coils, and its lines hold {coils}; coils "
            "are missing, export it again."
        )
    space = np.zeros((len(phases), len(slices), coils, ny, nx), np.complex64)
    count = np.zeros((len(phases), len(slices), ny, nx), np.uint16)
    for row in rows:
        one = head[row]
        samples, channels = int(one["number_of_samples"]), int(one["active_channels"])
        values = np.asarray(lines[int(row)]["data"], np.float32)
        if channels != coils:
            raise InputError(
                f"{name}: line {row} is of {channels} coils and others are of {coils}; coils are "
                "missing, export it again."
            )
        if values.size != 2 * samples * channels:
            raise InputError(f"{name}: line {row} holds other data than its head says.")
        start = nx // 2 - int(one["center_sample"])
        line = int(one["idx"]["kspace_encode_step_1"]) - encoding.centre_line + ny // 2
        if not (0 <= line < ny and 0 <= start and start + samples <= nx):
            raise InputError(f"{name}: line {row} lies beyond the matrix of {nx} x {ny}.")
        read = values.view(np.complex64).reshape(channels, samples)
        if int(one["flags"]) & _REVERSED:
            read = read[:, ::-1]
        t = int(np.searchsorted(phases, one["idx"]["phase"]))
        k = int(np.searchsorted(slices, one["idx"]["slice"]))
        space[t, k, :, line, start : start + samples] += read
        count[t, k, line, start : start + samples] += 1
    space /= np.maximum(count, 1)[:, :, None]
    where = [head[rows[index["slice"][rows] == n][0]] for n in slices]
    return Raw(space, count > 0, encoding, where, name, notes)
