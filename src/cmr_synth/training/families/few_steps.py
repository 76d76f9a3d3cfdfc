"""Training at the times of a few-step sampler: its own states, and two forces in a fixed ratio.

A flow in its few-step stage and a student of it are both compared with a picture and judged by a
patch discriminator that sees picture, mask and time. Both losses pull at the picture with forces
of a fixed ratio, as in VQGAN (Esser et al. 2021, arXiv:2012.09841, eq. 7), there measured at the
last layer; but a discriminator that cannot tell the two apart has nothing to say and gets no force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cmr_synth.generators.conditioning import CLASSES
from cmr_synth.generators.flow.sampler import state_after
from cmr_synth.training.adversarial import (
    Discriminator,
    force,
    hinge_loss,
    knowledge,
    mean_score,
)


def discriminator_of_times(*, channels: int, layers: int) -> Discriminator:
    """A discriminator that sees picture, mask and time."""
    return Discriminator(CLASSES + 2, channels=channels, layers=layers)


def put_own_states(
    states: Tensor,
    network: nn.Module,
    start: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    *,
    step: Tensor,
    where: Tensor,
    steps: int,
) -> None:
    """Replace some states by those that the sampler itself reaches from `start`, in place.

    Parameters
    ----------
    states, start : (n, 1, y, x) tensors
    step : (n,) int64 tensor
        Steps that the sampler has taken, of `steps`.
    where : (n,) bool tensor
        Which states are replaced; `step` is above 0 there.
    """
    for k in step[where].unique().tolist():
        here = torch.nonzero(where & (step == k)).flatten()
        asked = [conditions[int(i)] for i in here]
        states[here] = state_after(k, network, start[here], mask[here], asked, steps=steps)


def balanced_losses(
    error: Tensor,
    estimate: Tensor,
    pictures: Tensor,
    mask: Tensor,
    time: Tensor,
    covered: Tensor,
    *,
    discriminator: nn.Module,
    compared: Tensor,
    weight: float,
) -> tuple[Tensor, Tensor]:
    """Losses (n,) of the network and of the discriminator.

    Parameters
    ----------
    error : (n,) tensor
        Of the estimates, 0 where they are only judged.
    estimate, pictures : (n, 1, y, x) tensors
        What is made, and real pictures, on the scale [-1, 1].
    time : (n,) tensor
    covered : (n, 1, y, x) tensor
        Outside the scan's field of view both are blank for the discriminator.
    compared : (n,) bool tensor
        The images whose forces are measured.
    weight : float
        Force of a discriminator that is always right, relative to that of the error.
    """
    late = time.view(-1, 1, 1, 1).expand_as(covered)
    seen = torch.cat([estimate * covered, mask, late], dim=1)
    score = -mean_score(discriminator(seen))
    real = discriminator(torch.cat([pictures * covered, mask, late], dim=1))
    hinge = hinge_loss(real, discriminator(seen.detach()))
    pull = force(error, estimate).where(compared, 0.0).sum()
    push = force(score, estimate).where(compared, 0.0).sum()
    balance = (pull / push.clamp(min=1e-12)).clamp(max=1e4)
    return error + weight * knowledge(hinge) * balance * score, hinge
