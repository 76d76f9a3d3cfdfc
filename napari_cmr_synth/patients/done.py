"""What is done for a patient, told from files and open layers; and where work is saved. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import ConventionGuess
from cmr_synth.cohorts.examination import Examination
from cmr_synth.cohorts.patients import Patient
from cmr_synth.imaging.masks import stem_of
from cmr_synth.imaging.orientation import apply_to_spacing, undo
from cmr_synth.imaging.scan import Scan

from .._layers import LayerData, image_layer, labels_layer, scan_without_place
from .._masks import ENGINE, is_mask, numbers_of
from .._results import AUDITED, RECORD

if TYPE_CHECKING:
    from napari.layers import Layer

STEPS = ("mask", "synthesized", "audited", "saved")
"""What can be done for a patient, in the order of work."""


@dataclass(frozen=True)
class Done:
    """What is done.

    Parameters
    ----------
    mask : bool
        A mask is drawn, in a file or a layer.
    synthesized : bool
        A synthetic picture is there, in a file or a layer.
    audited : bool
        A synthetic picture was searched for its nearest patients while it was open.
    saved : bool
        Something was drawn or made, and every mask of it is in a file.
    """

    mask: bool = False
    synthesized: bool = False
    audited: bool = False
    saved: bool = False


def done_for(
    patient: Patient,
    layers: Sequence[Layer] = (),
    *,
    unsaved: Sequence[Layer] = (),
    before: Done | None = None,
) -> Done:
    """What is done for a patient.

    Parameters
    ----------
    patient : Patient
    layers : sequence of layers
        Of the patient, where it is open.
    unsaved : sequence of layers
        Those of them that hold work in no file.
    before : Done, optional
        What was done when it was open before: an audit is in no file.
    """
    masks = [layer for layer in layers if is_mask(layer) and np.any(layer.data)]
    pictures = [layer for layer in layers if RECORD in layer.metadata]
    mask = bool(patient.has_mask or masks)
    return Done(
        mask=mask,
        synthesized=bool(patient.synthetic or pictures),
        audited=any(layer.metadata.get(AUDITED) for layer in pictures)
        or (before is not None and before.audited),
        saved=mask and not any(layer in unsaved for layer in layers),
    )


def save_masks(patient: Patient, masks: Sequence[Layer], folder: Path | None = None) -> list[Path]:
    """Write masks beside the patient's scan, under names that are free.

    Parameters
    ----------
    patient : Patient
    masks : sequence of Labels layers
    folder : Path, optional
        Where to, of a patient of a cohort, who has no files of their own.

    Returns
    -------
    list of Path
        `SCAN_seg.nii.gz`, `SCAN_seg2.nii.gz`, ...

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    from cmr_synth.imaging.nifti import write_nifti

    return [write_nifti(numbers_of(mask), _free(patient, folder)) for mask in masks]


def paths_of(patient: Patient) -> list[Path]:
    """Files to open for a patient, scans first so that masks lie on top."""
    return [*patient.scans, *patient.synthetic, *patient.masks]


def layers_of(patient: Patient) -> list[LayerData]:
    """Image and mask of every examination of a patient of a cohort; runs in a thread."""
    layers = []
    for exam in patient.read():
        name = f"{exam.patient} {exam.phase or ''}".strip()
        layers.append(image_layer(_on_its_grid(exam, exam.image, name)))
        if exam.labelled.any():
            guess = ConventionGuess(ENGINE, 1.0, f"Read as {exam.cohort} has them.")
            mask = _on_its_grid(exam, exam.labels, f"{name} mask")
            layers.append(labels_layer(mask, guess=guess))
    return layers


def _on_its_grid(exam: Examination, array: NDArray[Any], name: str) -> Scan:
    """Pixels or labels where the file has them, if it says where that is."""
    if exam.affine is None or exam.orientation is None:
        return scan_without_place(array, exam.spacing, name)
    stored = undo(exam.orientation, array)
    spacing = apply_to_spacing(exam.orientation, exam.spacing)  # a turn of the axes undoes itself
    return Scan(array=stored, spacing=spacing, affine=exam.affine, name=name)


def _free(patient: Patient, folder: Path | None) -> Path:
    own = (*patient.scans, *patient.masks, *patient.synthetic)
    if not own:
        assert folder is not None
        stem = patient.name
    elif own[0].is_dir():
        folder, stem = own[0], patient.name
    else:
        folder, stem = own[0].parent, stem_of(own[0])
    number = 1
    while (path := folder / f"{stem}_seg{number if number > 1 else ''}.nii.gz").exists():
        number += 1
    return path
