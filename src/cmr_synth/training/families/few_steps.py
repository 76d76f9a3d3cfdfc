"""Training at the times of a few-step sampler: its own states, and forces in fixed ratios.

A flow in its few-step stage and a student of it are both compared with a picture and judged by a
patch discriminator that sees picture, mask and time; the flow's detail is judged apart. All losses
pull at the picture with forces of a fixed ratio, as in VQGAN (Esser et al. 2021, arXiv:2012.09841,
eq. 7), there measured at the last layer; but a discriminator that cannot tell the two apart has
nothing to say and gets no force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cmr_synth.generators.conditioning import CLASSES
from cmr_synth.generators.flow.sampler import after_step, time_grid
from cmr_synth.training.adversarial import (
    Discriminator,
    force,
    hinge_loss,
    knowledge,
    mean_score,
)


def discriminator_of_times(*, channels: int, layers: int, classes: int = CLASSES) -> Discriminator:
    """A discriminator that sees picture, mask and time."""
    return Discriminator(classes + 2, channels=channels, layers=layers)


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
    crowding: float = 1.0,
) -> None:
    """Replace some states by those that the sampler itself reaches from `start`, in place.

    Parameters
    ----------
    states, start : (n, 1, y, x) tensors
    step : (n,) int64 tensor
        Steps that the sampler has taken, of `steps`, at times of that `crowding`.
    where : (n,) bool tensor
        Which states are replaced; `step` is above 0 there.
    """
    times = [*time_grid(steps, crowding), 1.0]
    taken = torch.where(where, step, 0).tolist()
    reached = start.clone()
    # all go the way together, each as far as it has to: every step of it is taken once
    for k in range(max(taken)):
        rows = [i for i, wanted in enumerate(taken) if wanted > k]
        here = torch.tensor(rows, device=start.device)
        asked = [conditions[i] for i in rows]
        reached[here] = after_step(
            network, reached[here], mask[here], asked, now=times[k], after=times[k + 1]
        )
    states[where] = reached[where]


@dataclass(frozen=True)
class Push:
    """A loss that pushes at the picture, with a force in a fixed ratio to that of the error.

    Parameters
    ----------
    loss : (n,) tensor
    weight : float or tensor
        Its force, relative to that of the error.
    acts : (n,) bool tensor
        On which images.
    """

    loss: Tensor
    weight: float | Tensor
    acts: Tensor


def balanced(error: Tensor, estimate: Tensor, compared: Tensor, pushes: Sequence[Push]) -> Tensor:
    """The error and what pushes beside it, (n,).

    Parameters
    ----------
    error : (n,) tensor
        0 where a picture is only judged.
    estimate : (n, 1, y, x) tensor
    compared : (n,) bool tensor
        The images whose errors count, and whose mean force is the measure.
    pushes : sequence of Push
    """
    pull = _mean(force(error, estimate), compared)
    total = error
    for push in pushes:
        strength = _mean(force(push.loss.where(push.acts, 0.0), estimate), push.acts)
        balance = (pull / strength.clamp(min=1e-12)).clamp(max=1e4)
        total = total + push.weight * balance * push.loss.where(push.acts, 0.0)
    return total


def judged(
    discriminator: nn.Module,
    estimate: Tensor,
    pictures: Tensor,
    mask: Tensor,
    time: Tensor,
    covered: Tensor,
    *,
    weight: float,
) -> tuple[Push, Tensor]:
    """What a discriminator of picture, mask and time makes of estimates.

    Parameters
    ----------
    estimate, pictures : (n, 1, y, x) tensors
        What is made, and real pictures, on the scale [-1, 1].
    time : (n,) tensor
    covered : (n, 1, y, x) tensor
        Outside the scan's field of view both are blank for the discriminator.
    weight : float
        Force of a discriminator that is always right.

    Returns
    -------
    (Push, (n,) tensor)
        For the network, and the discriminator's own loss.
    """
    late = time.view(-1, 1, 1, 1).expand_as(covered)
    seen = torch.cat([estimate * covered, mask, late], dim=1)
    score = -mean_score(discriminator(seen))
    real = discriminator(torch.cat([pictures * covered, mask, late], dim=1))
    hinge = hinge_loss(real, discriminator(seen.detach()))
    everywhere = torch.ones_like(score, dtype=torch.bool)
    return Push(score, weight * knowledge(hinge), everywhere), hinge


def judged_detail(
    discriminator: nn.Module,
    estimate: Tensor,
    pictures: Tensor,
    mask: Tensor,
    conditions: Sequence[dict[str, Any]],
    covered: Tensor,
    *,
    acts: Tensor,
    weight: float,
) -> tuple[Push, Tensor]:
    """The same of a `DetailDiscriminator`, on some of the images; its loss is 0 on the others."""
    fake, real = estimate * covered, pictures * covered
    score = -mean_score(discriminator(fake, mask, conditions))
    hinge = hinge_loss(
        discriminator(real, mask, conditions), discriminator(fake.detach(), mask, conditions)
    ).where(acts, 0.0)
    shares = acts.float().mean().clamp(min=1e-6)
    hinge = hinge / shares  # so that its mean is that of the images on which it acts
    known = knowledge(hinge) * acts.any()
    return Push(score, weight * known, acts), hinge


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return values.where(where, 0.0).sum() / where.sum().clamp(min=1)
