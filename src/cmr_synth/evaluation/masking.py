"""From reconstruction to generation: what is left of a real slice as more of it is hidden.

A model of masked tokens is shown held-out slices of which a share of the positions is hidden, and
fills it in (Bubeck et al., "Reconstruct or generate"). With nothing hidden it is an autoencoder,
with everything hidden a generator of the mask; between the two the picture's own pixels go first
(PSNR, SSIM), while the set's likeness to real slices (Frechet distance in the segmenter's features)
may stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import conditions_for
from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.realism.paired import Mean, paired_sample
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.generators.maskgit.generator import MaskgitGenerator
from cmr_synth.judges.segmenter import Segmenter

SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
BATCH = 8


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """What comes back of slices with a share of them hidden.

    Parameters
    ----------
    share : float
        Of the positions, hidden at random.
    psnr_db, ssim : Mean
        Against the slice itself, over patients.
    frechet : float
        Of all completed slices to all real ones.
    """

    share: float
    psnr_db: Mean
    ssim: Mean
    frechet: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def by_share(
    generator: Generator,
    real: Sample,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    steps: int | None = None,
    segmenter: Segmenter | None = None,
) -> Iterator[Progress | tuple[Hidden, ...]]:
    """Hide shares of real slices and measure what a model makes of them.

    Parameters
    ----------
    generator : Generator
        Of the family maskgit.
    real : Sample
        Of patients that it was not trained on.
    segmenter : Segmenter, optional
        Whose features are compared; by default the bundled one.

    Yields
    ------
    Progress or tuple of Hidden
        Progress in slices, then one for each share.

    Raises
    ------
    InputError
        If the model is of another family.
    """
    if not isinstance(generator, MaskgitGenerator):
        raise InputError("nothing can be hidden from this model; give one of the family maskgit.")
    segmenter = segmenter or Segmenter.load()
    features = segmenter.features(real.pixels)
    conditions = conditions_for(generator, real)
    found, done = [], 0
    for share in shares:
        made = []
        for first in range(0, len(real), BATCH):
            rows = slice(first, first + BATCH)
            # a seed of its own for each batch: indices count from 0 in every one of them
            one = generator.complete(
                real.pixels[rows], conditions[rows], share, seed=seed + first, steps=steps
            )
            made.append(one)
            done += len(one)
            yield Progress(done, len(shares) * len(real))
        pixels = np.concatenate(made)
        paired = paired_sample(
            real, Sample(f"{share:g} hidden", pixels, real.labels, real.rows, real.spacing)
        )
        found.append(
            Hidden(
                share=share,
                psnr_db=paired.values["psnr_db"],
                ssim=paired.values["ssim"],
                frechet=frechet_distance(segmenter.features(pixels), features),
            )
        )
    yield tuple(found)
