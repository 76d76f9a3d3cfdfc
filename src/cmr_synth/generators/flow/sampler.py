"""Solving the flow from noise to picture in a few steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def time_grid(steps: int) -> list[float]:
    """Times at which the network is evaluated: equal steps from 0, the last one ends at 1."""
    return [k / steps for k in range(steps)]


@torch.no_grad()
def euler(
    network: nn.Module,
    noise: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    steps: int,
    guidance: float = 1.0,
) -> Iterator[Tensor]:
    """First-order solver; yields the estimate of the clean picture after every step.

    With an estimate x of the picture the velocity is (x - x_t) / (1 - t), so that one Euler
    step moves x_t the share (t' - t) / (1 - t) of the way to x.

    Parameters
    ----------
    network : FlowNetwork
    noise : (n, 1, y, x) tensor
    mask : (n, 4, y, x) tensor
    conditions : n mappings
    steps : int
        Network evaluations.
    guidance : float
        1: none. Above: the estimate is moved away from the unconditional one (Ho and Salimans
        2022, arXiv:2207.12598), at twice the cost.

    Yields
    ------
    (n, 1, y, x) tensor
        On the scale [-1, 1]; the last one is the result.
    """
    times = [*time_grid(steps), 1.0]
    state = noise
    for now, after in zip(times[:-1], times[1:], strict=True):
        time = torch.full((len(noise),), now, device=noise.device)
        estimate = network(state, time, mask, conditions)
        if guidance != 1.0:
            free = network(state, time, torch.zeros_like(mask), [{}] * len(noise))
            estimate = free + guidance * (estimate - free)
        state = _advance(state, estimate, now, after)
        yield estimate


@torch.no_grad()
def state_after(
    done: int,
    network: nn.Module,
    noise: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    steps: int,
) -> Tensor:
    """The state x_t in which a sampler of `steps` steps stands after `done` of them.

    Parameters as for `euler`, without guidance; returns an (n, 1, y, x) tensor.
    """
    times = time_grid(steps)
    state = noise
    for now, after in zip(times[:done], times[1 : done + 1], strict=True):
        time = torch.full((len(noise),), now, device=noise.device)
        state = _advance(state, network(state, time, mask, conditions), now, after)
    return state


def _advance(state: Tensor, estimate: Tensor, now: float, after: float) -> Tensor:
    """One Euler step towards the estimate of the picture."""
    return state + (after - now) / (1 - now) * (estimate - state)
