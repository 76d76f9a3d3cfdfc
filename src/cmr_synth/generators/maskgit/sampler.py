"""Filling in hidden positions, the surest or a random share first, by a cosine schedule.

All chance comes from normal noise that each image brings along, so that a picture is of its seed
and index alone and neighbours in a stack are alike (`cmr_synth.generators.noise`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from cmr_synth.generators.maskgit.network import MaskgitModel

CHOICE = 4.5
"""How much chance, on the logits' scale, goes into what is filled in first, at the beginning; as
published for MaskGIT."""
HEAD_STEPS = 8  # of the flow that draws latents


def left_hidden(step: int, steps: int, share: float = 1.0) -> float:
    """Share of the positions that is still hidden after a step, counted from 1.

    Parameters
    ----------
    share : float
        Hidden at the beginning. A cosine from there (Chang et al. 2022, eq. 3).
    """
    return share * math.cos(math.pi / 2 * step / steps)


def noise_shape(model: MaskgitModel) -> tuple[int, int, int]:
    """Of the noise of an image: one value to choose an order, the others to draw positions."""
    config = model.config
    drawn = config.autoencoder.codes if config.head == "tokens" else config.autoencoder.latent
    return (1 + drawn, *config.places)


def hidden_at_random(noise: Tensor, share: float | Tensor) -> Tensor:
    """(n, 1, rows, columns): 1 at those positions with the least noise that make up a share.

    Parameters
    ----------
    noise : (n, 1, rows, columns) tensor
    share : float or (n,) tensor in [0, 1]
    """
    flat = noise.flatten(1)
    ranks = flat.argsort(dim=1).argsort(dim=1)
    count = torch.as_tensor(share, device=noise.device).mul(flat.shape[1]).round()
    return (ranks < count.view(-1, 1)).float().view_as(noise)


@torch.no_grad()
def fill_in(
    model: MaskgitModel,
    latents: Tensor,
    hidden: Tensor,
    noise: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    steps: int,
    guidance: float = 1.0,
) -> Iterator[Tensor]:
    """Yield the latents after every step; the last are complete.

    Parameters
    ----------
    latents : (n, latent, rows, columns) tensor
        What is known, as the autoencoder's `encode` gives it.
    hidden : (n, 1, rows, columns) tensor
        1 where nothing is known; the same number in every image.
    noise : (n, 1 + codes or latent, rows, columns) tensor
        See `noise_shape`.
    mask : (n, 4, y, x) tensor
    conditions : n mappings
    steps : int
        Network evaluations.
    guidance : float
        1: none; above, at twice the cost, what is said is moved away from what is said without
        any condition.
    """
    share = float(hidden.mean())
    places = hidden[0].numel()
    order, chance = noise[:, :1], noise[:, 1:]
    for step in range(1, steps + 1):
        said = _said(model, latents, hidden, mask, conditions, guidance)
        if model.config.head == "tokens":
            found, sure = _tokens(model, said, chance)
            first = sure + CHOICE * (1 - step / steps) * _gumbel(order)
        else:
            found, first = _drawn(model, said, chance), order
        latents = torch.where(hidden > 0, found, latents)
        # what was known already is never hidden again
        first = first.masked_fill(hidden == 0, float("inf"))
        count = math.floor(left_hidden(step, steps, share) * places + 1e-6) if step < steps else 0
        ranks = first.flatten(1).argsort(dim=1).argsort(dim=1).view_as(first)
        hidden = (ranks < count).float() * hidden
        yield latents


def _said(
    model: MaskgitModel,
    latents: Tensor,
    hidden: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    guidance: float,
) -> Tensor:
    said: Tensor = model.network(latents, hidden, mask, conditions)
    if guidance == 1.0:
        return said
    free: Tensor = model.network(latents, hidden, torch.zeros_like(mask), [{}] * len(latents))
    return free + guidance * (said - free)


def _tokens(model: MaskgitModel, logits: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
    """Latents of tokens drawn from logits, and the logarithm of their probabilities."""
    tokens = (logits + _gumbel(chance)).argmax(dim=1)
    sure = logits.log_softmax(dim=1).gather(1, tokens[:, None])
    return model.autoencoder.of_tokens(tokens), sure


def _drawn(model: MaskgitModel, said: Tensor, state: Tensor) -> Tensor:
    """Latents along the straight path from noise."""
    head = model.network.draw
    assert head is not None
    estimate = state
    for k in range(HEAD_STEPS):
        now, after = k / HEAD_STEPS, (k + 1) / HEAD_STEPS
        estimate = head(said, state, torch.full((len(state),), now, device=state.device))
        state = state + (after - now) / (1 - now) * (estimate - state)
    return estimate


def _gumbel(normal: Tensor) -> Tensor:
    """Gumbel noise of normal noise, each value by itself."""
    uniform = torch.special.ndtr(normal.double()).clamp(1e-12, 1 - 1e-12)
    return -(-uniform.log()).log().float()
