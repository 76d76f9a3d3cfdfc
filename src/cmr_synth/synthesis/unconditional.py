"""Images without a mask: the whole anatomy is left to the model.

Every family makes them through its unspecified condition, and some (dcgan, the unconditional
recipes) make nothing else. They lie on the model's own grid.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.files import staged
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Images, Progress
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.formats import (
    DICOM_ENDINGS,
    NIFTI,
    check_formats,
    one_study,
    write_synthetic,
)
from cmr_synth.synthesis.record import Synthetic, made_now, model_facts, versions
from cmr_synth.synthesis.reference import Reference
from cmr_synth.synthesis.request import Request

STEM = "unconditional"
SLICE_MM = 8.0  # nominal: a slice of these cohorts is 5 to 10 mm thick


def synthesize_unconditional(
    model: zoo.Model,
    request: Request,
    *,
    reference: Reference | None = None,
    first: int = 0,
) -> Iterator[Progress | Synthetic]:
    """Make `request.n` images that no mask guides.

    Image k depends on the seed, k and the conditions alone.

    Parameters
    ----------
    model : Model
    request : Request
        Without `labels`; `z` says at what level the slices shall be.
    reference : Reference, optional
        A real picture on the model's grid whose look is taken over; by default the one that the
        request names is read.
    first : int
        The image to begin with; those before it are left out, and change nothing.

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
    request.check(card)
    if request.surroundings is not None:
        raise InputError("surroundings: belong to a mask, and there is none; leave them out.")
    reference = reference or request.read_reference(card)
    record = {
        "synthetic": True,
        "model": model_facts(card),
        "mask": None,
        "slice_positions": None if request.z is None else {"0": round(request.z, 4)},
        **request.record(card, reference),
        **request.made_on(model.generator),
        **({"notes": notes} if (notes := request.remarks(card)) else {}),
        "versions": versions(),
    }
    return _run(model, record, request, reference, first)


def run_unconditional(
    out: str | Path, request: Request, *, formats: Sequence[str] = (NIFTI,)
) -> Generator[Progress | tuple[dict[str, Any], ...], None, None]:
    """Make images that no mask guides, and write them with their sidecars: all of them or none.

    Parameters
    ----------
    out : path
        Folder; other files in it stay.
    request : Request
    formats : sequence of str
        Of `cmr_synth.synthesis.formats.FORMATS`; every image is written in all of them.

    Yields
    ------
    Progress or tuple of dict
        At last what the sidecars say.

    Raises
    ------
    InputError
        As `synthesize_unconditional`; if an image cannot be written.
    """
    request.check(zoo.require_generator(zoo.card_of(request.model)))  # before weights are read
    formats, study, made = check_formats(formats), one_study(), []
    steps = synthesize_unconditional(zoo.load(request.model, device=request.device), request)
    with staged(Path(out), whole=DICOM_ENDINGS) as folder:
        for step in steps:
            if isinstance(step, Synthetic):
                stem = request.stem(STEM, step.record["variant"])
                made.append(write_synthetic(step, folder, stem, formats=formats, study=study))
            else:
                yield step
    yield tuple(made)


def _run(
    model: zoo.Model,
    record: dict[str, Any],
    request: Request,
    reference: Reference | None,
    begin: int,
) -> Iterator[Progress | Synthetic]:
    condition = request.condition(
        None, z=request.z, takes=model.generator.takes, card=model.card, reference=reference
    )
    spacing = model.card.grid.spacing_mm
    affine = np.diag([-spacing, -spacing, SLICE_MM, 1.0])  # columns to the left, rows to the back
    firsts = range(begin, request.n, request.batch)
    for number, first in enumerate(firsts):
        indices = range(first, min(first + request.batch, request.n))
        asked = [condition] * len(indices)
        for step in request.sample(model, asked, indices=indices):
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
                    yield Synthetic(scan, record | made_now(request.seed, variant))
