"""Dials turned on mask files, and the same warp on the scan that a mask was drawn on.

A mask may be stored in any orientation and have frames; each frame with a heart is turned by
itself, by the same dials. A scan that was moved along is altered, not synthetic: its header and its
record say so, and what it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.dials import Dials, Effect, Heart, Warp, move_pixels
from cmr_synth.anatomy.labels import (
    BACKGROUND,
    SCAR,
    STRUCTURES,
    is_heart,
    revert,
    scar_as_myocardium,
    written_as,
)
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.heart_side import Mirror, orientation_of_heart
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.orientation import Orientation, apply, apply_to_spacing, undo
from cmr_synth.imaging.scan import Scan, require_foreground, require_same_grid
from cmr_synth.synthesis.formats import MASK_SERIES
from cmr_synth.synthesis.record import ALTERED, labels_hash, versions, write_sidecar

"""First word of the description of a scan or mask whose heart was changed."""


@dataclass(frozen=True, eq=False)
class Upright:
    """The frames of a mask in the canonical display, each a heart to turn dials on.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels, as stored.
    orientation : Orientation
    hearts : dict of frame to Heart
        Of frames that show one.
    """

    mask: Scan
    orientation: Orientation
    hearts: dict[int, Heart]

    @classmethod
    def of(cls, mask: Scan, *, convention: str | None = None, mirror: Mirror = "auto") -> Upright:
        """Turn a mask upright and look at every frame.

        Parameters
        ----------
        mask : Scan
            Engine labels.
        convention : str, optional
            Cohort whose orientation holds where the affine has lost the direction.
        mirror : str
            What is done to the display that the affine gives; see `heart_side`.

        Raises
        ------
        InputError
            If the mask is empty, or a frame is no heart.
        """
        require_foreground(mask)
        stored = mask.array.astype(np.uint8, copy=False)
        orientation = orientation_of_heart(
            scar_as_myocardium(stored),
            mask.affine,
            mask.spacing,
            name=mask.name,
            convention=convention,
            mirror=mirror,
        )
        frames = apply(orientation, stored if mask.is_cine else stored[None])
        spacing = apply_to_spacing(orientation, mask.spacing)
        hearts = {
            t: Heart(frame, spacing, name=f"{mask.name} frame {t}" if mask.is_cine else mask.name)
            for t, frame in enumerate(frames)
            if is_heart(frame).any()
        }
        return cls(mask, orientation, hearts)

    def turned(self, dials: Dials) -> Turned:
        """Turn the dials of every frame.

        Raises
        ------
        InputError
            As `Heart.turned`.
        """
        stored = self.mask.array.astype(np.uint8, copy=False)
        frames = (stored if self.mask.is_cine else stored[None]).copy()
        warps: dict[int, Warp] = {}
        found: dict[int, tuple[Effect, ...]] = {}
        for t, heart in self.hearts.items():
            done = heart.turned(dials)
            frames[t] = undo(self.orientation, done.labels)
            warps[t], found[t] = done.warp, done.effects
        array = frames if self.mask.is_cine else frames[0]
        return Turned(self, self.mask.with_array(array), dials, warps, found)


@dataclass(frozen=True, eq=False)
class Turned:
    """A mask after its dials were turned.

    Parameters
    ----------
    upright : Upright
        Where it began.
    mask : Scan
        Engine labels, in the form of the mask that it was.
    dials : Dials
    warps : dict of frame to Warp
    effects : dict of frame to tuple of Effect
    """

    upright: Upright
    mask: Scan
    dials: Dials
    warps: dict[int, Warp]
    effects: dict[int, tuple[Effect, ...]]

    @property
    def reference(self) -> int:
        """The frame whose effects stand for all: the one with the largest LV, end-diastole."""
        return max(self.effects, key=lambda t: self.effects[t][0].before)

    def altered(self, image: Scan) -> Scan:
        """The scan that the mask was drawn on, moved alike.

        Parameters
        ----------
        image : Scan
            ([t,] z, y, x) pixels on the grid of the mask, with as many frames.

        Returns
        -------
        Scan
            float32; frames without a heart in the mask stay as they are.

        Raises
        ------
        InputError
            If it lies on another grid, or has another number of frames.
        """
        require_same_grid(image, self.mask)
        if image.n_frames != self.mask.n_frames:
            raise InputError(
                f"{image.name}: has {image.n_frames} frames and the mask {self.mask.name} "
                f"{self.mask.n_frames}; give the frame that the mask was drawn on, or a mask of "
                "every frame."
            )
        orientation = self.upright.orientation
        pixels = image.array.astype(np.float32, copy=False)
        frames = (pixels if image.is_cine else pixels[None]).copy()
        if not self.dials.neutral:
            for t, warp in self.warps.items():
                moved = move_pixels(apply(orientation, frames[t]), warp)
                frames[t] = undo(orientation, moved)
        return image.with_array(frames if image.is_cine else frames[0])

    def record(self) -> dict[str, Any]:
        """What was done, for the sidecar."""
        before = self.upright.mask
        return {
            "altered": True,
            "synthetic": False,
            "mask": {"name": before.name, "labels_sha256": labels_hash(before)},
            "dials": self.dials.record(),
            "effects": {
                str(t): [effect.record() for effect in found] for t, found in self.effects.items()
            },
            "orientation": self.upright.orientation.reason,
            "notes": list(before.notes),
            "versions": versions(),
        }


def write_turned(
    turned: Turned, folder: Path, stem: str, *, numbers: str = "mnms"
) -> dict[str, Any]:
    """Write a mask after its dials were turned as `STEM_dialled_mask.nii.gz`, and its sidecar.

    Parameters
    ----------
    turned : Turned
    folder : Path
        Must exist.
    stem : str
        Of the mask that it was.
    numbers : str
        How the structures are numbered: a key of `CONVENTIONS`, where scar is the myocardium that
        it is part of; "emidec", whose masks show scar and have no RV; or the number of each
        structure, such as ``LV=1,MYO=2,RV=3,infarct=4,no-reflow=5``.

    Returns
    -------
    dict
        What the sidecar says; `notes` tell what the numbers had no place for.

    Raises
    ------
    InputError
        If the numbers are unknown, or the folder cannot be written to.
    """
    labels = turned.mask.array.astype(np.uint8, copy=False)
    record = turned.record() | {"labels": numbers}
    written, lost = _in_numbers(labels, numbers)
    record["notes"] = [*record["notes"], *(f"{stem}: {what}" for what in lost)]
    path = folder / f"{stem}_dialled_mask.nii.gz"
    about = f"{ALTERED} heart by dials of cmr-synth {cmr_synth.__version__}, see its JSON"
    write_nifti(turned.mask.with_array(written), path, description=about)
    return write_sidecar(folder / f"{stem}_dialled_mask.json", path, record)


def write_altered(
    turned: Turned,
    image: Scan,
    folder: Path,
    stem: str,
    *,
    facts: Mapping[str, Any],
    dicom: bool = False,
) -> dict[str, Any]:
    """Write the scan that was moved with its mask as `STEM_altered.nii.gz`, and its sidecar.

    Parameters
    ----------
    turned : Turned
    image : Scan
        As it was.
    folder : Path
        Must exist.
    stem : str
        Of the scan.
    facts : mapping
        Further ones for the record, such as the hash of the scan's file.
    dicom : bool
        Write a new DICOM series and segmentations into `STEM_altered` as well.

    Returns
    -------
    dict
        What the sidecar says.

    Raises
    ------
    InputError
        As `Turned.altered`, or if the folder cannot be written to.
    """
    path = folder / f"{stem}_altered.nii.gz"
    about = f"{ALTERED} image of a real patient, by dials of cmr-synth {cmr_synth.__version__}"
    altered = turned.altered(image)
    write_nifti(altered, path, description=about)
    record = turned.record() | {"image": {"name": image.name, **facts}}
    if dicom:
        files = _dicom(turned, altered, folder / f"{stem}_altered")
        record["formats"] = {
            "dicom": {file.relative_to(folder).as_posix(): sha256(file) for file in files}
        }
    return write_sidecar(folder / f"{stem}_altered.json", path, record)


def _dicom(turned: Turned, altered: Scan, folder: Path) -> list[Path]:
    """The altered scan and its mask as two series of a new study, which say what they are."""
    from cmr_synth.imaging.dicom_out.segmentation import write_segmentation
    from cmr_synth.imaging.dicom_out.series import write_series
    from cmr_synth.imaging.dicom_out.study import Alteration, Study

    stated = " ".join(f"{name}={value}" for name, value in turned.dials.record().items())
    making = Alteration(dials=stated, mask_hash=labels_hash(turned.upright.mask))
    folder.mkdir()
    study = Study()
    series = write_series(altered, folder, making, study=study)
    masks = write_segmentation(
        turned.mask, series, folder, making, study=study, number=MASK_SERIES + 1
    )
    return [*series.files, *masks]


def _in_numbers(labels: NDArray[np.uint8], numbers: str) -> tuple[NDArray[Any], list[str]]:
    """A mask as it is written, and what the numbers had no place for."""
    known = written_as(numbers)
    lost: list[str] = []
    if not known.keys() >= set(SCAR.values()):
        if np.isin(labels, tuple(SCAR.values())).any():
            lost.append(
                f"scar is written as myocardium: {numbers} has no number for it, emidec does."
            )
        labels = scar_as_myocardium(labels)
    for name, label in STRUCTURES.items():
        if label not in known and (labels == label).any():
            lost.append(f"the {name} is left out: {numbers} has no number for it.")
            labels = np.where(labels == label, np.uint8(BACKGROUND), labels)
    return revert(labels, numbers), lost
