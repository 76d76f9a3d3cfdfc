"""Training the flow: the velocity error of flow matching, and an adversarial few-step stage.

The second stage (`adversarial.weight` above zero) trains the network at the times of a few-step
sampler only, with a patch discriminator that sees picture, mask and time, another that sees the
finest detail alone, and a loss on spectra; they return the texture that a mean-square estimate
averages away (in the spirit of adversarial diffusion distillation,
Sauer et al. 2023, arXiv:2311.17042, with the real picture in the place of a teacher's). Part of
the inputs are states that the sampler itself reaches from noise, as at use (backward simulation
in DMD2, Yin et al. 2024, arXiv:2405.14867). They have no one right answer, so that only the
discriminator judges what is made of them: a squared error there dims all that is uncertain.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from cmr_synth.cohorts.examination import CONTRASTS
from cmr_synth.generators.conditioning import one_hot_mask, with_tissues
from cmr_synth.generators.flow.generator import FAMILY
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork, start_of
from cmr_synth.generators.flow.sampler import euler, time_grid
from cmr_synth.networks.weights import load_weights, state_of
from cmr_synth.training.adversarial import spectrum_difference
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.detail import DetailDiscriminator
from cmr_synth.training.dropping import Dropping, dropped, dropped_tissues
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.few_steps import (
    Push,
    balanced,
    discriminator_of_times,
    judged,
    judged_detail,
    put_own_states,
)
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import pixel_weight, weighted_mean


class Adversarial(BaseModel):
    """The few-step stage."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    weight: float = Field(
        0.0,
        ge=0,
        description="force on the picture, relative to that of the velocity error, of a "
        "discriminator that is always right",
    )
    steps: int = Field(
        4, gt=0, description="steps of the sampler that is trained, at the model's own times"
    )
    shares: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="how often each step is trained, from the first on; None: all alike"
    )
    own_inputs: float = Field(
        0.5, ge=0, le=1, description="share of inputs from the sampler, judged by no error"
    )
    initial_share: float = Field(
        0.0, ge=0, le=1, description="share of the weights started from in those that are saved"
    )
    channels: int = Field(32, gt=0)
    layers: int = Field(3, gt=0)
    rate: float = Field(1.0, gt=0, description="discriminators' learning rate, times the recipe's")
    detail: float = Field(
        0.0,
        ge=0,
        description="the same force of a discriminator of detail, on the late steps of pictures "
        "that are not augmented",
    )
    detail_channels: int = Field(32, gt=0)
    spectrum: float = Field(
        0.0, ge=0, description="the same force of the difference of log power, on these too"
    )
    late_steps: int = Field(2, gt=0, description="steps at the end on which detail is judged")

    @model_validator(mode="after")
    def _one_share_a_step(self) -> Adversarial:
        if self.shares is not None and (len(self.shares) != self.steps or not sum(self.shares)):
            raise ValueError(f"shares: give {self.steps} numbers, one for each step, not all 0")
        return self


class FlowLoss(Dropping):
    """Settings of the loss."""

    time_mean: float = -0.4
    time_sd: float = Field(1.0, gt=0)
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")
    adversarial: Adversarial = Adversarial()


class FlowTask(FamilyTask):
    """The flow as the training loop sees it."""

    family = FAMILY
    contrasts = tuple(CONTRASTS)
    knows_phenotypes = True
    knows_tissues = True

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(FlowLoss)
        config = self.model_settings(FlowConfig)
        if config.adapter is not None:
            raise self.wrong(
                "model.adapter", "is for loading; the family 'flow-student' trains adapters."
            )
        self.contrast = config.contrast
        self.network = self.build(lambda: FlowNetwork(config))
        self.networks = {"flow": self.network}
        self.rates = {"flow": 1.0}
        self.words = self.network.conditions.words
        self.phenotypes = tuple(one.name for one in config.phenotypes)
        self.tissues = config.structures if config.tissues else ()
        if self.loss.adversarial.weight:
            self.networks["discriminator"] = discriminator_of_times(
                channels=self.loss.adversarial.channels,
                layers=self.loss.adversarial.layers,
                classes=config.maps,
            )
            self.rates["discriminator"] = self.loss.adversarial.rate
            if self.loss.adversarial.detail:
                self.networks["detail"] = DetailDiscriminator(
                    config.vendors,
                    channels=self.loss.adversarial.detail_channels,
                    classes=config.maps,
                )
                self.rates["detail"] = self.loss.adversarial.rate

    def begin(self, batches: Batches) -> None:
        """Learn what the training patients measure, which is the scale of what is asked."""
        self.network.know(self.measured(self.network.config, batches))

    def unaccounted(self) -> str:
        """What no account of privacy covers, or nothing."""
        if self.phenotypes:
            return (
                "the ranges of phenotypes are patients' own numbers; leave model.phenotypes empty"
            )
        if self.loss.adversarial.weight:
            return "a discriminator learns from patients too; set loss.adversarial.weight to 0"
        return ""

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The velocity error; in the few-step stage the adversarial losses too."""
        pictures = 2 * batch.images - 1
        labels, conditions = dropped(batch, self.loss)
        mask = one_hot_mask(labels, self.network.config.classes)
        if self.tissues:
            mask = with_tissues(mask, dropped_tissues(batch, labels, self.loss))
        start = start_of(self.network.config, batch.normal(*pictures.shape[1:]), mask)
        if self.loss.adversarial.weight:
            yield from self._adversarial(batch, pictures, start, mask, conditions)
            return
        logit = self.loss.time_mean + self.loss.time_sd * batch.normal()
        time = torch.sigmoid(logit)
        estimate = self.networks["flow"](_mix(pictures, start, time), time, mask, conditions)
        yield "flow", self._velocity_error(estimate, pictures, time, batch)

    def _adversarial(
        self,
        batch: Batch,
        pictures: Tensor,
        start: Tensor,
        mask: Tensor,
        conditions: list[dict[str, Any]],
    ) -> Iterator[tuple[str, Tensor]]:
        settings = self.loss.adversarial
        flow, crowding = self.networks["flow"], self.network.config.crowding
        device = start.device
        times = torch.tensor(
            time_grid(settings.steps, crowding), dtype=torch.float32, device=device
        )
        step = torch.tensor(self._steps(batch.uniform()), device=device)
        own = torch.tensor(batch.uniform() < settings.own_inputs, device=device) & (step > 0)
        time = times[step]
        noisy = _mix(pictures, start, time)
        put_own_states(
            noisy,
            flow,
            start,
            mask,
            conditions,
            step=step,
            where=own,
            steps=settings.steps,
            crowding=crowding,
        )
        estimate = flow(noisy, time, mask, conditions)
        error = self._velocity_error(estimate, pictures, time, batch).where(~own, 0.0)
        push, hinge = judged(
            self.networks["discriminator"],
            estimate,
            pictures,
            mask,
            time,
            batch.covered,
            weight=settings.weight,
        )
        pushes, hinges = [push], {"discriminator": hinge}
        as_scanned = [not c.get("augmented") for c in batch.conditions]
        acts = torch.tensor(as_scanned, device=device) & (
            step >= settings.steps - settings.late_steps
        )
        if settings.detail:
            push, hinges["detail"] = judged_detail(
                self.networks["detail"],
                estimate,
                pictures,
                mask,
                conditions,
                batch.covered,
                acts=acts,
                weight=settings.detail,
            )
            pushes.append(push)
        if settings.spectrum:
            grain = spectrum_difference(estimate * batch.covered, pictures * batch.covered)
            pushes.append(Push(grain, settings.spectrum, acts))
        yield "flow", balanced(error, estimate, ~own, pushes)
        yield from hinges.items()

    def _steps(self, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """A step of the sampler for each image, from a number in [0, 1) each."""
        settings = self.loss.adversarial
        shares = np.array(settings.shares or [1.0] * settings.steps)
        edges = np.cumsum(shares / shares.sum())[:-1]
        return np.searchsorted(edges, uniform, side="right").astype(np.int64)

    def _velocity_error(
        self, estimate: Tensor, pictures: Tensor, time: Tensor, batch: Batch
    ) -> Tensor:
        """Squared velocity error per image, over pixels inside the scan's field of view."""
        # velocity = (x - x_t) / (1 - t); bounded, or late times would drown the others
        scale = 1 / (1 - time).clamp(min=0.1).view(-1, 1, 1, 1)
        weight = pixel_weight(batch, self.loss.heart_weight)
        return weighted_mean(((estimate - pictures) * scale) ** 2, weight)

    def _with_initial(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        share, start = self.loss.adversarial.initial_share, self.recipe.initialize_from
        if not (self.loss.adversarial.weight and share and start):
            return state
        return mixed(load_weights(Path(start)), state, share)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, and synthetic pictures at 4 and at 12 steps."""
        mask = one_hot_mask(batch.labels, self.network.config.classes)
        if batch.tissues is not None:
            mask = with_tissues(mask, batch.tissues)
        start = start_of(self.network.config, batch.normal(*batch.images.shape[1:]), mask)
        rows = given(batch)
        for steps in (4, 12):
            for done in euler(self.network, start, mask, list(batch.conditions), steps=steps):
                picture = done
            rows.append(shown(picture))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The network without its discriminator."""
        return self.network.config, self._with_initial(state_of(self.network))


def mixed(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of the first weights and the rest of the second.

    Between the weights before and after fine-tuning lie better ones than either (Wortsman et al.
    2022, arXiv:2109.01903): the squared error leaves few-step pictures smooth and too bright, the
    discriminator grainy and too dark.
    """
    return {k: second[k].float().lerp(first[k].float().to(second[k].device), share) for k in second}


def _mix(pictures: Tensor, start: Tensor, time: Tensor) -> Tensor:
    t = time.view(-1, 1, 1, 1)
    return t * pictures + (1 - t) * start
