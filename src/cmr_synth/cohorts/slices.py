"""A prepared slice set: every labelled slice of some cohorts on one grid, read where needed.

A folder with `slices.csv` (one row a slice), `slice_set.json`, and the pixels in `shards/`: images
and labels (n, rows, columns) uint8, and the part of the grid inside the scan's field of view. Sets
of format 1 have them in `images.npy`, `labels.npy` and `covered.npy` instead.
The grid is wider than the networks' own, so that rotated and shifted crops stay inside the scan.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.covariates import STATED, with_bmi
from cmr_synth.cohorts.registry import same_person
from cmr_synth.cohorts.shards import KEYS, SLICES, Pixels, Planes, Shards, write_shard
from cmr_synth.errors import InputError
from cmr_synth.files import UNREADABLE, write_folder

ABOUT = "slice_set.json"
SHARDS = "shards"
FORMAT = 2
WHOLE_ARRAYS = 1  # the earlier format


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One slice of the set; empty text, or None, where a condition is not known.

    Age is in years, height in cm and weight in kg.
    """

    cohort: str
    patient: str
    split: str
    vendor: str
    phase: str
    pathology: str
    slice: int
    z: float
    completed: bool
    between_mm: float = 0.0  # distance to the next slice; 0 in sets of an earlier version
    contrast: str = "cine"
    age: float | None = None
    height: float | None = None
    weight: float | None = None
    frame: int | None = None  # of a slice over a heartbeat; none: of a stack at one phase

    @property
    def covariates(self) -> dict[str, float]:
        """What is known of the person, the body mass index included."""
        given = {name: getattr(self, name) for name in STATED}
        return with_bmi({name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class SliceSet:
    """An opened slice set; arrays are read from files where they are indexed, and read-only.

    Parameters
    ----------
    images : (n, rows, columns) uint8 array
        0 to 255 for the normalised intensities 0 to 1.
    labels : (n, rows, columns) uint8 array
        Engine labels, 255 unlabelled. Slices of contrast "lge" may have infarct and no-reflow.
    covered : (n, rows, columns) uint8 array
        1 inside the scan's field of view.
    """

    images: Pixels
    labels: Pixels
    covered: Pixels
    rows: tuple[SliceRow, ...]
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.rows)

    def where(
        self,
        *,
        split: str | None = None,
        cohorts: Sequence[str] | None = None,
        contrast: str | Sequence[str] | None = "cine",
    ) -> NDArray[np.int64]:
        """Indices of the slices of one split, of some cohorts and of some contrasts, in order.

        Whoever wants another contrast than cine, or None for all, has to know its labels.
        """
        contrasts = (contrast,) if isinstance(contrast, str) else contrast
        return np.array(
            [
                i
                for i, row in enumerate(self.rows)
                if (split is None or row.split == split)
                and (cohorts is None or row.cohort in cohorts)
                and (contrasts is None or row.contrast in contrasts)
            ],
            dtype=np.int64,
        )

    def crop(
        self, index: NDArray[np.int64], shape: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The middle of some slices: pixels (n, *shape) in [0, 1] and labels (n, *shape).

        By default of the shape that the set was prepared for.
        """
        shape = shape or self.shape
        rows, columns = self.images.shape[1:]
        top, left = (rows - shape[0]) // 2, (columns - shape[1]) // 2
        window = (index, slice(top, top + shape[0]), slice(left, left + shape[1]))
        pixels = self.images[window].astype(np.float32) / np.float32(255)
        return pixels.astype(np.float32), np.asarray(self.labels[window])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the networks that the set was prepared for."""
        rows, columns = self.about.get("networks_shape", (128, 128))
        return int(rows), int(columns)

    @property
    def spacing(self) -> float:
        """Pixel size in mm."""
        return float(self.about["spacing_mm"])


def persons_of(rows: Sequence[SliceRow]) -> NDArray[np.str_]:
    """Cohort and person of each slice: patients known to be one person have one name."""
    again = {name: same_person(name) for name in {row.cohort for row in rows}}
    return np.array(
        [f"{row.cohort} {again[row.cohort].get(row.patient, row.patient)}" for row in rows]
    )


def open_slice_set(folder: Path) -> SliceSet:
    """Open a folder written by `prepare`.

    Raises
    ------
    InputError
        If a file is missing, or the files do not fit together.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["format"] not in (WHOLE_ARRAYS, FORMAT) or not float(about["spacing_mm"]) > 0:
            raise ValueError(f"{ABOUT} is not of format {WHOLE_ARRAYS} or {FORMAT}")
        with (folder / "slices.csv").open(newline="", encoding="utf-8") as file:
            rows = tuple(_parse_row(row) for row in csv.DictReader(file))
        opened = (
            _whole_arrays(folder) if about["format"] == WHOLE_ARRAYS else _sharded(folder, about)
        )
    except UNREADABLE as error:
        raise InputError(
            f"{folder}: not a readable slice set ({error}); make one with `cmr-synth cohort "
            "prepare NAME=PATH --out DIR`."
        ) from error
    if any(a.dtype != np.uint8 or a.ndim != 3 for a in opened):
        raise InputError(
            f"{folder}: not a slice set, its arrays are not (slices, rows, columns) of uint8; "
            "prepare it again."
        )
    if any(a.shape != opened[0].shape or len(a) != len(rows) for a in opened):
        raise InputError(f"{folder}: its files do not fit together; prepare it again.")
    return SliceSet(opened[0], opened[1], opened[2], rows, about)


def _whole_arrays(folder: Path) -> list[Pixels]:
    arrays = [np.load(folder / f"{key}.npy", mmap_mode="r", allow_pickle=False) for key in KEYS]
    if any(not isinstance(one, np.ndarray) for one in arrays):
        raise ValueError("an archive where an array should be")
    return [*arrays]


def _sharded(folder: Path, about: Mapping[str, Any]) -> list[Pixels]:
    names = [str(name) for name, _ in about["shards"]]
    if any(Path(name).name != name for name in names):
        raise ValueError("a shard outside of the set")
    rows, columns = (int(side) for side in about["shape"])
    counts = [int(count) for _, count in about["shards"]]
    files = Shards([folder / SHARDS / name for name in names], counts, (rows, columns))
    return [Planes(files, key) for key in KEYS]


def write_slice_set(
    out: Path,
    arrays: Mapping[str, NDArray[np.uint8]],
    rows: Sequence[SliceRow],
    about: Mapping[str, Any],
) -> None:
    """Write a slice set; the folder appears only when it is complete.

    Parameters
    ----------
    out : Path
        An existing slice set is replaced.
    arrays : mapping
        "images", "labels" and "covered", (n, rows, columns) each.
    rows : n SliceRows
    about : mapping
        For `slice_set.json`.

    Raises
    ------
    InputError
        If `out` holds something else, or cannot be written.
    """
    with write_folder(out, replaces=ABOUT) as folder:
        shards = []
        for number, first in enumerate(range(0, len(rows), SLICES)):
            some = {key: np.asarray(arrays[key][first : first + SLICES]) for key in KEYS}
            shards.append((f"{number:05d}.safetensors", len(some["images"])))
            write_shard(folder / SHARDS / shards[-1][0], some)
        write_index(folder, rows, about, shards, np.shape(arrays["images"])[1:])


def write_index(
    folder: Path,
    rows: Iterable[SliceRow],
    about: Mapping[str, Any],
    shards: Sequence[tuple[str, int]],
    shape: Sequence[int],
) -> None:
    """Make shards that are there a slice set.

    Parameters
    ----------
    folder : Path
        Holds the shards in `SHARDS`.
    rows : SliceRows
        Of all slices, in the order of the shards.
    about : mapping
        For `slice_set.json`.
    shards : (file name, number of slices) pairs
    shape : (rows, columns)

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with (folder / "slices.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(SliceRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    said = {**about, "format": FORMAT, "shape": list(shape), "shards": [list(s) for s in shards]}
    (folder / ABOUT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _parse_row(row: dict[str, str]) -> SliceRow:
    return SliceRow(
        cohort=row["cohort"],
        patient=row["patient"],
        split=row["split"],
        vendor=row["vendor"],
        phase=row["phase"],
        pathology=row["pathology"],
        slice=int(row["slice"]),
        z=float(row["z"]),
        completed=row["completed"] == "True",
        between_mm=float(row.get("between_mm") or 0),
        contrast=row.get("contrast") or "cine",
        age=_number(row.get("age")),
        height=_number(row.get("height")),
        weight=_number(row.get("weight")),
        frame=int(row["frame"]) if row.get("frame") else None,
    )


def _number(cell: str | None) -> float | None:
    return float(cell) if cell else None
