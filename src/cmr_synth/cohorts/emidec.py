"""EMIDEC: late gadolinium enhancement of 150 patients, Siemens; cavity, wall, infarct, no-reflow.

Two layouts are read. As distributed: `Case_P001/Images/Case_P001.nii.gz` with
`Case_P001/Contours/Case_P001.nii.gz` (N: normal, P: infarct; cases of the test set, which are
numbered alone, have no contours). Or an archive `emidec_slices.npz` of single slices, with keys
`image`, `label`, `patient` and `slice`.

Assumed without having seen the files as distributed: that their affines have lost the direction,
and that the archive's rows are their first axis. The archive's slices were stretched to squares,
whatever field of view they had, and their pixel size was not kept: hearts come out twice as wide as
high, or as high as wide. The left ventricle of a short axis is round, so that its outline says by
how much. With the pixel of the stretched axis made that much smaller, ventricles of stretched
patients measure 68 mm across (median), those of others 71; with the other axis made larger they
would measure 119. The archive's pictures show the chest wall below
and the stomach above on the left, the mirror image of radiological display over its other
diagonal (looked at, and the best of the eight moves onto the mean picture of ACDC).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import BACKGROUND, INFARCT, LV, MYO, NO_REFLOW, is_heart, translate
from cmr_synth.cohorts.archive import open_npz
from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_at
from cmr_synth.cohorts.stacks import Drawing, Stack, known, left_out, read_stacks
from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import Orientation, apply, apply_to_spacing

name = "emidec"
title = "EMIDEC, automatic evaluation of myocardial infarction from delayed-enhancement MRI, 2020"
vendor = "siemens"
licence = "CC BY-NC-SA 4.0"
citation = (
    "A. Lalande, Z. Chen, T. Decourselle, et al. Emidec: A Database Usable for the Automatic "
    "Evaluation of Myocardial Infarction from Delayed-Enhancement Cardiac MRI. Data 5(4), 89, "
    "2020. doi:10.3390/data5040089"
)
asked_for = "https://emidec.com"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
contrast = "lge"
PATHOLOGY = {"N": "normal", "P": "minf"}
ARCHIVE = "emidec_slices.npz"
BETWEEN_MM, PIXEL_MM = 10.0, 1.46  # of the archive, which keeps none: typical of the originals
ROUND = 0.1  # logarithm of height over width; hearts within are taken to be as they are drawn
FEWEST_PIXELS = 100  # of a cavity whose outline says something
NUMBERS = {0: BACKGROUND, 1: LV, 2: MYO, 3: INFARCT, 4: NO_REFLOW}
DRAWN = ("LV", "MYO")
DRAWING = Drawing(
    source="EMIDEC",
    numbers=NUMBERS,
    drawn=DRAWN,
    in_plane=Orientation(
        flip_rows=True, flip_columns=True, reason="EMIDEC stores slices turned by 180 degrees."
    ),
)
IN_ARCHIVE = Orientation(
    transpose=True,
    flip_rows=True,
    flip_columns=True,
    reason="Slices of the archive are mirrored over the diagonal.",
)


def examinations(root: Path) -> Iterator[Examination | LeftOut | Unread]:
    """Yield the stack of every case, or of every patient of the archive.

    Labels have infarct (4) and no-reflow (5); the RV was not drawn.

    Raises
    ------
    InputError
        If neither layout is there, or the archive's arrays do not fit together.
    """
    root = Path(root)
    if (root / ARCHIVE).is_file():
        yield from _of_archive(root / ARCHIVE)
        return
    cases = sorted(p for p in root.glob("Case*") if p.is_dir())
    if not cases:
        raise InputError(
            f"{root}: holds neither folders such as Case_P001 nor {ARCHIVE}; give the folder of "
            "EMIDEC's cases."
        )
    yield from read_stacks((_stack(case, root) for case in cases), DRAWING, cohort=name, root=root)


def remarks(root: Path) -> list[str]:
    """What is not recorded."""
    said = ["slices are assumed to be stored in EMIDEC's own orientation, its affines have none."]
    if (Path(root) / ARCHIVE).is_file():
        said = [
            f"voxels are taken to be {BETWEEN_MM:g} mm apart and {PIXEL_MM:g} mm wide; the archive "
            "does not record them.",
            "slices were stretched to squares; a patient's pixels are made narrower until the left "
            "ventricle is round.",
            "edges of the archive's slices are black or white where they were resampled.",
        ]
    return said


def _stack(case: Path, root: Path) -> Stack | LeftOut:
    """A case as distributed."""
    match = re.fullmatch(r"Case[ _]([NP]?)(\d+)", case.name)
    if match is None:
        return LeftOut(case.name, "is not named as a case, such as Case_P001.")
    try:
        return Stack(
            patient=f"{match[1]}{match[2]}",
            image=nifti_at(case / "Images", case.name),
            mask=nifti_at(case / "Contours", case.name) if match[1] else None,
            vendor=vendor,
            pathology=PATHOLOGY.get(match[1]),
            contrast=contrast,
        )
    except InputError as error:
        return left_out(error, [case], root)


def _of_archive(path: Path) -> Iterator[Examination]:
    arrays = _read(path)
    for patient in sorted(set(arrays["patient"].tolist())):
        rows = np.flatnonzero(arrays["patient"] == patient)
        rows = rows[np.argsort(arrays["slice"][rows], kind="stable")]
        labels = translate(
            arrays["label"][rows], NUMBERS, name=f"{path.name}, {patient}", source="EMIDEC"
        )
        labels, may_hide = known(labels, DRAWN)
        place = arrays["slice"][rows].astype(np.float32)  # base first
        yield Examination(
            cohort=name,
            patient=patient,
            image=apply(IN_ARCHIVE, arrays["image"][rows].astype(np.float32)),
            labels=apply(IN_ARCHIVE, labels),
            may_hide=may_hide,
            spacing=apply_to_spacing(IN_ARCHIVE, (BETWEEN_MM, *_pixel(labels))),
            z=(place - place[0]) / max(float(place[-1] - place[0]), 1.0),
            vendor=vendor,
            pathology=PATHOLOGY.get(patient[:1]),
            contrast=contrast,
            files=tuple(f"{patient} {k}" for k in arrays["slice"][rows]),
            orientation=IN_ARCHIVE,
        )


def _pixel(labels: NDArray[np.uint8]) -> tuple[float, float]:
    """Size (row, column) in mm of a patient's pixels, from the roundness of the left ventricle."""
    ratios = []
    for mask in labels:
        if (mask == LV).sum() >= FEWEST_PIXELS:
            rows, columns = np.nonzero(is_heart(mask))
            ratios.append(float(rows.std() / max(columns.std(), 1e-6)))
    taller = float(np.median(ratios)) if ratios else 1.0
    if abs(np.log(taller)) <= ROUND:
        return PIXEL_MM, PIXEL_MM
    return PIXEL_MM * min(1 / taller, 1.0), PIXEL_MM * min(taller, 1.0)


def _read(path: Path) -> dict[str, NDArray]:
    arrays = open_npz(path)
    for key in ("image", "label", "patient", "slice"):
        if key not in arrays:
            raise InputError(f"{path}: no array {key!r}.")
    image = arrays["image"]
    if image.ndim != 3 or image.dtype.kind not in "biuf" or arrays["slice"].dtype.kind not in "iu":
        raise InputError(f"{path}: 'image' is no stack of slices in numbers, or 'slice' no number.")
    for key, shape in (
        ("label", image.shape),
        ("patient", image.shape[:1]),
        ("slice", image.shape[:1]),
    ):
        if arrays[key].shape != shape:
            raise InputError(
                f"{path}: {key!r} is of shape {arrays[key].shape} and not {shape}; download it "
                "again."
            )
    return arrays
