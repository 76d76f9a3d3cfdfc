"""Solving the flow from noise to picture in a few steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def time_grid(steps: int, crowding: float = 1.0) -> list[float]:
    """Times at which the network is evaluated, from 0; the last step ends at 1.

    Step k begins at 1 - (1 - k / steps)^crowding: at 1 steps are equal, above they crowd towards
    the picture, where texture forms.
    """
    return [1 - (1 - k / steps) ** crowding for k in range(steps)]


@torch.no_grad()
def euler(
    network: nn.Module,
    start: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    steps: int,
    guidance: float = 1.0,
    crowding: float = 1.0,
    look: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Tensor]:
    """First-order solver; yields the estimate of the clean picture after every step.

    With an estimate x of the picture the velocity is (x - x_t) / (1 - t), so that one Euler
    step moves x_t the share (t' - t) / (1 - t) of the way to x.

    Parameters
    ----------
    network : FlowNetwork
    start : (n, 1, y, x) tensor
        Where the path starts: see `network.start_of`.
    mask : (n, 4, y, x) tensor
    conditions : n mappings
    steps : int
        Network evaluations.
    guidance : float
        1: none. Above: the estimate is moved away from the unconditional one (Ho and Salimans
        2022, arXiv:2207.12598), at twice the cost.
    crowding : float
        Of the time grid.
    look : callable, optional
        Takes estimates and returns them changed; the path goes on from there, with its own noise.

    Yields
    ------
    (n, 1, y, x) tensor
        On the scale [-1, 1]; the last one is the result.
    """
    times = [*time_grid(steps, crowding), 1.0]
    state = start
    for now, after in zip(times[:-1], times[1:], strict=True):
        estimate = _estimate(network, state, now, mask, conditions, guidance)
        state = _advance(state, estimate, now, after)
        if look is not None:
            state, estimate = _with_look(state, estimate, after, look)
        yield estimate


@torch.no_grad()
def heun(
    network: nn.Module,
    start: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    steps: int,
    guidance: float = 1.0,
    crowding: float = 1.0,
    look: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Tensor]:
    """Second-order solver: the mean of the velocities at both ends of a step.

    As Karras et al. 2022, arXiv:2206.00364, algorithm 1: every step but the last, which ends at
    the picture, takes two evaluations. Parameters and yields as for `euler`.
    """
    times = [*time_grid(steps, crowding), 1.0]
    state = start
    for now, after in zip(times[:-1], times[1:], strict=True):
        estimate = _estimate(network, state, now, mask, conditions, guidance)
        ahead = _advance(state, estimate, now, after)
        if after < 1:
            second = _estimate(network, ahead, after, mask, conditions, guidance)
            velocity = (estimate - state) / (1 - now) + (second - ahead) / (1 - after)
            ahead = state + (after - now) / 2 * velocity
        state = ahead
        if look is not None:
            state, estimate = _with_look(state, estimate, after, look)
        yield estimate


SOLVERS = {"euler": euler, "heun": heun}


@torch.no_grad()
def after_step(
    network: nn.Module,
    state: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    now: float,
    after: float,
) -> Tensor:
    """The state x_t to which one step of `euler` leads from the time `now` to the time `after`.

    Parameters as for `euler`, without guidance; returns an (n, 1, y, x) tensor.
    """
    return _advance(state, _estimate(network, state, now, mask, conditions, 1.0), now, after)


def _estimate(
    network: nn.Module,
    state: Tensor,
    now: float,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    guidance: float,
) -> Tensor:
    time = torch.full((len(state),), now, device=state.device)
    estimate: Tensor = network(state, time, mask, conditions)
    if guidance != 1.0:
        free = network(state, time, torch.zeros_like(mask), [{}] * len(state))
        estimate = free + guidance * (estimate - free)
    return estimate


def _advance(state: Tensor, estimate: Tensor, now: float, after: float) -> Tensor:
    """One Euler step towards the estimate of the picture."""
    return state + (after - now) / (1 - now) * (estimate - state)


def _with_look(
    state: Tensor, estimate: Tensor, time: float, look: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """State and estimate with the estimate's part of the state, x in t x + (1 - t) n, changed."""
    changed = look(estimate)
    return state + time * (changed - estimate), changed
