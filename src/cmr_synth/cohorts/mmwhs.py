"""MM-WHS: whole hearts in three dimensions, 20 of them in MR with masks; cut into short axis here.

`mr_train_1001_image.nii.gz` with `mr_train_1001_label.nii.gz`, in any folders below the one given.
Those of the test set have no masks in numbers and are left out, as is CT.

The volumes lie along the scanner's axes. Each is cut across the long axis of its left ventricle,
the principal axis of cavity and wall that leads away from the left atrium, into slices as they are
in short-axis stacks: every 8 mm, the mean over a slice's thickness. Columns lead from the right
ventricle to the left one. Of the seven structures the LV, its wall and the RV are taken; the
atria, the aorta and the pulmonary artery count as background.

Assumed without having seen the data: label numbers as published (500 LV, 205 wall, 600 RV, 420 left
atrium, 550 right atrium, 820 aorta, 850 pulmonary artery), and 421, which users report in a file,
meaning 420.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV, is_heart, translate
from cmr_synth.cohorts.examination import Examination, LeftOut, Unread, fully_labelled
from cmr_synth.cohorts.nifti_files import nifti_below, relative, stem_of
from cmr_synth.cohorts.stacks import each, read_numbers
from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.orientation import Orientation
from cmr_synth.imaging.plane import LONG_AXIS
from cmr_synth.imaging.positions import slice_position
from cmr_synth.imaging.scan import require_same_grid

name = "mmwhs"
title = "MM-WHS, multi-modality whole heart segmentation challenge, 2017 (its MR part)"
vendor = None
licence = "for research, by agreement with the organisers; not to be passed on"
citation = (
    "X. Zhuang, L. Li, C. Payer, et al. Evaluation of algorithms for multi-modality whole heart "
    "segmentation: An open-access grand challenge. Medical Image Analysis 58, 101537, 2019. "
    "doi:10.1016/j.media.2019.101537"
)
asked_for = "https://zmiclab.github.io/zxh/0/mmwhs/"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}

SPACING_MM = (8.0, 1.5, 1.5)  # of the slices made: (z, y, x), as of a usual cine
PIXELS = 128  # along each side of a slice
WITHIN = 5  # planes whose mean is a slice
LEFT_ATRIUM = 100  # while cutting; no engine label
NUMBERS = {
    0: BACKGROUND,
    500: LV,
    205: MYO,
    600: RV,
    420: LEFT_ATRIUM,
    421: LEFT_ATRIUM,
    550: BACKGROUND,
    820: BACKGROUND,
    850: BACKGROUND,
}
CUT = Orientation(trustworthy=True, reason="Cut across the long axis of the left ventricle.")

_IMAGE = re.compile(r"(mr_train_\d+)_image", re.IGNORECASE)


@dataclass(frozen=True)
class _Pair:
    patient: str
    image: Path
    mask: Path


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield the short axis of every whole heart.

    Raises
    ------
    InputError
        If there is none.
    """
    root = Path(root)
    yield from each(
        _pairs(root), lambda pair: [_cut(pair, root)], lambda p: [p.mask, p.image], root=root
    )


def remarks(root: Path) -> list[str]:
    """How slices were made."""
    z, y, _ = SPACING_MM
    return [
        f"volumes are cut across the long axis into slices of {y:g} mm pixels every {z:g} mm.",
        "the atria, the aorta and the pulmonary artery count as background.",
    ]


def _pairs(root: Path) -> Iterator[_Pair | LeftOut]:
    by_stem = {stem_of(path.name).lower(): path for path in nifti_below(root)}
    if not any(_IMAGE.fullmatch(stem) for stem in by_stem):
        raise InputError(f"{root}: no mr_train_N_image lies below; give MM-WHS' folder.")
    for stem, path in by_stem.items():
        match = _IMAGE.fullmatch(stem)
        partner = re.sub(r"_label$", "_image", stem)
        if match and (mask := by_stem.get(f"{match[1].lower()}_label")):
            yield _Pair(match[1], path, mask)
        elif not (_IMAGE.fullmatch(partner) and partner in by_stem and partner != stem):
            yield LeftOut(relative(path, root), "is no MR of a whole heart with its mask.")


def _cut(pair: _Pair, root: Path) -> Examination:
    image, mask = read_image(pair.image), read_numbers(pair.mask, NUMBERS)
    require_same_grid(image, mask)
    if image.n_frames > 1:
        raise InputError(f"{image.name}: holds {image.n_frames} frames, a whole heart is one.")
    volume = image.array.reshape(image.shape[-3:]).astype(np.float32, copy=False)
    labels = translate(mask.array.reshape(volume.shape), NUMBERS, name=mask.name, source="MM-WHS")
    affine = _short_axis(labels, mask.affine, mask.name)
    slices = _slices(labels, mask.affine, affine)
    affine[:3, 3] += slices[0] * affine[:3, 2]
    depth = len(slices)
    pixels = np.zeros((depth, PIXELS, PIXELS), np.float32)
    for part in (np.arange(WITHIN) + 0.5) / WITHIN - 0.5:  # of a slice's thickness
        pixels += _sampled(volume, image.affine, affine, depth, part, order=1) / WITHIN
    cut = _sampled(labels, mask.affine, affine, depth, 0.0, order=0).astype(np.uint8)
    cut[cut == LEFT_ATRIUM] = BACKGROUND
    return Examination(
        cohort=name,
        patient=pair.patient,
        image=pixels,
        labels=cut,
        may_hide=fully_labelled(cut),
        spacing=SPACING_MM,
        z=slice_position(is_heart(cut).sum(axis=(1, 2))),
        contrast="whole-heart",
        files=(relative(pair.image, root), relative(pair.mask, root)),
        affine=affine,
        orientation=CUT,
        notes=image.notes,
    )


def _short_axis(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], mask_name: str
) -> NDArray[np.float64]:
    """Slice voxel (x, y, z) to RAS mm; slice 0 through the middle of the left ventricle."""
    where = {value: _places(labels == value, affine) for value in (LV, MYO, RV, LEFT_ATRIUM)}
    if not all(len(where[value]) for value in (LV, MYO, RV)):
        raise InputError(f"{mask_name}: lacks the LV, its wall or the RV; no axis can be told.")
    ventricle = np.concatenate([where[LV], where[MYO]])
    middle = ventricle.mean(axis=0)
    axis = np.linalg.svd(np.cov((ventricle - middle).T))[0][:, 0]
    atrium = where[LEFT_ATRIUM]
    to_apex = middle - atrium.mean(axis=0) if len(atrium) else LONG_AXIS
    axis = axis if axis @ to_apex > 0 else -axis
    across = middle - where[RV].mean(axis=0)  # right to left ventricle
    columns = across - (across @ axis) * axis
    columns /= np.linalg.norm(columns)
    rows = np.cross(columns, axis)  # toward the feet and the back where columns lead to the left
    z, y, x = SPACING_MM
    made = np.eye(4)
    made[:3, 0], made[:3, 1], made[:3, 2] = columns * x, rows * y, axis * z
    made[:3, 3] = middle - made[:3, :2] @ np.full(2, (PIXELS - 1) / 2)
    return made


def _slices(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], made: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Numbers of the slices from the base of the heart to its apex."""
    heart = _places(is_heart(labels), affine)
    along = (heart - made[:3, 3]) @ made[:3, 2] / SPACING_MM[0] ** 2
    return np.arange(int(np.floor(along.min())), int(np.ceil(along.max())) + 1)


def _places(region: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the voxels of a region, (z, y, x), lie: (n, 3) in RAS mm."""
    return np.argwhere(region)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]


def _sampled(
    volume: NDArray,
    affine: NDArray[np.float64],
    made: NDArray[np.float64],
    depth: int,
    part: float,
    *,
    order: int,
) -> NDArray:
    """A volume at the places of slices, (depth, rows, columns); 0 beyond it."""
    from scipy.ndimage import affine_transform

    shifted = made.copy()
    shifted[:3, 3] += part * made[:3, 2]
    to_volume = np.linalg.inv(affine) @ shifted  # (x, y, z) of slices to those of the volume
    flip = np.eye(4)[[2, 1, 0, 3]]  # (x, y, z) <-> (z, y, x)
    return affine_transform(
        volume, flip @ to_volume @ flip, output_shape=(depth, PIXELS, PIXELS), order=order
    )
