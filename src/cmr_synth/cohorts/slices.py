"""A prepared slice set: every labelled slice of some cohorts on one grid, memory-mapped.

A folder with `images.npy` and `labels.npy` (N, rows, columns) uint8, `covered.npy` (the part of
the grid inside the scan's field of view), `slices.csv` (one row a slice) and `slice_set.json`.
The grid is wider than the networks' own, so that rotated and shifted crops stay inside the scan.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.labels import UNLABELLED, is_heart
from cmr_synth.cohorts.examination import Examination, LeftOut
from cmr_synth.cohorts.reading import read_cohort, require_nothing_left_out
from cmr_synth.cohorts.registry import load_cohort, same_person
from cmr_synth.cohorts.splits import check_shares, split_patients
from cmr_synth.errors import InputError
from cmr_synth.files import UNREADABLE, require_replaceable, write_folder
from cmr_synth.imaging.grid import WorkingGrid, place
from cmr_synth.imaging.normalise import NORMALISATIONS, UNIT_RANGE, normalised, percentile

WIDE_GRID = WorkingGrid(shape=(160, 160), spacing=1.5)
ABOUT = "slice_set.json"
FORMAT = 1
Completion = Callable[[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]], NDArray]


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One slice of the set; empty text where a condition is not known."""

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


@dataclass(frozen=True)
class SliceSet:
    """An opened slice set; arrays are memory-mapped and read-only.

    Parameters
    ----------
    images : (n, rows, columns) uint8 array
        0 to 255 for the normalised intensities 0 to 1.
    labels : (n, rows, columns) uint8 array
        Engine labels, 255 unlabelled. Slices of contrast "lge" may have infarct and no-reflow.
    covered : (n, rows, columns) uint8 array
        1 inside the scan's field of view.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    covered: NDArray[np.uint8]
    rows: tuple[SliceRow, ...]
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.rows)

    def where(
        self,
        *,
        split: str | None = None,
        cohorts: Sequence[str] | None = None,
        contrast: str | None = "cine",
    ) -> NDArray[np.int64]:
        """Indices of the slices of one split, of some cohorts and of one contrast, in order.

        Whoever wants another contrast than cine, or None for all, has to know its labels.
        """
        return np.array(
            [
                i
                for i, row in enumerate(self.rows)
                if (split is None or row.split == split)
                and (cohorts is None or row.cohort in cohorts)
                and (contrast is None or row.contrast == contrast)
            ],
            dtype=np.int64,
        )

    def crop(
        self, index: NDArray[np.int64], shape: tuple[int, int] = (128, 128)
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The middle of some slices: pixels (n, *shape) in [0, 1] and labels (n, *shape)."""
        rows, columns = self.images.shape[1:]
        top, left = (rows - shape[0]) // 2, (columns - shape[1]) // 2
        window = (index, slice(top, top + shape[0]), slice(left, left + shape[1]))
        pixels = self.images[window].astype(np.float32) / np.float32(255)
        return pixels.astype(np.float32), np.asarray(self.labels[window])

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
        about = json.loads((folder / ABOUT).read_text())
        if about["format"] != FORMAT or not float(about["spacing_mm"]) > 0:
            raise ValueError(f"{ABOUT} is not of format {FORMAT}")
        arrays = [
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("images", "labels", "covered")
        ]
        with (folder / "slices.csv").open(newline="") as file:
            rows = tuple(_parse_row(row) for row in csv.DictReader(file))
    except UNREADABLE as error:
        raise InputError(
            f"{folder}: not a readable slice set ({error}); make one with `cmr-synth cohort "
            "prepare NAME=PATH --out DIR`."
        ) from error
    if any(not isinstance(a, np.ndarray) or a.dtype != np.uint8 or a.ndim != 3 for a in arrays):
        raise InputError(
            f"{folder}: not a slice set, its arrays are not (slices, rows, columns) of uint8; "
            "prepare it again."
        )
    if any(a.shape != arrays[0].shape or len(a) != len(rows) for a in arrays):
        raise InputError(f"{folder}: its files do not fit together; prepare it again.")
    return SliceSet(arrays[0], arrays[1], arrays[2], rows, about)


def prepare(
    sources: Iterable[tuple[str, Path]],
    out: Path,
    *,
    complete: Completion | None = None,
    normalisation: str = "percentile",
    seed: int = 0,
    test: float = 0.2,
    validation: float = 0.05,
    strict: bool = False,
) -> Iterator[str]:
    """Write the slice set of some cohorts, patient by patient.

    Slices without any label are left out. The folder appears only when it is complete.

    Parameters
    ----------
    sources : (cohort name, folder) pairs
    out : Path
        Folder to make; an existing slice set is replaced.
    complete : callable, optional
        `(images, labels, may_hide) -> labels` on the wide grid; completes partly labelled
        slices. Without it, unlabelled pixels stay 255. Its images are normalised by `percentile`
        whatever the set's are, because the segmenter was trained on such.
    normalisation : str
        One of `UNIT_RANGE`, applied to each stack.
    seed, test, validation
        See `split_patients`.
    strict : bool
        Refuse cohorts of which anything had to be left out. Otherwise `slice_set.json` lists it.

    Yields
    ------
    str
        A line for every examination read.

    Raises
    ------
    InputError
        If an option or a source does not do, `out` holds something else than a slice set, or
        something is left out and `strict`.
    """
    sources = list(sources)
    names = [name for name, _ in sources]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"cohort {twice!r} is given twice; give each one folder.")
    known = ", ".join(UNIT_RANGE)
    if normalisation not in UNIT_RANGE:
        raise InputError(
            f"normalisation {normalisation!r} leads to values beyond 0 to 1, which a slice set "
            f"cannot hold; choose from {known}."
            if normalisation in NORMALISATIONS
            else f"no normalisation is called {normalisation!r}; known are {known}."
        )
    check_shares(test, validation)
    require_replaceable(out, ABOUT)
    examinations: list[tuple[Examination, dict]] = []
    about: dict[str, Any] = {"format": FORMAT, "spacing_mm": WIDE_GRID.spacing, "cohorts": {}}
    for name, root in sources:
        cohort = load_cohort(name)
        count, left_out = 0, list[LeftOut]()
        for examination in read_cohort(name, root, left_out):
            examinations.append((examination, _on_grid(examination, complete, normalisation)))
            count += 1
            yield f"{name} {examination.patient} {examination.phase or ''}".rstrip()
        if strict:
            require_nothing_left_out(left_out)
        about["cohorts"][name] = {
            "title": cohort.title,
            "licence": cohort.licence,
            "citation": cohort.citation,
            "examinations": count,
            "left_out": [asdict(one) for one in left_out],
        }
    splits: dict[tuple[str, str], str] = {}
    for name in about["cohorts"]:
        pathology_of = {e.patient: e.pathology for e, _ in examinations if e.cohort == name}
        assigned = split_patients(
            pathology_of,
            seed=seed,
            test=test,
            validation=validation,
            settled=load_cohort(name).settled,
            same_person=load_cohort(name).same_person,
        )
        splits.update({(name, patient): split for patient, split in assigned.items()})

    rows: list[SliceRow] = []
    arrays: dict[str, list] = {"images": [], "labels": [], "covered": []}
    for examination, on_grid in examinations:
        for k in np.flatnonzero(is_heart(on_grid["labels"]).any(axis=(1, 2))):
            for key in arrays:
                arrays[key].append(on_grid[key][k])
            rows.append(
                SliceRow(
                    cohort=examination.cohort,
                    patient=examination.patient,
                    split=splits[examination.cohort, examination.patient],
                    vendor=examination.vendor or "",
                    phase=examination.phase or "",
                    pathology=examination.pathology or "",
                    slice=int(k),
                    z=float(examination.z[k]),
                    completed=bool(on_grid["completed"][k]),
                    between_mm=float(examination.spacing[0]),
                    contrast=examination.contrast,
                )
            )
    if not rows:
        raise InputError("no labelled slice in the data given; check the folders and their masks.")
    about |= {
        "slices": len(rows),
        "normalisation": normalisation,
        "split": {"seed": seed, "test": test, "validation": validation},
        "cmr_synth": cmr_synth.__version__,
    }
    write_slice_set(out, {key: np.stack(planes) for key, planes in arrays.items()}, rows, about)


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
        for key, planes in arrays.items():
            np.save(folder / f"{key}.npy", planes)
        with (folder / "slices.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [f.name for f in fields(SliceRow)])
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def _on_grid(examination: Examination, complete: Completion | None, normalisation: str) -> dict:
    """Resample one examination; completes first, so that the crop is centred on the whole heart."""
    if examination.contrast != "cine":
        complete = None  # the segmenter learned cine alone
    labels, spacing = examination.labels, examination.spacing[1:]
    drawn = is_heart(labels)
    if not drawn.any():
        empty = np.zeros((0, *WIDE_GRID.shape), np.uint8)
        return {"images": empty, "labels": empty, "covered": empty, "completed": ()}
    name = f"{examination.cohort} {examination.patient}"
    pixels = percentile(examination.image)
    placement = place(drawn, spacing, grid=WIDE_GRID, name=name, must_fit=False)
    hides = examination.may_hide.any(axis=1)
    heart = drawn
    if complete is not None and hides.any():
        whole = complete(
            placement.image_to_grid(pixels), placement.labels_to_grid(labels), examination.may_hide
        )
        found = is_heart(placement.labels_from_grid(whole))
        if found.any():
            heart = found
            placement = place(heart, spacing, grid=WIDE_GRID, name=name, must_fit=False)
    fill = UNLABELLED if hides.any() else 0
    on_grid = placement.labels_to_grid(labels, fill=fill)
    if complete is not None and hides.any():
        # a slice on which nothing was drawn cannot be trusted to hold a heart at all
        on_grid = np.where(
            examination.labelled[:, None, None],
            complete(placement.image_to_grid(pixels), on_grid, examination.may_hide),
            0,
        ).astype(np.uint8)
    images = placement.image_to_grid(normalised(examination.image, normalisation, heart, spacing))
    covered = np.broadcast_to(placement.covered(), images.shape).astype(np.uint8)
    return {
        "images": np.round(np.clip(images, 0, 1) * 255).astype(np.uint8),
        "labels": on_grid,
        "covered": covered,
        "completed": hides & (complete is not None),
    }


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
    )
