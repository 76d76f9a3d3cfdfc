"""Training the flow: the velocity error of flow matching, and an adversarial few-step stage.

The second stage (`adversarial.weight` above zero) trains the network at the times of a few-step
sampler only, with a patch discriminator that sees picture, mask and time; it returns the texture
that a mean-square estimate averages away (in the spirit of adversarial diffusion distillation,
Sauer et al. 2023, arXiv:2311.17042, with the real picture in the place of a teacher's). Part of
the inputs are states that the sampler itself reaches from noise, as at use (backward simulation
in DMD2, Yin et al. 2024, arXiv:2405.14867). They have no one right answer, so that only the
discriminator judges what is made of them: a squared error there dims all that is uncertain.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.files import write_file
from cmr_synth.generators.flow.network import CLASSES, FlowConfig, FlowNetwork, one_hot_mask
from cmr_synth.generators.flow.sampler import euler, state_after, time_grid
from cmr_synth.generators.weights import load_weights, save_weights, set_state, state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.recipe import Recipe, checked


class Adversarial(BaseModel):
    """The few-step stage."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    weight: float = Field(
        0.0,
        ge=0,
        description="force on the picture, relative to that of the velocity error, of a "
        "discriminator that is always right",
    )
    steps: int = Field(4, gt=0, description="steps of the sampler that is trained")
    own_inputs: float = Field(
        0.5, ge=0, le=1, description="share of inputs from the sampler, judged by no error"
    )
    initial_share: float = Field(
        0.0, ge=0, le=1, description="share of the weights started from in those that are saved"
    )
    channels: int = Field(32, gt=0)
    layers: int = Field(3, gt=0)
    rate: float = Field(1.0, gt=0, description="discriminator's learning rate, times the recipe's")


class FlowLoss(BaseModel):
    """Settings of the loss."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    time_mean: float = -0.4
    time_sd: float = Field(1.0, gt=0)
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")
    drop_vendor: float = Field(0.1, ge=0, le=1)
    drop_phase: float = Field(0.15, ge=0, le=1)
    drop_z: float = Field(0.15, ge=0, le=1)
    drop_pathology: float = Field(0.3, ge=0, le=1)
    drop_mask: float = Field(
        0.08, ge=0, le=1, description="drops every condition too, for guidance"
    )
    adversarial: Adversarial = Adversarial()


class FlowTask:
    """The flow as the training loop sees it."""

    def __init__(self, recipe: Recipe):
        where = f"recipe {recipe.name!r}"
        self.loss = checked(FlowLoss, recipe.loss, where=where, under="loss")
        config = checked(FlowConfig, recipe.model, where=where, under="model")
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = FlowNetwork(config)
        if recipe.initialize_from:
            set_state(self.network, load_weights(Path(recipe.initialize_from)))
        self.networks: dict[str, nn.Module] = {"flow": self.network}
        self.rates = {"flow": 1.0}
        self.words = self.network.conditions.words
        if self.loss.adversarial.weight:
            self.networks["discriminator"] = _Discriminator(self.loss.adversarial)
            self.rates["discriminator"] = self.loss.adversarial.rate

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The velocity error; in the few-step stage the adversarial losses too."""
        pictures = 2 * batch.images - 1
        labels, conditions = self._dropped(batch)
        mask = one_hot_mask(labels)
        noise = batch.normal(*pictures.shape[1:])
        if self.loss.adversarial.weight:
            yield from self._adversarial(batch, pictures, noise, mask, conditions)
            return
        logit = self.loss.time_mean + self.loss.time_sd * batch.normal()
        time = torch.sigmoid(logit)
        estimate = self.networks["flow"](_mix(pictures, noise, time), time, mask, conditions)
        yield "flow", self._velocity_error(estimate, pictures, time, batch)

    def _adversarial(
        self,
        batch: Batch,
        pictures: Tensor,
        noise: Tensor,
        mask: Tensor,
        conditions: list[dict[str, Any]],
    ) -> Iterator[tuple[str, Tensor]]:
        settings = self.loss.adversarial
        flow, discriminator = self.networks["flow"], self.networks["discriminator"]
        device = noise.device
        times = torch.tensor(time_grid(settings.steps), dtype=torch.float32, device=device)
        step = torch.tensor((batch.uniform() * settings.steps).astype(np.int64), device=device)
        own = torch.tensor(batch.uniform() < settings.own_inputs, device=device) & (step > 0)
        time = times[step]
        noisy = _mix(pictures, noise, time)
        for k in step[own].unique().tolist():
            here = torch.nonzero(own & (step == k)).flatten()
            asked = [conditions[int(i)] for i in here]
            noisy[here] = state_after(k, flow, noise[here], mask[here], asked, steps=settings.steps)
        estimate = flow(noisy, time, mask, conditions)
        inside = batch.covered
        late = time.view(-1, 1, 1, 1).expand_as(inside)
        seen = torch.cat([estimate * inside, mask, late], dim=1)
        adversarial = -_mean(discriminator(seen))
        error = self._velocity_error(estimate, pictures, time, batch).where(~own, 0.0)
        real = discriminator(torch.cat([pictures * inside, mask, late], dim=1))
        hinge = _hinge(real, discriminator(seen.detach()))
        # both losses pull at the picture with forces of a fixed ratio, as in VQGAN (Esser et al.
        # 2021, arXiv:2012.09841, eq. 7), there measured at the last layer; but a discriminator
        # that cannot tell the two apart (hinge loss 2) has nothing to say and gets no force
        knows = (1 - hinge.detach().mean() / 2).clamp(0, 1)
        pull = _force(error, estimate).where(~own, 0.0).sum()
        push = _force(adversarial, estimate).where(~own, 0.0).sum()
        balance = (pull / push.clamp(min=1e-12)).clamp(max=1e4)
        yield "flow", error + settings.weight * knows * balance * adversarial
        yield "discriminator", hinge

    def _velocity_error(
        self, estimate: Tensor, pictures: Tensor, time: Tensor, batch: Batch
    ) -> Tensor:
        """Squared velocity error per image, over pixels inside the scan's field of view."""
        # velocity = (x - x_t) / (1 - t); bounded, or late times would drown the others
        scale = 1 / (1 - time).clamp(min=0.1).view(-1, 1, 1, 1)
        heart = ((batch.labels > 0) & (batch.labels != UNLABELLED)).float()[:, None]
        near = functional.max_pool2d(heart, 9, stride=1, padding=4)
        weight = batch.covered * (1 + self.loss.heart_weight * near)
        error = ((estimate - pictures) * scale) ** 2 * weight
        return error.sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp(min=1)

    def _dropped(self, batch: Batch) -> tuple[Tensor, list[dict[str, Any]]]:
        """Labels and conditions, some of them dropped to "unspecified"."""
        labels, conditions = batch.labels.clone(), []
        for i, (draw, given) in enumerate(zip(batch.draws, batch.conditions, strict=True)):
            chance = draw.random(5)
            kept: dict[str, Any] = dict(given)
            for name, share, u in (
                ("vendor", self.loss.drop_vendor, chance[0]),
                ("phase", self.loss.drop_phase, chance[1]),
                ("z", self.loss.drop_z, chance[2]),
                ("pathology", self.loss.drop_pathology, chance[3]),
            ):
                if u < share:
                    kept[name] = None
            if chance[4] < self.loss.drop_mask:
                labels[i] = UNLABELLED
                kept = {"augmented": given.get("augmented")}
            conditions.append(kept)
        return labels, conditions

    def _with_initial(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        share, start = self.loss.adversarial.initial_share, self.recipe.initialize_from
        if not (self.loss.adversarial.weight and share and start):
            return state
        return mixed(load_weights(Path(start)), state, share)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, and synthetic pictures at 4 and at 12 steps."""
        mask = one_hot_mask(batch.labels)
        noise = batch.normal(*batch.images.shape[1:])
        rows = [batch.images[:, 0], batch.labels.clamp(max=3) / 3]
        for steps in (4, 12):
            for done in euler(self.network, noise, mask, list(batch.conditions), steps=steps):
                picture = done
            rows.append((picture[:, 0].clamp(-1, 1) + 1) / 2)
        return np.concatenate([np.concatenate(list(r.cpu().numpy()), axis=1) for r in rows])

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write `weights.safetensors` (8 bits per channel) and `config.json`."""
        weights = self._with_initial(state_of(self.network))
        save_weights(folder / "weights-fp16.safetensors", weights, bits=16)
        save_weights(folder / "weights.safetensors", weights, bits=8)
        about = {
            "family": "flow",
            "config": self.network.config.model_dump(mode="json"),
            "recipe": self.recipe.model_dump(mode="json"),
            "images_seen": images_seen,
            "minutes": round(minutes, 1),
        }
        with write_file(folder / "config.json") as path:
            path.write_text(json.dumps(about, indent=2) + "\n")


def mixed(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of the first weights and the rest of the second.

    Between the weights before and after fine-tuning lie better ones than either (Wortsman et al.
    2022, arXiv:2109.01903): the squared error leaves few-step pictures smooth and too bright, the
    discriminator grainy and too dark.
    """
    return {k: second[k].float().lerp(first[k].float().to(second[k].device), share) for k in second}


def _force(losses: Tensor, pictures: Tensor) -> Tensor:
    """Norm of each image's gradient with respect to its pixels, (n,)."""
    (gradient,) = torch.autograd.grad(losses.sum(), pictures, retain_graph=True)
    return gradient.flatten(1).norm(dim=1)


class _Discriminator(nn.Module):
    """Picture, one-hot mask and time (n, 6, y, x) to scores of patches, at two scales.

    At full resolution instance norm lets it tell grain and sharpness apart within minutes, but
    hides brightness and contrast from it; these, and the layout of the chest, are seen by a second
    one on the picture averaged 4 x 4, with group norm.
    """

    def __init__(self, settings: Adversarial):
        super().__init__()
        from monai.networks.nets import PatchDiscriminator

        width, groups = settings.channels, min(8, 2 * settings.channels)
        self.texture = PatchDiscriminator(
            spatial_dims=2,
            in_channels=1 + CLASSES + 1,
            channels=width,
            num_layers_d=settings.layers,
            norm="INSTANCE",
        )
        self.layout = PatchDiscriminator(
            spatial_dims=2,
            in_channels=1 + CLASSES + 1,
            channels=width,
            num_layers_d=min(2, settings.layers),
            norm=("GROUP", {"num_groups": groups}),
            bias=True,
        )

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of both, (n, 1, a, b) and (n, 1, c, d); above zero for real."""
        return self.texture(seen)[-1], self.layout(functional.avg_pool2d(seen, 4))[-1]


def _mean(scores: tuple[Tensor, ...]) -> Tensor:
    """(n,) mean over patches, each scale counting the same."""
    return torch.stack([s.float().mean(dim=(1, 2, 3)) for s in scores]).mean(dim=0)


def _hinge(real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
    """(n,) hinge loss of the discriminator; 2 if it cannot tell, 0 if it always can."""
    misses = [
        functional.relu(1 - r) + functional.relu(1 + f) for r, f in zip(real, fake, strict=True)
    ]
    return _mean(tuple(misses))


def _mix(pictures: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    t = time.view(-1, 1, 1, 1)
    return t * pictures + (1 - t) * noise
