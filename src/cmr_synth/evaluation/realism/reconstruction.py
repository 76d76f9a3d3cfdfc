"""What an autoencoder makes of real slices: the best that a model on its latents can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.generators.probing import Denoising


def has_autoencoder(generator: Generator) -> bool:
    """Whether a generator works on the latents of an autoencoder of its own."""
    return _autoencoder(generator) is not None


def reconstruction(generator: Generator, real: Sample, *, name: str) -> Iterator[Progress | Sample]:
    """Encode and decode real slices.

    Parameters
    ----------
    generator : Generator
        Of a latent family.
    real : Sample
        Of patients that it was not trained on. Its masks go to decoders that see one.

    Yields
    ------
    Progress or Sample
        Progress in slices, then the reconstructions, in the same order.

    Raises
    ------
    InputError
        If the generator has no autoencoder.
    """
    autoencoder = _autoencoder(generator)
    if autoencoder is None:
        raise InputError(f"{name}: has no autoencoder; reconstruction is for latent models.")
    device = next(autoencoder.parameters()).device
    made: list[NDArray[np.float32]] = []
    for first in range(0, len(real), 8):
        rows = slice(first, first + 8)
        pictures = torch.from_numpy(real.pixels[rows])[:, None].to(device) * 2 - 1
        mask = one_hot_mask(torch.from_numpy(real.labels[rows]).long()).to(device)
        with torch.no_grad():
            decoded = autoencoder.decode(autoencoder.encode(pictures), mask)
        made.append(((decoded[:, 0].clamp(-1, 1) + 1) / 2).float().cpu().numpy())
        yield Progress(min(first + 8, len(real)), len(real))
    yield Sample(name, np.concatenate(made), real.labels, real.rows, real.spacing)


def _autoencoder(generator: Generator) -> Any:
    opened = generator.probe
    return opened.autoencoder if isinstance(opened, Denoising) else None
