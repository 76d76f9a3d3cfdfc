"""AutoFD: seven ED stacks of the UK Digital Heart Project, all three structures labelled.

A folder per patient with `sa_ED.nii.gz` and `seg_sa_ED.nii.gz`. The masks hold more slices than
the images, between and around theirs: each image slice takes the mask slice at its place in space.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV, UNLABELLED, is_heart
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
asked_for = "https://github.com/UK-Digital-Heart-Project/AutoFD"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
IMAGE, MASK = "sa_ED.nii.gz", "seg_sa_ED.nii.gz"
LABELS = {0: BACKGROUND, 1: LV, 2: MYO, 4: RV}
TOLERANCE = 0.5  # voxels that a mask may lie beside its image, in the plane


def examinations(root: Path) -> Iterator[Examination]:
    """Yield the ED stack of every folder below `root` that holds one, in order.

    Slices that no mask slice lies on are unlabelled.

    Raises
    ------
    InputError
        If there is no such folder, a file cannot be read, or a mask lies on another grid.
    """
    for folder in _folders(Path(root)):
        image, labels = _read(folder)
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


def remarks(root: Path) -> list[str]:
    """How many image slices no mask slice lies on; they are unlabelled."""
    stacks = [_read(folder)[1] for folder in _folders(Path(root))]
    beside = sum(int((labels == UNLABELLED).all(axis=(1, 2)).sum()) for labels in stacks)
    of = sum(len(labels) for labels in stacks)
    return [f"{beside} of {of} slices lie beside their mask and are unlabelled."] if beside else []


def _folders(root: Path) -> list[Path]:
    found = sorted(path.parent for path in root.glob(f"*/{IMAGE}"))
    if not found:
        raise InputError(f"{root}: no folder in it holds {IMAGE}; give AutoFD's folder of stacks.")
    return found


def _read(folder: Path) -> tuple[Scan, NDArray[np.uint8]]:
    """Image of a patient and the labels on its slices, both as stored."""
    image, mask = read_image(folder / IMAGE), read_labels(folder / MASK)
    return image, _on_image(image, mask, where=folder / MASK)


def _on_image(image: Scan, mask: Scan, *, where: Path) -> NDArray[np.uint8]:
    """The mask's slices on those of the image, engine labels (z, y, x); 255 where none lies."""
    pixels, numbers = _stack(image), _stack(mask)
    unexpected = sorted(set(np.unique(numbers).tolist()) - set(LABELS))
    if unexpected:
        raise InputError(f"{where}: found label {unexpected[0]}, AutoFD has 0, 1, 2 and 4.")
    depth, rows, columns = pixels.shape
    corners = np.array(
        [[x, y, z, 1] for x in (0, columns - 1) for y in (0, rows - 1) for z in (0, depth - 1)]
    )  # image voxels (x, y, z)
    in_mask = corners @ (np.linalg.inv(mask.affine) @ image.affine).T
    apart = float(np.abs(in_mask - corners)[:, :2].max())
    if numbers.shape[1:] != pixels.shape[1:] or apart > TOLERANCE:
        raise InputError(
            f"{where}: its pixels are not those of the image ({numbers.shape[1]} x "
            f"{numbers.shape[2]}, up to {apart:.1f} pixels away; the image has {rows} x "
            f"{columns}); both must come from the same download."
        )
    table = np.zeros(max(LABELS) + 1, dtype=np.uint8)
    table[list(LABELS)] = list(LABELS.values())
    labels = np.full(pixels.shape, UNLABELLED, dtype=np.uint8)
    first, last = in_mask[0, 2], in_mask[1, 2]  # mask slices at the image's first and last
    for k, place in enumerate(np.linspace(first, last, depth).round().astype(int)):
        if 0 <= place < len(numbers):
            labels[k] = table[numbers[place]]
    return labels


def _stack(scan: Scan) -> NDArray:
    """The single frame of a scan, (z, y, x)."""
    if scan.n_frames > 1:
        raise InputError(
            f"{scan.name}: holds {scan.n_frames} frames, and AutoFD's stacks hold one; both must "
            "come from the same download."
        )
    return scan.array.reshape(scan.array.shape[-3:])
