"""The reference archive: real slices and their descriptors, patient by patient, on disk.

A folder of `archive.json`, `slices.csv`, `calibration.csv` and arrays, which are memory-mapped and
never written to again. Readable by its owner alone.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.registry import cohorts, load_cohort
from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample
from cmr_synth.files import require_replaceable, sha256, write_folder
from cmr_synth.generators.interface import Progress
from cmr_synth.privacy.calibration import Calibration
from cmr_synth.privacy.copy_detector import CopyDetector
from cmr_synth.privacy.neighbours import STATISTICS, neighbours
from cmr_synth.privacy.pixels import COMPONENTS, SIDE, fit_basis, project

ABOUT = "archive.json"
FORMAT = 1
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

    def name(self, patient: int) -> str:
        """Identifier of a patient by number."""
        return str(self.patients[self.starts[patient]])

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


def build(
    real: Sample,
    out: Path,
    detector: CopyDetector,
    *,
    held_out: Sample | None = None,
    pixels: bool = True,
    key: bytes | None = None,
) -> Iterator[Progress | Archive]:
    """Write an archive of real slices.

    Parameters
    ----------
    real : Sample
        The patients that nothing synthetic may be too close to.
    out : Path
        Folder to make; an older archive is replaced when the new one is complete.
    held_out : Sample, optional
        Other patients, by whose distances p-values are calibrated.
    pixels : bool
        Whether to keep the slices themselves; without them it can be passed on, and copies cannot
        be planted.
    key : bytes, optional
        Identifiers are replaced by HMAC-SHA-256 with it.

    Yields
    ------
    Progress or Archive

    Raises
    ------
    InputError
        If there is nothing to archive, a patient is on both sides, or `out` cannot be written.
    """
    from cmr_synth.evaluation.sample import require_disjoint

    if not len(real):
        raise InputError("no slices to archive; name other patients.")
    if held_out is not None:
        require_disjoint(real, held_out)
    require_replaceable(out, ABOUT)
    persons = _persons(real)
    order = np.lexsort((np.arange(len(real)), persons))
    real, persons = real.take(order), persons[order]
    # stored as it is searched: distances do not depend on whether the slice was read from disk
    stored = np.round(real.pixels * 255).astype(np.uint8)
    size = (len(real), detector.network.config.width)
    whole = np.empty(size, np.float16)
    windows: NDArray[np.float16] | None = None
    for first in range(0, len(real), 256):
        rows = slice(first, first + 256)
        one, parts = detector.descriptors(stored[rows].astype(np.float32) / 255)
        if windows is None:
            windows = np.empty((len(real), *parts.shape[1:]), np.float16)
        whole[rows], windows[rows] = one, parts
        yield Progress(min(first + 256, len(real)), len(real))
    assert windows is not None
    scaled = stored.astype(np.float32) / 255
    basis = fit_basis(scaled)
    rows_of = [
        {
            "patient": _keyed(str(person), key),
            "vendor": row.vendor,
            "level": str(level),
            "phase": row.phase,
            "slice": str(row.slice),
            "sha256": hashlib.sha256(picture.tobytes()).hexdigest() if key is None else "",
        }
        for person, row, level, picture in zip(persons, real.rows, real.levels, stored, strict=True)
    ]
    with write_folder(out, replaces=ABOUT) as folder:
        arrays: dict[str, Any] = {
            "whole": whole,
            "windows": windows,
            "pca": project(scaled, basis).astype(np.float16),
            "basis": basis,
        } | ({"pixels": stored} if pixels else {})
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        _write_rows(folder / "slices.csv", COLUMNS, rows_of)
        about: dict[str, Any] = {
            "format": FORMAT,
            "detector": detector.hash,
            "shape": list(stored.shape[1:]),
            "spacing_mm": real.spacing,
            "slices": len(real),
            "patients": len(np.unique(persons)),
            "keyed": key is not None,
            "pixels": pixels,
        }
        if held_out is not None:
            opened = _opened(folder, about, with_calibration=False)
            near = neighbours(held_out.pixels, opened, detector).statistics
            _write_rows(
                folder / "calibration.csv",
                ("patient", "vendor", "level", *STATISTICS),
                [
                    {"patient": _keyed(str(person), key), "vendor": vendor, "level": level}
                    | {name: repr(float(v)) for name, v in zip(STATISTICS, values, strict=True)}
                    for person, vendor, level, values in zip(
                        _persons(held_out), held_out.vendors, held_out.levels, near, strict=True
                    )
                ],
            )
            del opened
        files = sorted(path for path in folder.iterdir())
        about["files"] = {path.name: [path.stat().st_size, sha256(path)] for path in files}
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        for path in folder.iterdir():
            path.chmod(0o600)
    os.chmod(out, 0o700)
    yield open_archive(out)


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
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        csv.Error,
    ) as error:
        raise InputError(
            f"{folder}: not a readable archive ({error}); build it again with `cmr-synth archive "
            "build`."
        ) from error


def _opened(folder: Path, about: dict[str, Any], *, with_calibration: bool = True) -> Archive:
    with (folder / "slices.csv").open(newline="", encoding="utf-8") as file:
        rows = tuple(csv.DictReader(file))
    count, shape = int(about["slices"]), tuple(about["shape"])
    arrays: dict[str, Any] = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("whole", "windows", "pca", "basis", *(["pixels"] if about["pixels"] else []))
    }
    expected = {
        "whole": (2, np.float16, count),
        "windows": (3, np.float16, count),
        "pca": (2, np.float16, count),
        "basis": (2, np.float32, COMPONENTS),
        "pixels": (3, np.uint8, count),
    }
    for name, array in arrays.items():
        dimensions, kind, length = expected[name]
        if array.ndim != dimensions or array.dtype != kind or len(array) != length:
            raise ValueError(f"{name}.npy holds {array.dtype} {array.shape}")
    if not count or len(rows) != count or set(rows[0]) != set(COLUMNS):
        raise ValueError(f"slices.csv has {len(rows)} rows for {count} slices")
    if arrays["basis"].shape != (COMPONENTS, SIDE * SIDE):
        raise ValueError(f"basis.npy holds {arrays['basis'].shape}")
    if "pixels" in arrays and arrays["pixels"].shape[1:] != shape:
        raise ValueError(f"pixels.npy holds {arrays['pixels'].shape}")
    names = [row["patient"] for row in rows]
    if names != sorted(names) and len(set(names)) != 1 + sum(
        a != b for a, b in zip(names, names[1:], strict=False)
    ):
        raise ValueError("slices.csv does not keep the slices of a patient together")
    calibration = None
    if with_calibration and "calibration.csv" in about["files"]:
        calibration = _read_calibration(folder / "calibration.csv")
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
    ends = np.append(starts[1:], len(archive))
    pairs = []
    for number, (first, last) in enumerate(zip(starts, ends, strict=True)):
        apart = closest_by_patient(archive.whole[first:last], archive.whole, starts).min(axis=0)
        for other in np.flatnonzero(apart <= most):
            if other > number:
                pairs.append((archive.name(number), archive.name(int(other)), float(apart[other])))
    return sorted(pairs, key=lambda pair: pair[2])


def _persons(sample: Sample) -> NDArray[np.str_]:
    """Patients, a person examined under two numbers being one."""
    known = cohorts()
    again = {
        name: getattr(load_cohort(name), "same_person", {}) if name in known else {}
        for name in {row.cohort for row in sample.rows}
    }
    return np.array(
        [f"{row.cohort} {again[row.cohort].get(row.patient, row.patient)}" for row in sample.rows]
    )


def _keyed(identifier: str, key: bytes | None) -> str:
    if key is None:
        return identifier
    return hmac.new(key, identifier.encode("utf-8"), hashlib.sha256).hexdigest()[:32]


def _write_rows(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
