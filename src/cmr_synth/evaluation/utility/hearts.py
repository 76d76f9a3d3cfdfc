"""Slices of hearts that nobody has, for the question what new anatomy is worth.

A heart of the shape model for each training patient in turn, with that patient's pathology; every
second one is a healthy heart on which the dials of a disease are turned. They go on until there are
as many slices as the training masks have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import is_heart, scar_as_myocardium
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import condition_of, made_for
from cmr_synth.evaluation.utility.arms import SHAPE, vendor_of_copy
from cmr_synth.generators.interface import Generator, Progress

if TYPE_CHECKING:
    from cmr_synth.anatomy.shapes import ShapeModel

PIXEL_MM = 1.5
USUAL_MM = 10.0
"""Between slices, where a training patient's distance is not known."""


@dataclass(frozen=True, eq=False)
class NewSlices:
    """Slices of new hearts, as many as there are training masks.

    Parameters
    ----------
    labels : (n, 128, 128) uint8 array
        Engine labels.
    images : (n, 128, 128) uint8 array
        0 to 255 for 0 to 1; empty until they were made.
    rows : tuple of SliceRow
        With the pathology, phase and position of the heart; vendor and cohort are of the training
        patient in whose place it stands.
    """

    labels: NDArray[np.uint8]
    images: NDArray[np.uint8]
    rows: tuple[SliceRow, ...]


def new_slices(rows: Sequence[SliceRow], model: ShapeModel, *, seed: int) -> NewSlices:
    """Masks in place of those of training slices: the same number, of hearts that are new.

    Parameters
    ----------
    rows : sequence of SliceRow
        Of the training slices.
    model : ShapeModel
    seed : int
        Heart k depends on the seed, k and the k-th patient alone.

    Raises
    ------
    InputError
        If there are no training slices.
    """
    patients = {(row.cohort, row.patient): row for row in rows}
    if not patients:
        raise InputError("new hearts stand in the place of training patients, and there are none.")
    labels: list[NDArray[np.uint8]] = []
    told: list[SliceRow] = []
    number = 0
    while len(labels) < len(rows):
        patient = list(patients.values())[number % len(patients)]
        for slices, row in _heart(patient, model, seed=seed, number=number):
            labels.append(slices)
            told.append(row)
        number += 1
    n = len(rows)
    return NewSlices(np.stack(labels[:n]), np.zeros((0, *SHAPE), np.uint8), tuple(told[:n]))


def with_pictures(
    generator: Generator,
    slices: NewSlices,
    *,
    vendors: Sequence[str],
    seed: int,
    first: int,
    copy: int,
    steps: int | None = None,
) -> Iterator[Progress | NDArray[np.uint8]]:
    """Make a picture for each mask, in the style that copy number `copy` of its patient has.

    Parameters
    ----------
    first : int
        Number of the first picture, so that no two of a study share their noise.

    Yields
    ------
    Progress or array
        Progress in slices, then pictures (n, 128, 128) uint8, 0 to 255 for 0 to 1.
    """
    made = np.zeros((len(slices.rows), *SHAPE), np.uint8)
    conditions = []
    for k, row in enumerate(slices.rows):
        vendor = vendor_of_copy(row, k, copy, vendors, seed=seed)
        style = {"vendor": vendor} if "vendor" in generator.takes else {}
        conditions.append(condition_of(generator, slices.labels[k], row, **style))
    done = 0
    for pictures in made_for(generator, conditions, seed=seed, steps=steps, first=first):
        made[done : done + len(pictures)] = np.round(np.clip(pictures, 0, 1) * 255)
        done += len(pictures)
        yield Progress(done, len(conditions))
    yield made


def _heart(
    patient: SliceRow, model: ShapeModel, *, seed: int, number: int
) -> Iterator[tuple[NDArray[np.uint8], SliceRow]]:
    """The slices of one new heart that show it, ED before ES."""
    from cmr_synth.anatomy.shapes.new_heart import HeartGrid, new_heart
    from cmr_synth.anatomy.shapes.wishes import Wishes

    dialled = number % 2 == 1
    pathology = "normal" if dialled else patient.pathology
    wishes = Wishes(pathology=pathology if pathology in model.pathologies else None)
    grid = HeartGrid(spacing=(patient.between_mm or USUAL_MM, PIXEL_MM, PIXEL_MM), shape=SHAPE)
    heart = new_heart(model, wishes, seed=seed, number=number, grid=grid)
    disease, stacks = heart.pathology, (heart.ed, heart.es)
    if dialled:
        disease, stacks = _sick(stacks, heart.spacing, np.random.default_rng([seed, number]))
    for phase, stack in zip(("ED", "ES"), stacks, strict=True):
        shown = np.flatnonzero(is_heart(stack).any(axis=(1, 2)))
        for place, k in enumerate(shown):
            z = float(place / max(1, len(shown) - 1))
            name = f"new heart {number}"
            row = replace(patient, patient=name, phase=phase, pathology=disease, slice=int(k), z=z)
            yield stack[k], row


def _sick(
    stacks: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """A healthy heart after the dials of a disease, of a severity from 0 to 1, both phases alike.

    It stays as it is where a disease has nothing to act on, as in a slice without septum.
    """
    from cmr_synth.anatomy.dials import PRESETS, preset, scaled, turn

    disease = str(rng.choice(list(PRESETS)))
    dials = scaled(preset(disease), float(rng.uniform()))
    try:
        ed, es = (scar_as_myocardium(turn(one, spacing, dials).labels) for one in stacks)
    except InputError:
        return "normal", stacks
    return _OF_A_DISEASE.get(disease.split("-")[0], ""), (ed, es)


_OF_A_DISEASE = {"dcm": "dcm", "hcm": "hcm", "infarct": "minf", "arv": "arv", "rv": "arv"}
