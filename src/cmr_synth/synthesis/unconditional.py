"""Images without a mask: the whole anatomy is left to the model.

Every family makes them through its unspecified condition, and some (dcgan, the unconditional
recipes) make nothing else. They lie on the model's own grid.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.files import staged
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.batch import BatchRequest, reference_of
from cmr_synth.synthesis.from_mask import Synthetic, check_conditions, check_numbers
from cmr_synth.synthesis.record import model_facts, versions, write_synthetic

STEM = "unconditional"
SLICE_MM = 8.0  # nominal: a slice of these cohorts is 5 to 10 mm thick


def synthesize_unconditional(
    model: zoo.Model, request: BatchRequest
) -> Iterator[Progress | Synthetic]:
    """Make `request.n` images that no mask guides.

    Image k depends on the seed, k and the conditions alone.

    Parameters
    ----------
    model : Model
    request : BatchRequest
        Without `labels`; `z` says at what level the slices shall be.

    Returns
    -------
    iterator
        Yields progress over all images, and then each of them: one slice, float32 in [0, 1], on
        the model's grid.

    Raises
    ------
    InputError
        Before anything is made, if a condition is none that the model knows.
    """
    card = model.card
    words: dict[str, Any] = {
        "vendor": request.vendor,
        "phase": request.phase,
        "pathology": request.pathology,
    }
    check_conditions(card, **words)
    strength = request.reference_strength
    check_numbers(n=request.n, seed=request.seed, batch=request.batch, reference_strength=strength)
    if request.z is not None and not 0 <= request.z <= 1:
        raise InputError(f"slice position {request.z} is outside 0 (base) to 1 (apex).")
    steps = card.default_steps if request.steps is None else request.steps
    guidance = card.default_guidance if request.guidance is None else request.guidance
    reference = reference_of(request, card)
    condition = Condition(
        **words,
        z=request.z,
        prompt=request.prompt,
        reference=None if reference is None else reference.pixels,
        reference_strength=strength,
    )
    record = {
        "synthetic": True,
        "model": model_facts(card),
        "mask": None,
        "slice_positions": None if request.z is None else {"0": round(request.z, 4)},
        **words,
        "steps": steps,
        "guidance": guidance,
        "sampler": request.sampler,
        "prompt": request.prompt,
        "reference": None if reference is None else reference.record(strength),
        "device": str(model.generator.device),
        "versions": versions(),
    }
    return _run(model, condition, record, request)


def run_unconditional(
    out: str | Path,
    request: BatchRequest,
    *,
    model: str | Path = zoo.DEFAULT,
    device: str | None = None,
) -> Generator[Progress | tuple[dict[str, Any], ...], None, None]:
    """Make images that no mask guides, and write them with their sidecars: all of them or none.

    Parameters
    ----------
    out : path
        Folder; other files in it stay.
    request : BatchRequest
    model, device : optional
        As for `cmr_synth.synthesis.batch.run_batch`.

    Yields
    ------
    Progress or tuple of dict
        At last what the sidecars say.

    Raises
    ------
    InputError
        As `synthesize_unconditional`; if an image cannot be written.
    """
    card = zoo.require_generator(zoo.card_of(model))
    words = {"vendor": request.vendor, "phase": request.phase, "pathology": request.pathology}
    check_conditions(card, **words)  # before the weights are read
    made = []
    steps = synthesize_unconditional(zoo.load(model, device=device), request)
    with staged(Path(out)) as folder:
        for step in steps:
            if isinstance(step, Synthetic):
                stem = request.stem(STEM, step.record["variant"])
                made.append(write_synthetic(step, folder, stem))
            else:
                yield step
    yield tuple(made)


def _run(
    model: zoo.Model, condition: Condition, record: dict[str, Any], request: BatchRequest
) -> Iterator[Progress | Synthetic]:
    options = {"steps": record["steps"], "guidance": record["guidance"]}
    if request.sampler is not None:  # a third party's family may know of none
        options["sampler"] = request.sampler
    spacing = model.card.grid.spacing_mm
    affine = np.diag([-spacing, -spacing, SLICE_MM, 1.0])  # columns to the left, rows to the back
    firsts = range(0, request.n, request.batch)
    for number, first in enumerate(firsts):
        indices = range(first, min(first + request.batch, request.n))
        asked = [condition] * len(indices)
        for step in model.generator.sample(asked, seed=request.seed, indices=indices, **options):
            if isinstance(step, Progress):
                yield Progress(number * step.steps + step.step, len(firsts) * step.steps)
            elif isinstance(step, Images):
                for variant, pixels in zip(indices, step.pixels, strict=True):
                    scan = Scan(
                        array=pixels[None],
                        affine=affine,
                        spacing=(SLICE_MM, spacing, spacing),
                        name=f"{STEM} {variant}",
                    )
                    made = {
                        "seed": request.seed,
                        "variant": variant,
                        "indices": [variant],
                        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    }
                    yield Synthetic(scan, record | made)
