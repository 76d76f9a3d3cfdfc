"""What a model makes of a real slice, and its loss on it: one wrapper for every family.

A model reproduces what it was trained on better than what it never saw; all attacks start there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.generators import probing
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.diffusion.sampler import denoise, noised
from cmr_synth.generators.flow.sampler import time_grid
from cmr_synth.generators.interface import Condition, Generator, Images
from cmr_synth.generators.noise import noise_for

STRAIGHT_STEPS, DIFFUSION_STEPS = 4, 8
"""Steps from pure noise; partial denoising takes its share of them."""
LEVELS = (0.25, 0.5, 0.75)
"""Share of the way to noise that a slice is taken, on the grid of both samplers."""
POOL = 256
"""Pictures made by a model that shows nothing but its pictures."""


class Probe(Protocol):
    """A model looked at with real slices."""

    words: str
    """What is done, for the report."""
    levels: tuple[float, ...]

    def __call__(
        self,
        pictures: NDArray[np.float32],
        conditions: Sequence[Condition],
        indices: Sequence[int],
        *,
        level: float,
        seed: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Reconstructions and losses of slices.

        Parameters
        ----------
        pictures : (n, y, x) float32 array in [0, 1]
        conditions : n Conditions
            With the masks of the slices.
        indices : n int
            Numbers of the slices, from which their noise is drawn.
        level : float
            One of `levels`.
        seed : int

        Returns
        -------
        (n, y, x) float32 array in [0, 1], (n,) float64 array
        """
        ...


def probe_of(generator: Generator) -> Probe:
    """The probe of a model: by what its family lays open, or by its pictures where it says so.

    Raises
    ------
    TypeError
        If the family says none of those known.
    """
    match generator.probe:
        case probing.Denoising() as open_:
            return _Denoising(open_, generator.device)
        case probing.Encoding() as open_:
            return _Encoding(open_, generator.device)
        case probing.Drawing():
            return _Drawing(generator)
        case other:
            raise TypeError(f"{other!r}: no probe of {probing.__name__}")


class _Denoising:
    """Flows and diffusions, on pixels or latents: partial noising and denoising."""

    def __init__(self, model: probing.Denoising, device: torch.device):
        self.model, self.device = model, device
        steps = model.steps or STRAIGHT_STEPS
        # a student knows the times of its own sampler only
        own = tuple(1 - time for time in time_grid(steps)[1:][::-1]) or (1.0,)
        self.steps = steps if model.straight else DIFFUSION_STEPS
        self.levels = own if model.steps else LEVELS
        self.words = (
            f"partial noising and denoising in {self.steps} steps from pure noise "
            f"({'Euler' if model.straight else 'DDIM'}), levels "
            f"{', '.join(f'{level:g}' for level in self.levels)}; loss: squared error of the first "
            "estimate" + (" of the latents" if model.autoencoder is not None else "")
        )

    @torch.no_grad()
    def __call__(
        self,
        pictures: NDArray[np.float32],
        conditions: Sequence[Condition],
        indices: Sequence[int],
        *,
        level: float,
        seed: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        autoencoder = self.model.autoencoder
        mask = mask_tensor(conditions, self.model.config).to(self.device)
        given = mappings(conditions, self.model.config)
        clean = _scaled(pictures, self.device)
        if autoencoder is not None:
            clean = autoencoder.encode(clean)
        noise = _noise(seed, indices, tuple(clean.shape[1:]), self.device)
        run = self._straight if self.model.straight else self._diffusion
        first, last = run(clean, noise, mask, given, level)
        loss = ((first - clean) ** 2).flatten(1).mean(dim=1).double().cpu().numpy()
        if autoencoder is not None:
            last = autoencoder.decode(last, mask)
        return _unscaled(last), loss

    def _straight(
        self, clean: Tensor, noise: Tensor, mask: Tensor, given: list[dict[str, Any]], level: float
    ) -> tuple[Tensor, Tensor]:
        if self.model.start is not None:
            noise = self.model.start(self.model.config, noise, mask)
        state = (1 - level) * clean + level * noise
        count = max(1, round(level * self.steps))
        times = [1 - level * (1 - k / count) for k in range(count + 1)]
        first = estimate = state
        for k, (now, after) in enumerate(zip(times, times[1:], strict=False)):
            time = torch.full((len(state),), now, device=state.device)
            estimate = self.model.network(state, time, mask, given)
            state = state + (after - now) / (1 - now) * (estimate - state)
            first = estimate if k == 0 else first
        return first, estimate

    def _diffusion(
        self, clean: Tensor, noise: Tensor, mask: Tensor, given: list[dict[str, Any]], level: float
    ) -> tuple[Tensor, Tensor]:
        start = self.steps - max(1, round(level * self.steps))
        network: Any = self.model.network  # one that the sampler takes, as it is not straight
        state = noised(network, clean, noise, steps=self.steps, start=start)
        run = denoise(network, state, mask, given, sampler="ddim", steps=self.steps, start=start)
        estimates = list(run)
        return estimates[0], estimates[-1]


class _Encoding:
    """Models with an encoder of styles: the slice from its own style and mask."""

    words = (
        "the decoder's picture of the slice's own mean style and mask; loss: its squared error "
        "(one level)"
    )
    levels: tuple[float, ...] = (0.0,)

    def __init__(self, model: probing.Encoding, device: torch.device):
        self.model, self.device = model, device

    @torch.no_grad()
    def __call__(
        self,
        pictures: NDArray[np.float32],
        conditions: Sequence[Condition],
        indices: Sequence[int],
        *,
        level: float,
        seed: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        config = self.model.config
        mask = mask_tensor(conditions, config).to(self.device)
        clean = _scaled(pictures, self.device)
        style, _ = self.model.encoder(clean)
        noise = _noise(seed, indices, (1, *config.shape), self.device)
        made = self.model.decoder(style, noise, mask, mappings(conditions, config))
        loss = ((made - clean) ** 2).flatten(1).mean(dim=1).double().cpu().numpy()
        return _unscaled(made), loss


class _Drawing:
    """A model that shows no more: the nearest of many pictures that it makes.

    GAN-Leaks, full black box (Chen et al. 2020, arXiv:1909.03935).
    """

    levels: tuple[float, ...] = (0.0,)

    def __init__(self, generator: Generator):
        self.generator = generator
        self.words = (
            f"the nearest of {POOL} pictures of the model (GAN-Leaks, full black box); loss: its "
            "squared error (one level)"
        )

    @cached_property
    def pool(self) -> NDArray[np.float32]:
        """(256, y, x) pictures in [0, 1], without a mask: what the model makes by itself."""
        made = []
        for first in range(0, POOL, 8):
            run = self.generator.sample([Condition()] * 8, seed=0, indices=range(first, first + 8))
            made += [event.pixels for event in run if isinstance(event, Images)]
        return np.concatenate(made)

    def __call__(
        self,
        pictures: NDArray[np.float32],
        conditions: Sequence[Condition],
        indices: Sequence[int],
        *,
        level: float,
        seed: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        pool = self.pool
        apart = np.stack([((pool - one) ** 2).mean(axis=(1, 2)) for one in pictures])
        return pool[apart.argmin(axis=1)], apart.min(axis=1).astype(np.float64)


def _scaled(pictures: NDArray[np.float32], device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(pictures, np.float32))[:, None].to(device) * 2 - 1


def _unscaled(pictures: Tensor) -> NDArray[np.float32]:
    picture: NDArray[np.float32] = ((pictures[:, 0].clamp(-1, 1) + 1) / 2).float().cpu().numpy()
    return picture


def _noise(
    seed: int, indices: Sequence[int], shape: tuple[int, ...], device: torch.device
) -> Tensor:
    drawn = np.stack([noise_for(seed, int(i), shape) for i in indices])
    return torch.from_numpy(drawn).to(device)
