"""Conditions dropped to "unspecified" while training, so that a model can do without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.training.batches import Batch


class Dropping(BaseModel):
    """Shares of training images on which a condition is left open."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    drop_vendor: float = Field(0.1, ge=0, le=1)
    drop_phase: float = Field(0.15, ge=0, le=1)
    drop_z: float = Field(0.15, ge=0, le=1)
    drop_pathology: float = Field(0.3, ge=0, le=1)
    drop_cohort: float = Field(0.5, ge=0, le=1)
    drop_contrast: float = Field(0.1, ge=0, le=1, description="of a model that tells several apart")
    drop_mask: float = Field(
        0.08, ge=0, le=1, description="drops every condition too, for guidance"
    )
    drop_phenotype: float = Field(0.3, ge=0, le=1, description="each by itself")
    drop_all_phenotypes: float = Field(0.2, ge=0, le=1)
    drop_tissues: float = Field(
        0.5, ge=0, le=1, description="of a model that takes a map of those around the heart"
    )
    drop_mask_alone: float = Field(
        0.0, ge=0, le=1, description="leaves the anatomy to the words and phenotypes"
    )


def dropped(batch: Batch, shares: Dropping) -> tuple[Tensor, list[dict[str, Any]]]:
    """Labels (n, y, x) and conditions of a batch, some of them dropped by each image's own draws.

    Whether an image was augmented is never dropped.
    """
    labels, conditions = batch.labels.clone(), []
    for i, (draw, given) in enumerate(zip(batch.draws, batch.conditions, strict=True)):
        chance = draw.random(6)
        kept: dict[str, Any] = dict(given)
        for name, share, u in (
            ("vendor", shares.drop_vendor, chance[0]),
            ("phase", shares.drop_phase, chance[1]),
            ("z", shares.drop_z, chance[2]),
            ("pathology", shares.drop_pathology, chance[3]),
            ("cohort", shares.drop_cohort, chance[5]),
        ):
            if u < share:
                kept[name] = None
        if "contrast" in kept and draw.random() < shares.drop_contrast:
            kept["contrast"] = None
        if chance[4] < shares.drop_mask:
            labels[i] = UNLABELLED
            kept = {"augmented": given.get("augmented")}
        elif shares.drop_mask_alone and draw.random() < shares.drop_mask_alone:
            labels[i] = UNLABELLED
        if known := kept.get("phenotypes"):
            kept["phenotypes"] = _some(known, shares, draw)
        conditions.append(kept)
    return labels, conditions


def dropped_tissues(batch: Batch, labels: Tensor, shares: Dropping) -> Tensor:
    """Maps (n, y, x) of a batch that tells tissues: open on some images, and without a mask.

    Parameters
    ----------
    batch : Batch
    labels : (n, y, x) tensor
        From `dropped`, whose draws come first.
    shares : Dropping
    """
    assert batch.tissues is not None
    chances = batch.uniform()
    kept = torch.tensor(chances >= shares.drop_tissues, device=labels.device)
    followed = (labels != UNLABELLED).flatten(1).any(dim=1)
    return batch.tissues * (kept & followed)[:, None, None]


def _some(
    known: Mapping[str, float], shares: Dropping, draw: np.random.Generator
) -> dict[str, float]:
    """The phenotypes that are not left open."""
    if draw.random() < shares.drop_all_phenotypes:
        return {}
    chances = draw.random(len(known))
    return {
        name: value
        for (name, value), u in zip(known.items(), chances, strict=True)
        if u >= shares.drop_phenotype
    }
