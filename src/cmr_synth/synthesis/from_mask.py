"""From a mask on the user's grid to synthetic scans on the same grid.

One image is made for every slice that shows any of the heart, on the model's grid (`placing`), and
the result goes back the same way.

Image number i = variant * slices + slice decides the noise, whatever else is made beside it. The
frames of a cine share the numbers of their slices: between them only what the mask moves, moves.
A part of a stack or cine, asked for alone, is the same as in the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.generators.card import Card
from cmr_synth.generators.interface import Images, Progress
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.placing import Part, PlacedMask, place_mask
from cmr_synth.synthesis.record import Synthetic, labels_hash, made_now, model_facts, versions
from cmr_synth.synthesis.reference import Reference
from cmr_synth.synthesis.request import Request


def synthesize(
    mask: Scan,
    model: Model,
    request: Request | None = None,
    *,
    reference: Reference | None = None,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
    convention: str | None = None,
    first: int = 0,
) -> Iterator[Progress | Synthetic]:
    """Make synthetic images that follow a mask.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels; 255 leaves a pixel open.
    model : Model
        From `zoo.load`; it counts, whatever the request says of model and device.
    request : Request, optional
        By default one image with nothing specified.
    reference : Reference, optional
        A real picture on the model's grid whose look is taken over; by default the one that the
        request names is read.
    slices, frames : sequence of int, optional
        Which to make, counted from 0; None makes all. Position, placement and noise are those
        that they have in the whole mask.
    convention : str, optional
        Cohort whose in-plane orientation holds where the affine has lost the direction.
    first : int
        The variant to begin with; those before it are left out, and change nothing.

    Returns
    -------
    iterator
        Yields progress over all variants, and each variant as soon as it is complete.

    Raises
    ------
    InputError
        Before anything is made: if the mask is empty where it is asked for, holds other labels,
        or is larger than the model's grid, or if a condition is none that the model knows.
    """
    request = request or Request()
    card = model.card
    request.check(card)
    reference = reference or request.read_reference(card)
    grid = WorkingGrid(shape=card.grid.shape, spacing=card.grid.spacing_mm)
    part = Part.of(mask, slices=slices, frames=frames)
    placed = place_mask(mask, grid, part, z=request.z, convention=convention)
    record = _record(placed, card) | request.record(card, reference)
    record["device"] = str(model.generator.device)
    return _run(model, placed, record, request, reference, first)


def _run(
    model: Model,
    placed: PlacedMask,
    record: dict[str, Any],
    request: Request,
    reference: Reference | None,
    first_variant: int,
) -> Iterator[Progress | Synthetic]:
    slices, count = placed.mask.n_slices, len(placed.drawn)
    jobs = [(variant, job) for variant in range(first_variant, request.n) for job in range(count)]
    batches = [jobs[first : first + request.batch] for first in range(0, len(jobs), request.batch)]
    options = request.options(model.card)
    pictures: list[NDArray[np.float32]] = []
    variant = first_variant
    for number, group in enumerate(batches):
        asked, indices = [], []
        for of_variant, job in group:
            _, k = placed.drawn[job]
            labels, position = placed.labels[job], placed.position(k)
            asked.append(
                request.condition(
                    labels, z=position, takes=model.generator.takes, reference=reference
                )
            )
            indices.append(of_variant * slices + k)
        run = model.generator.sample(asked, seed=request.seed, indices=indices, **options)
        for step in run:
            if isinstance(step, Images):
                pictures.extend(step.pixels)
            else:
                yield Progress(number * step.steps + step.step, len(batches) * step.steps)
        while len(pictures) >= count:
            own, pictures = pictures[:count], pictures[count:]
            numbers = sorted({variant * slices + k for _, k in placed.drawn})
            yield Synthetic(
                placed.on_mask_grid(np.stack(own)),
                record | made_now(request.seed, variant, numbers),
                dict(zip(placed.drawn, own, strict=True)),
            )
            variant += 1


def _record(placed: PlacedMask, card: Card) -> dict[str, Any]:
    """What is the same for all variants, whatever was asked for."""
    mask, part = placed.mask, placed.part
    slices = sorted({k for _, k in placed.drawn})
    skipped = sorted(set(part.slices) - set(slices))
    only = None if part.whole else {"slices": list(part.slices), "frames": list(part.frames)}
    z = None if placed.z is None else {str(k): round(float(placed.z[k]), 4) for k in slices}
    return {
        "synthetic": True,
        "model": model_facts(card),
        "mask": {"name": mask.name, "labels_sha256": labels_hash(mask)},
        "slice_positions": z,
        "skipped_slices": skipped,
        "only": only,
        "covered": placed.covered(),
        "orientation": placed.placed.orientation.reason,
        "findings": list(placed.findings),
        "notes": list(mask.notes),
        "versions": versions(),
    }
