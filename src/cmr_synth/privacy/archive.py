"""The reference archive: real slices and their descriptors, patient by patient, on disk.

A folder of `archive.json`, `slices.csv`, `calibration.csv` and arrays, which are memory-mapped and
never written to again. Readable by its owner alone.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.files import UNREADABLE, sha256
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.calibration import STATISTICS, Calibration
from cmr_synth.privacy.pixels import COMPONENTS, SIDE
from cmr_synth.privacy.queries import Queries

ABOUT = "archive.json"
FORMAT = 1
QUERIES = ("whole", "windows", "views")
"""Fields of the descriptions of held-out slices that are kept."""
LEFT_IN_BASIS, CARRIED_OVER = "removed_patients_left_in_basis", "held_out_carried_over"
"""What an archive says of itself after patients were removed; see `Archive.remarks`."""
COLUMNS = ("patient", "vendor", "level", "phase", "slice", "sha256")


@dataclass(frozen=True, eq=False)
class Archive:
    """An opened archive; arrays are memory-mapped and read-only.

    Parameters
    ----------
    folder : Path
    about : dict
        What `archive.json` says.
    rows : tuple of dict
        One a slice: patient, vendor, level, phase, slice, SHA-256 of its pixels.
    whole : (n, d) float16 array
    windows : (n, 25, w) float16 array
    pca : (n, 64) float16 array
    basis : (64, 1024) float32 array
    pixels : (n, y, x) uint8 array or None
    calibration : Calibration or None
        Of held-out patients, if there were any.
    held_out : Queries or None
        Descriptions of their slices, with which it is calibrated again when patients come or go.
    """

    folder: Path
    about: dict[str, Any]
    rows: tuple[dict[str, str], ...]
    whole: NDArray[np.float16]
    windows: NDArray[np.float16]
    pca: NDArray[np.float16]
    basis: NDArray[np.float32]
    pixels: NDArray[np.uint8] | None
    calibration: Calibration | None
    held_out: Queries | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        rows, columns = self.about["shape"]
        return int(rows), int(columns)

    @cached_property
    def patients(self) -> NDArray[np.str_]:
        """Patient of each slice."""
        return np.array([row["patient"] for row in self.rows])

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First slice of each patient."""
        _, first = np.unique(self.patients, return_index=True)
        return np.sort(first)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of `archive.json`, which holds those of all other files."""
        return sha256(self.folder / ABOUT)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What removals have left behind, a line each without a full stop."""
        left = int(self.about.get(LEFT_IN_BASIS, 0))
        said = []
        if left:
            said.append(
                f"the principal components may stem from {left} removed "
                f"patient{'s' * (left > 1)} too, and without pixels they "
                "cannot be fitted again; to take them out, build the archive again without them"
            )
        if self.about.get(CARRIED_OVER):
            said.append(
                "since patients were removed, distances of held-out slices by pixels are "
                "approximate; build the archive again for exact ones"
            )
        return tuple(said)

    def name(self, patient: int) -> str:
        """Identifier of a patient by number."""
        return str(self.patients[self.starts[patient]])

    def slices_of(self, patient: int) -> slice:
        """Rows of a patient by number."""
        first = int(self.starts[patient])
        last = patient + 1 == len(self.starts)
        return slice(first, len(self) if last else int(self.starts[patient + 1]))

    def picture(self, index: int) -> NDArray[np.float32] | None:
        """Pixels (y, x) of a slice in [0, 1], if the archive holds any."""
        if self.pixels is None:
            return None
        return np.asarray(self.pixels[index].astype(np.float32) / np.float32(255))

    def most_alike(self, picture: NDArray[np.floating], patient: int) -> int:
        """The slice of a patient, by number, whose pixels differ least; needs pixels."""
        if self.pixels is None:
            raise ValueError("the archive holds no pixels")
        rows = self.slices_of(patient)
        stack = self.pixels[rows].astype(np.float32) / 255
        return rows.start + int(((stack - picture) ** 2).mean(axis=(1, 2)).argmin())

    def beside(self, index: int) -> int | None:
        """The next slice of the same stack, or the one before, by number."""
        row = self.rows[index]
        for other in (index + 1, index - 1):
            if 0 <= other < len(self) and all(
                self.rows[other][key] == row[key] for key in ("patient", "phase")
            ):
                return other
        return None

    def require_detector(self, detector: CopyDetector) -> None:
        """Refuse another detector than that of the archive."""
        if detector.hash != self.about["detector"]:
            raise InputError(
                f"{self.folder}: was built with copy detector {self.about['detector'][:12]}, and "
                f"this one is {detector.hash[:12]}; build the archive again."
            )


def open_with_detector(folder: Path) -> tuple[Archive, CopyDetector]:
    """Open an archive, and the bundled detector if it was built with that.

    Raises
    ------
    InputError
        See `open_archive`; or if it was built with another detector.
    """
    archive, detector = open_archive(folder), CopyDetector.load()
    archive.require_detector(detector)
    return archive, detector


def open_archive(folder: Path, *, verify: bool = True) -> Archive:
    """Open an archive, read-only.

    Parameters
    ----------
    folder : Path
    verify : bool
        Whether to compare the hash of every file; sizes and shapes are always looked at.

    Raises
    ------
    InputError
        If a file is missing, cut short or changed, or the format is another one.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}, and this version reads {FORMAT}")
        for name, (size, digest) in about["files"].items():
            path = folder / Path(name).name
            if path.stat().st_size != size:
                raise ValueError(f"{name} has {path.stat().st_size} bytes in place of {size}")
            if verify and sha256(path) != digest:
                raise ValueError(f"{name} was changed after the archive was built")
        return _opened(folder, about)
    except UNREADABLE as error:
        raise InputError(
            f"{folder}: not a readable archive ({error}); build it again with `cmr-synth archive "
            "build`."
        ) from error


def _opened(folder: Path, about: dict[str, Any]) -> Archive:
    with (folder / "slices.csv").open(newline="", encoding="utf-8") as file:
        rows = tuple(csv.DictReader(file))
    count, shape = int(about["slices"]), tuple(about["shape"])
    calibrated = "calibration.csv" in about["files"]
    calibration = _read_calibration(folder / "calibration.csv") if calibrated else None
    others = 0 if calibration is None else int(about["held_out_slices"])
    expected: dict[str, tuple[int, Any, int]] = {
        "whole": (2, np.float16, count),
        "windows": (3, np.float16, count),
        "pca": (2, np.float16, count),
        "basis": (2, np.float32, COMPONENTS),
    }
    if about["pixels"]:
        expected["pixels"] = (3, np.uint8, count)
    if others:
        expected |= {f"held-out-{name}": (3, np.float16, others) for name in QUERIES}
    arrays: dict[str, Any] = {}
    for name, (dimensions, kind, length) in expected.items():
        array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        if array.ndim != dimensions or array.dtype != kind or len(array) != length:
            raise ValueError(f"{name}.npy holds {array.dtype} {array.shape}")
        arrays[name] = array
    if not count or len(rows) != count or set(rows[0]) != set(COLUMNS):
        raise ValueError(f"slices.csv has {len(rows)} rows for {count} slices")
    if arrays["basis"].shape != (COMPONENTS, SIDE * SIDE):
        raise ValueError(f"basis.npy holds {arrays['basis'].shape}")
    if "pixels" in arrays and arrays["pixels"].shape[1:] != shape:
        raise ValueError(f"pixels.npy holds {arrays['pixels'].shape}")
    names = [row["patient"] for row in rows]
    if len(set(names)) != 1 + sum(a != b for a, b in zip(names, names[1:], strict=False)):
        raise ValueError("slices.csv does not keep the slices of a patient together")
    return Archive(
        folder,
        about,
        rows,
        arrays["whole"],
        arrays["windows"],
        arrays["pca"],
        np.array(arrays["basis"]),
        arrays.get("pixels"),
        calibration,
        Queries(*(arrays[f"held-out-{name}"] for name in QUERIES)) if others else None,
    )


def _read_calibration(path: Path) -> Calibration:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = np.array([[float(row[name]) for name in STATISTICS] for row in rows], np.float32)
    if not np.isfinite(values).all():
        raise ValueError("calibration.csv holds what is no number")
    return Calibration.of(
        values.reshape(len(rows), len(STATISTICS)),
        *(np.array([row[name] for row in rows]) for name in ("patient", "vendor", "level")),
    )


def near_duplicates(archive: Archive, *, most: float = 0.1) -> list[tuple[str, str, float]]:
    """Patients with near-identical slices: the same person twice, or a file under two names.

    Parameters
    ----------
    archive : Archive
    most : float
        Distance between descriptors at which slices count as the same.

    Returns
    -------
    list of (patient, patient, distance)
        The nearest first.
    """
    from cmr_synth.privacy.search import closest_by_patient

    starts = archive.starts
    pairs = []
    for number in range(len(starts)):
        own = archive.whole[archive.slices_of(number)]
        apart = closest_by_patient(own, archive.whole, starts).min(axis=0)
        for other in np.flatnonzero(apart <= most):
            if other > number:
                pairs.append((archive.name(number), archive.name(int(other)), float(apart[other])))
    return sorted(pairs, key=lambda pair: pair[2])
