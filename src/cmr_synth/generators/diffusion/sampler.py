"""From noise to picture with the samplers of diffusers, each image with noise of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.generators.diffusion.network import DiffusionNetwork
from cmr_synth.generators.diffusion.schedule import spaced
from cmr_synth.generators.noise import Index, numbers_of

DEFAULT_STEPS = {"dpm-solver++": 15, "ddim": 50, "ddpm": 250}
DEFAULT = "dpm-solver++"


@torch.no_grad()
def denoise(
    network: DiffusionNetwork,
    noisy: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    sampler: str = DEFAULT,
    steps: int,
    start: int = 0,
    guidance: float = 1.0,
    draws: Sequence[torch.Generator] | None = None,
) -> Iterator[Tensor]:
    """Yield the estimate of the clean picture after every step; the last one is the result.

    Parameters
    ----------
    network : DiffusionNetwork
    noisy : (n, 1, y, x) tensor
        x_t where the sampling starts: noise, or see `noised` for a later start.
    mask : (n, 4, y, x) tensor
    conditions : n mappings
    sampler : str
        "dpm-solver++" (second order, Lu et al. 2022, arXiv:2211.01095), "ddim" (Song et al. 2021,
        arXiv:2010.02502) or "ddpm" (Ho et al. 2020, arXiv:2006.11239), which adds noise.
    steps : int
        Network evaluations from pure noise.
    start : int
        Leave out so many of them.
    guidance : float
        1: none. Above: the estimate is moved away from the unconditional one (Ho and Salimans
        2022, arXiv:2207.12598), at twice the cost.
    draws : n torch generators, optional
        On the CPU, for the noise that "ddpm" adds.

    Yields
    ------
    (n, 1, y, x) tensor
        On the scale [-1, 1], clipped to it.

    Raises
    ------
    InputError
        If there are more steps than the network was trained with, or none.
    """
    visited, scheduler = _scheduler(network, sampler, steps)
    extra = {"generator": list(draws)} if sampler == "ddpm" and draws is not None else {}
    state = noisy
    for own, visit in zip(scheduler.timesteps[start:], visited[start:], strict=True):
        picture = _picture(network, state, visit, mask, conditions)
        if guidance != 1.0:
            free = _picture(network, state, visit, torch.zeros_like(mask), [{}] * len(state))
            picture = free + guidance * (picture - free)
        picture = picture.clamp(-1, 1)
        state = scheduler.step(picture, own, state, **extra).prev_sample
        yield picture


def noised(
    network: DiffusionNetwork, pictures: Tensor, noise: Tensor, *, steps: int, start: int
) -> Tensor:
    """Pictures with the noise at which a sampler of `steps` steps stands after `start` of them.

    A start from there is SDEdit (Meng et al. 2021, arXiv:2108.01073).
    """
    visited, _ = spaced(network.config.shares.numpy(), steps)
    share = network.share(torch.tensor([visited[start]], device=pictures.device))
    return share.sqrt() * pictures + (1 - share).sqrt() * noise


def own_draws(seed: int, index: Index) -> torch.Generator:
    """The generator of the noise that is added to one image on its way, step by step."""
    # 1: apart from the noise that it starts from
    number = np.random.SeedSequence([seed, *numbers_of(index), 1]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(number) % 2**63)


def _picture(
    network: DiffusionNetwork,
    state: Tensor,
    visit: int,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
) -> Tensor:
    """The network's estimate of the clean picture."""
    step = torch.full((len(state),), visit, device=state.device)
    return network.picture(network(state, step, mask, conditions), state, step)


def _scheduler(network: DiffusionNetwork, sampler: str, steps: int) -> tuple[list[int], Any]:
    """The steps visited, and a scheduler of diffusers that has these alone."""
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    config = network.config
    if not 1 <= steps <= config.train_steps:
        raise InputError(
            f"steps: {steps} given; this model takes 1 to {config.train_steps}, as many as it was "
            "trained with."
        )
    visited, betas = spaced(config.shares.numpy(), steps)
    common: dict[str, Any] = {
        "num_train_timesteps": steps,
        "trained_betas": betas,
        "prediction_type": "sample",  # what comes out of the network is made a picture first
        "timestep_spacing": "trailing",
    }
    if sampler == "ddpm":
        scheduler = DDPMScheduler(**common, clip_sample=False)
    elif sampler == "ddim":
        scheduler = DDIMScheduler(**common, clip_sample=False)
    else:
        scheduler = DPMSolverMultistepScheduler(**common)
    scheduler.set_timesteps(steps)
    return visited, scheduler
