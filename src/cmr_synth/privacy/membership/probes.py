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

from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.diffusion.network import DiffusionNetwork
from cmr_synth.generators.diffusion.sampler import denoise, noised
from cmr_synth.generators.flow.network import FlowNetwork, start_of
from cmr_synth.generators.flow.sampler import time_grid
from cmr_synth.generators.interface import Condition, Generator, Images, noise_for
from cmr_synth.generators.latent.network import LatentModel
from cmr_synth.generators.spade_gan.network import SpadeGan

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
    """The probe of a model: by what its networks give away, or by its pictures alone."""
    model = getattr(generator, "model", None)
    network = getattr(generator, "network", None)
    if isinstance(network, (FlowNetwork, DiffusionNetwork)) or isinstance(model, LatentModel):
        return _Denoising(generator)
    if isinstance(network, SpadeGan):
        return _Encoding(generator)
    return _Drawing(generator)


class _Denoising:
    """Flows and diffusions, on pixels or latents: partial noising and denoising."""

    def __init__(self, generator: Any):
        model = getattr(generator, "model", None)
        self.config = generator.config
        self.device = generator.device
        self.network = model.network if model is not None else generator.network
        self.autoencoder = model.autoencoder if model is not None else None
        self.straight = (
            isinstance(self.network, FlowNetwork) or getattr(self.config, "objective", "") == "flow"
        )
        adapter = getattr(self.config, "adapter", None)
        steps = adapter.steps if adapter else STRAIGHT_STEPS
        # a student knows the times of its own sampler only
        own = tuple(1 - time for time in time_grid(steps)[1:][::-1]) or (1.0,)
        self.steps = steps if self.straight else DIFFUSION_STEPS
        self.levels = own if adapter else LEVELS
        self.words = (
            f"partial noising and denoising in {self.steps} steps from pure noise "
            f"({'Euler' if self.straight else 'DDIM'}), levels "
            f"{', '.join(f'{level:g}' for level in self.levels)}; loss: squared error of the first "
            "estimate" + (" of the latents" if self.autoencoder is not None else "")
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
        mask = mask_tensor(conditions, self.config).to(self.device)
        given = mappings(conditions, self.config)
        clean = _scaled(pictures, self.device)
        if self.autoencoder is not None:
            clean = self.autoencoder.encode(clean)
        noise = _noise(seed, indices, tuple(clean.shape[1:]), self.device)
        run = self._straight if self.straight else self._diffusion
        first, last = run(clean, noise, mask, given, level)
        loss = ((first - clean) ** 2).flatten(1).mean(dim=1).double().cpu().numpy()
        if self.autoencoder is not None:
            last = self.autoencoder.decode(last, mask)
        return _unscaled(last), loss

    def _straight(
        self, clean: Tensor, noise: Tensor, mask: Tensor, given: list[dict[str, Any]], level: float
    ) -> tuple[Tensor, Tensor]:
        if isinstance(self.network, FlowNetwork):
            noise = start_of(self.config, noise, mask)
        state = (1 - level) * clean + level * noise
        count = max(1, round(level * self.steps))
        times = [1 - level * (1 - k / count) for k in range(count + 1)]
        first = estimate = state
        for k, (now, after) in enumerate(zip(times, times[1:], strict=False)):
            time = torch.full((len(state),), now, device=state.device)
            estimate = self.network(state, time, mask, given)
            state = state + (after - now) / (1 - now) * (estimate - state)
            first = estimate if k == 0 else first
        return first, estimate

    def _diffusion(
        self, clean: Tensor, noise: Tensor, mask: Tensor, given: list[dict[str, Any]], level: float
    ) -> tuple[Tensor, Tensor]:
        start = self.steps - max(1, round(level * self.steps))
        state = noised(self.network, clean, noise, steps=self.steps, start=start)
        run = denoise(
            self.network, state, mask, given, sampler="ddim", steps=self.steps, start=start
        )
        estimates = list(run)
        return estimates[0], estimates[-1]


class _Encoding:
    """Models with an encoder of styles: the slice from its own style and mask."""

    words = (
        "the decoder's picture of the slice's own mean style and mask; loss: its squared error "
        "(one level)"
    )
    levels: tuple[float, ...] = (0.0,)

    def __init__(self, generator: Any):
        self.generator = generator

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
        network, config = self.generator.network, self.generator.config
        device = self.generator.device
        mask = mask_tensor(conditions, config).to(device)
        clean = _scaled(pictures, device)
        style, _ = network.encoder(clean)
        noise = _noise(seed, indices, (1, *config.shape), device)
        made = network.generator(style, noise, mask, mappings(conditions, config))
        loss = ((made - clean) ** 2).flatten(1).mean(dim=1).double().cpu().numpy()
        return _unscaled(made), loss


class _Drawing:
    """Any other model: the nearest of many pictures that it makes.

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
