"""Training the ControlNet of a Stable Diffusion on masks, by low-rank adapters alone.

A folder of diffusers is given, and nothing is downloaded. Text encoder, autoencoder and U-Net stay
as they are, and so does the ControlNet (Zhang et al. 2023, arXiv:2302.05543) but for matrices of
low rank that are added to its attention, to what it reads of the mask and to what it hands on
(LoRA, Hu et al. 2021, arXiv:2106.09685). In the end they are added into its weights, so that the
result is a folder like the one given, which needs no adapters any more.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.stable_diffusion.config import StableDiffusionConfig
from cmr_synth.generators.stable_diffusion.pipeline import (
    FAMILY,
    INDEX,
    adopt,
    load_pipeline,
    pixels_of,
)
from cmr_synth.networks.folder import read_config
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, tiled
from cmr_synth.training.recipe import Recipe, checked
from cmr_synth.training.weighting import near_heart

ADAPTED = (
    r".*\.(to_q|to_k|to_v|to_out\.0)|controlnet_cond_embedding\..*conv.*|"
    r"controlnet_cond_embedding\.blocks\.\d+|controlnet_down_blocks\.\d+|controlnet_mid_block"
)
"""Layers that get adapters: attention, what is read of the mask, and what is handed on."""


class StableDiffusionLoss(Dropping):
    """Settings of the loss and of the adapters."""

    rank: int = Field(16, gt=0, description="of the matrices that are added")
    alpha: float = Field(16.0, gt=0, description="their weight, times the rank")
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")


class StableDiffusionTask(FamilyTask):
    """The adapters of a ControlNet as the training loop sees them.

    The recipe starts from a pipeline of diffusers (--from FOLDER/model_index.json) or from a model
    folder that `zoo add` made of one (--from FOLDER/weights.safetensors).
    """

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(StableDiffusionLoss)
        self.source, self.config = self._start()
        pipeline = load_pipeline(self.source, device=torch.device("cpu"))
        self._frozen = {
            name: getattr(pipeline, name).requires_grad_(False)
            for name in ("unet", "vae", "text_encoder")
        }
        self._tokenizer = pipeline.tokenizer
        self._noise = _noise_of(pipeline.scheduler)
        torch.manual_seed(recipe.seed)
        self.network = _with_adapters(pipeline.controlnet, self.loss)
        self.networks: dict[str, nn.Module] = {"controlnet": self.network}
        self.rates = {"controlnet": 1.0}
        self.words = self.config.known_words

    def _start(self) -> tuple[Path, StableDiffusionConfig]:
        """Folder of the pipeline, and how conditions become text and pictures of masks."""
        start = self.recipe.initialize_from
        if not start:
            raise InputError(
                f"{self.where}: needs a Stable Diffusion with ControlNet that lies here, nothing "
                "is downloaded; name one with --from FOLDER/model_index.json."
            )
        folder = Path(start).parent
        if (folder / INDEX).is_file():
            source, known = folder, {"pixels": pixels_of(folder)}
        else:
            known = read_config(folder, StableDiffusionConfig, family=FAMILY).model_dump()
            source = folder / "pipeline"
        stated = {**known, **self.recipe.model}
        config = checked(StableDiffusionConfig, stated, where=self.where, under="model")
        self.require_learnable(config)
        return source, config

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The squared error of what the steered U-Net takes for noise."""
        labels, conditions = dropped(batch, self.loss)
        latents = self._encoded(batch.images)
        noise = batch.normal(*latents.shape[1:])
        steps = torch.tensor(
            (batch.uniform() * self._noise.config.num_train_timesteps).astype(np.int64),
            device=latents.device,
        )
        noisy = self._noise.add_noise(latents, noise, steps)
        found = self._predicted("controlnet", noisy, steps, labels, conditions)
        kind = self._noise.config.prediction_type
        if kind == "v_prediction":
            goal = self._noise.get_velocity(latents, noise, steps)
        else:
            goal = latents if kind == "sample" else noise
        weight = (1 + self.loss.heart_weight * near_heart(batch.labels)) * batch.covered
        weight = nn.functional.interpolate(weight, latents.shape[2:], mode="area")
        error = (found - goal).square().mean(dim=1, keepdim=True)
        yield (
            "controlnet",
            (error * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp(min=1e-3),
        )

    def _predicted(
        self,
        name: str,
        noisy: Tensor,
        steps: Tensor,
        labels: Tensor,
        conditions: Sequence[dict[str, Any]],
    ) -> Tensor:
        text = self._read([_said(one) for one in conditions], noisy.device)
        shown = self.config.mask_picture(one_hot_mask(labels)).to(noisy.device)
        down, middle = self.networks[name](
            noisy,
            steps,
            encoder_hidden_states=text,
            controlnet_cond=shown,
            conditioning_scale=self.config.control_scale,
            return_dict=False,
        )
        unet = self._on("unet", noisy.device)
        found: Tensor = unet(
            noisy,
            steps,
            encoder_hidden_states=text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        return found

    @torch.no_grad()
    def _encoded(self, images: Tensor) -> Tensor:
        vae = self._on("vae", images.device)
        pictures = 2 * self.config.from_grid(images) - 1
        latents: Tensor = vae.encode(pictures).latent_dist.mode() * vae.config.scaling_factor
        return latents

    @torch.no_grad()
    def _read(self, conditions: Sequence[Condition], device: torch.device) -> Tensor:
        tokens = self._tokenizer(
            [self.config.text(one) for one in conditions],
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        found: Tensor = self._on("text_encoder", device)(tokens.to(device))[0]
        return found

    def _on(self, name: str, device: torch.device) -> Any:
        return self._frozen[name].to(device)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, and what is guessed of them from half of the noise."""
        latents = self._encoded(batch.images)
        half = self._noise.config.num_train_timesteps // 2
        steps = torch.full((len(batch),), half, device=latents.device)
        noise = batch.normal(*latents.shape[1:])
        noisy = self._noise.add_noise(latents, noise, steps)
        found = self._predicted("controlnet", noisy, steps, batch.labels, batch.conditions)
        share = self._noise.alphas_cumprod[half].to(latents.device)
        kind = self._noise.config.prediction_type
        if kind == "v_prediction":
            clean = share.sqrt() * noisy - (1 - share).sqrt() * found
        else:
            guess = (noisy - (1 - share).sqrt() * found) / share.sqrt()
            clean = found if kind == "sample" else guess
        vae = self._on("vae", latents.device)
        pictures = vae.decode(clean / vae.config.scaling_factor).sample
        shown = self.config.to_grid((pictures.clamp(-1, 1) + 1) / 2)
        return tiled([*given(batch), shown[:, 0]])

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write a model folder with the pipeline, the adapters added into its ControlNet."""
        merged = copy.deepcopy(self.network).cpu().merge_and_unload()
        with TemporaryDirectory(dir=folder) as inside:
            pipeline = Path(inside) / "pipeline"
            shutil.copytree(self.source, pipeline, symlinks=False)
            shutil.rmtree(pipeline / "controlnet")
            merged.save_pretrained(pipeline / "controlnet", safe_serialization=True)
            made = Path(inside) / "model"
            adopt(pipeline, made, name=self.recipe.name, config=self.config)
            about = json.loads((made / "config.json").read_text(encoding="utf-8"))
            about |= {
                "recipe": self.recipe.model_dump(mode="json"),
                "images_seen": images_seen,
                "minutes": round(minutes, 2),
            }
            with write_file(made / "config.json") as file:
                file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            if (folder / "pipeline").exists():
                shutil.rmtree(folder / "pipeline")
            for name in ("pipeline", "weights.safetensors", "config.json"):
                (made / name).replace(folder / name)


def _said(condition: dict[str, Any]) -> Condition:
    """What is told in words; empty ones are not known."""
    return Condition(
        vendor=condition.get("vendor") or None,
        phase=condition.get("phase") or None,
        pathology=condition.get("pathology") or None,
        z=condition.get("z"),
    )


def _noise_of(scheduler: Any) -> Any:
    """The noise that the pipeline was trained with, whatever it is sampled by."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(scheduler.config)


def _with_adapters(controlnet: Any, settings: StableDiffusionLoss) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise InputError(
            "training a ControlNet needs the package peft; install napari-cmr-synth[text]."
        ) from error
    made = get_peft_model(
        controlnet,
        LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=ADAPTED),
    )
    return made.train()
