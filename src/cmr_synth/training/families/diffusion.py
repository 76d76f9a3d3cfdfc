"""Training the diffusion: a weighted error of what it predicts, at a random noise level.

Masks are ablated as in segmentation-guided diffusion (Konz et al. 2024, arXiv:2402.05210,
section 2.2): on some images all of the mask is left open, on some one structure of it, so that one
network draws with a mask, with a part of one, and with none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.diffusion.generator import FAMILY
from cmr_synth.generators.diffusion.network import DiffusionConfig, DiffusionNetwork
from cmr_synth.generators.diffusion.sampler import denoise
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import pixel_weight


class DiffusionLoss(Dropping):
    """Settings of the loss."""

    drop_structure: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of images on which one structure is left open, and the background too",
    )
    snr_bound: float = Field(
        20.0, gt=0, description="signal-to-noise ratio from which on all levels weigh the same"
    )
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")


class DiffusionTask(FamilyTask):
    """The diffusion as the training loop sees it."""

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(DiffusionLoss)
        config = self.model_settings(DiffusionConfig)
        self.network = self.build(lambda: DiffusionNetwork(config))
        self.networks = {"diffusion": self.network}
        self.rates = {"diffusion": 1.0}
        self.words = self.network.conditions.words

    def unaccounted(self) -> str:
        """What no account of privacy covers: nothing."""
        return ""

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The weighted error of the prediction."""
        config = self.network.config
        pictures = 2 * batch.images - 1
        labels, conditions = dropped(batch, self.loss)
        labels = without_a_structure(
            labels, batch.uniform() < self.loss.drop_structure, batch.uniform()
        )
        noise = batch.normal(*pictures.shape[1:])
        step = torch.tensor(
            (batch.uniform() * config.train_steps).astype(np.int64), device=pictures.device
        )
        share = self.network.share(step)
        noisy = share.sqrt() * pictures + (1 - share).sqrt() * noise
        predicted = self.networks["diffusion"](noisy, step, one_hot_mask(labels), conditions)
        goal = {
            "sample": pictures,
            "epsilon": noise,
            "v_prediction": share.sqrt() * noise - (1 - share).sqrt() * pictures,
        }[config.prediction]
        yield "diffusion", self._error(predicted, goal, share, batch)

    def _error(self, predicted: Tensor, goal: Tensor, share: Tensor, batch: Batch) -> Tensor:
        """Weighted squared error per image, over pixels inside the scan's field of view."""
        weight = pixel_weight(batch, self.loss.heart_weight)
        error = ((predicted - goal) ** 2 * weight).sum(dim=(1, 2, 3))
        level = level_weight(self.network.config.prediction, share.flatten(), self.loss.snr_bound)
        return level * error / weight.sum(dim=(1, 2, 3)).clamp(min=1)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, and synthetic pictures at 5 and at 15 steps."""
        mask = one_hot_mask(batch.labels)
        noise = batch.normal(*batch.images.shape[1:])
        rows = given(batch)
        for steps in (5, 15):
            for done in denoise(self.network, noise, mask, list(batch.conditions), steps=steps):
                picture = done
            rows.append((picture[:, 0] + 1) / 2)
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The network alone."""
        return self.network.config, state_of(self.network)


def without_a_structure(
    labels: Tensor, chosen: NDArray[np.bool_], which: NDArray[np.float64]
) -> Tensor:
    """Labels with one structure left open on the images chosen.

    The background is left open there too: what it leaves free would show the structure's outline.

    Parameters
    ----------
    labels : (n, y, x) int64 tensor
    chosen : (n,) bool array
    which : (n,) float array in [0, 1)
        Picks among the structures that an image shows; one that shows none stays as it is.
    """
    labels = labels.clone()
    for i in np.flatnonzero(chosen):
        shown = [s for s in (LV, MYO, RV) if bool((labels[i] == s).any())]
        if shown:
            structure = shown[int(which[i] * len(shown))]
            labels[i][(labels[i] == structure) | (labels[i] == 0)] = UNLABELLED
    return labels


def level_weight(prediction: str, share: Tensor, bound: float) -> Tensor:
    """Weight of the squared error of each image by its noise level.

    Of an error of the clean picture, min(snr, bound) + 1: the velocity's error of Salimans and Ho
    2022, arXiv:2202.00512, bounded as in Hang et al. 2023, arXiv:2303.09556, or nearly clean
    pictures would drown the others. In errors of velocity and noise the same weight is divided by
    snr + 1 and snr; of noise it stays 1 at most, for where there is no picture it says nothing.

    Parameters
    ----------
    share : (n,) tensor
        Of the picture, a; the signal-to-noise ratio is a / (1 - a).
    """
    snr = share / (1 - share)
    bounded = snr.clamp(max=bound)
    if prediction == "sample":
        return bounded + 1
    if prediction == "v_prediction":
        return (bounded + 1) / (snr + 1)
    return ((bounded + 1) / snr).clamp(max=1)
