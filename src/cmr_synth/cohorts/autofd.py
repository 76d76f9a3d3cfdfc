"""AutoFD: seven ED stacks of the UK Digital Heart Project, all three structures labelled.

A folder per patient with `sa_ED.nii.gz` and `seg_sa_ED.nii.gz`. The masks hold more slices than
the images, between and around theirs: each image slice takes the mask slice at its place in space.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED, is_heart
from cmr_synth.cohorts.examination import Examination, fully_labelled
from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import read_image, read_labels
from cmr_synth.imaging.orientation import apply, apply_to_spacing, in_plane_orientation
from cmr_synth.imaging.positions import slice_position
from cmr_synth.imaging.scan import Scan

name = "autofd"
title = "AutoFD example stacks, UK Digital Heart Project"
vendor = None
licence = "MIT"
citation = (
    "UK Digital Heart Project, Imperial College London: AutoFD, fractal analysis of myocardial "
    "trabeculae, example data."
)
same_person: dict[str, str] = {}
IMAGE, MASK = "sa_ED.nii.gz", "seg_sa_ED.nii.gz"
LABELS = {0: 0, 1: LV, 2: MYO, 4: RV}
TOLERANCE = 0.5  # voxels that a mask may lie beside its image


def examinations(root: Path) -> Iterator[Examination]:
    """Yield the ED stack of every folder below `root` that holds one, in order.

    Slices that no mask slice lies on are unlabelled.

    Raises
    ------
    InputError
        If there is no such folder, a file cannot be read, or a mask lies on another grid.
    """
    root = Path(root)
    folders = sorted(p.parent for p in root.glob(f"*/{IMAGE}"))
    if not folders:
        raise InputError(f"{root}: no folder in it holds {IMAGE}; give AutoFD's folder of stacks.")
    for folder in folders:
        image, mask = read_image(folder / IMAGE), read_labels(folder / MASK)
        labels = _on_image(image, mask, where=folder / MASK)
        orientation = in_plane_orientation(image.affine)
        labels = apply(orientation, labels)
        yield Examination(
            cohort=name,
            patient=folder.name,
            image=apply(orientation, _stack(image).astype(np.float32)),
            labels=labels,
            may_hide=fully_labelled(labels),
            spacing=apply_to_spacing(orientation, image.spacing),
            z=slice_position(is_heart(labels).sum(axis=(1, 2))),
            vendor=vendor,
            phase="ED",
            pathology=None,
            files=(f"{folder.name}/{IMAGE}", f"{folder.name}/{MASK}"),
        )


def _on_image(image: Scan, mask: Scan, *, where: Path) -> NDArray[np.uint8]:
    """The mask's slices that lie on the image's, as engine labels; 255 where none does."""
    pixels, numbers = _stack(image), _stack(mask)
    unexpected = sorted(set(np.unique(numbers).tolist()) - set(LABELS))
    if unexpected:
        raise InputError(f"{where}: found label {unexpected[0]}, AutoFD has 0, 1, 2 and 4.")
    to_mask = np.linalg.inv(mask.affine) @ image.affine  # image voxel (x, y, z) to mask voxel
    corner = to_mask[:2, 3]
    if numbers.shape[1:] != pixels.shape[1:] or np.abs(corner).max() > TOLERANCE:
        raise InputError(
            f"{where}: its pixels are not those of the image ({numbers.shape[1:]} at "
            f"{corner.round(1).tolist()} voxels, the image has {pixels.shape[1:]}); both must "
            "come from the same download."
        )
    labels = np.full(pixels.shape, UNLABELLED, dtype=np.uint8)
    table = np.zeros(max(LABELS) + 1, dtype=np.uint8)
    for number, label in LABELS.items():
        table[number] = label
    for k in range(len(labels)):
        place = to_mask[2, 2] * k + to_mask[2, 3]
        if 0 <= round(place) < len(numbers):
            labels[k] = table[numbers[round(place)].astype(np.uint8)]
    return labels


def _stack(scan: Scan) -> NDArray:
    """The single frame of a scan, (z, y, x)."""
    return scan.array.reshape(scan.array.shape[-3:])
