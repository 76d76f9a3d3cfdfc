"""What a family lays open of itself for the question whether it remembers a patient.

A membership attack compares what a model makes of real slices. How it can be asked follows from
how it works, and only its family knows that, so the family says it: its generator's `probe` is one
of the three below. The attacks themselves are `cmr_synth.privacy.membership`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from cmr_synth.generators.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Denoising:
    """It takes noise away step by step: a slice is partly noised, and denoised again.

    Parameters
    ----------
    network : callable
        (noisy, time, mask, conditions) to the estimate of what is clean; for one that is not
        `straight`, a network that `cmr_synth.generators.diffusion.sampler` takes.
    config : Vocabulary
        Grid and words of the model.
    straight : bool
        Whether slices and noise are joined by straight lines, as in a flow, or by the schedule of a
        diffusion.
    steps : int, optional
        The only number of steps that it has learned, as a student; None if it takes any.
    start : callable, optional
        (config, noise, mask) to what a path begins with, where that is not the noise itself.
    autoencoder : module, optional
        With `encode` and `decode`, of a model that works on latents.
    """

    network: Callable[..., Tensor]
    config: Vocabulary
    straight: bool
    steps: int | None = None
    start: Callable[[Any, Tensor, Tensor], Tensor] | None = None
    autoencoder: Any = None


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """It has an encoder of styles: a slice is made again from its own style and mask.

    Parameters
    ----------
    encoder : callable
        Pictures to mean and logarithm of the variance of their styles.
    decoder : callable
        (style, noise, mask, conditions) to pictures.
    config : Vocabulary
        Grid and words of the model.
    """

    encoder: Callable[[Tensor], tuple[Tensor, Tensor]]
    decoder: Callable[..., Tensor]
    config: Vocabulary


@dataclass(frozen=True)
class Drawing:
    """It shows nothing but its pictures: the nearest of many is looked for."""


Probe = Denoising | Encoding | Drawing
