"""Training batches of volumes; as those of slices they depend on seed and number alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.cohorts.volumes import Depth, LeftOut, volumes_of
from cmr_synth.errors import InputError
from cmr_synth.generators.volumes.autoencoder import VolumeConfig
from cmr_synth.training.batches import Batch, Batches, intensity, warp
from cmr_synth.training.recipe import Augmentation, Recipe

OF_ONE_SLICE = ("noise", "blur", "looks", "shapes")
"""Augmentations that would make slices of a volume unlike each other."""


class VolumeBatches(Batches):
    """Batches whose images are (n, 1, depth, rows, columns) and labels (n, depth, rows, columns).

    All slices of a volume are turned, moved and brightened alike.

    Attributes
    ----------
    volumes : list of Volume
    left_out : LeftOut
        Volumes of the split that are too short or too long.
    """

    def __init__(
        self,
        slices: SliceSet,
        config: VolumeConfig,
        *,
        augmentation: Augmentation,
        seed: int,
        cohorts: Sequence[str] | None = None,
        split: str = "train",
    ):
        self.depth = depth_of(config)
        self.volumes, self.left_out = volumes_of(slices, self.depth, split=split, cohorts=cohorts)
        if not self.volumes:
            raise InputError(_none(self.depth, self.left_out, split, cohorts))
        members = np.unique(np.concatenate([volume.members for volume in self.volumes]))
        super().__init__(
            slices,
            augmentation=augmentation,
            seed=seed,
            shape=config.shape,
            streams=[members],
        )
        if any(a > b for a, b in zip(config.shape, slices.images.shape[1:], strict=True)):
            raise InputError(
                f"volumes of {config.shape[0]} x {config.shape[1]} pixels do not fit into slices "
                f"of {slices.images.shape[1]} x {slices.images.shape[2]}; set model.shape."
            )

    def batch(self, first: int, count: int) -> Batch:
        """Volumes number `first` to `first + count - 1` of the run."""
        made = [self._volume(number) for number in range(first, first + count)]
        images, labels, covered, conditions, draws = zip(*made, strict=True)
        return Batch(
            torch.stack(images),
            torch.stack(labels),
            torch.stack(covered),
            tuple(conditions),
            tuple(draws),
        )

    def _volume(
        self, number: int
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Any], np.random.Generator]:
        """Picture, labels, field of view, conditions and draws of volume number `number`."""
        epoch, place = divmod(number, len(self.volumes))
        order = self._draw(0, epoch, 0).permutation(len(self.volumes))
        volume, draw = self.volumes[order[place]], self._draw(1, number, 0)
        changed = bool(self._draw(2, number, 0).random() < self.augmentation.share)
        pixels, drawn, inside = volume.read(self.slices)
        images, covered = (
            torch.from_numpy(np.asarray(a, np.float32))[:, None] for a in (pixels, inside)
        )
        theta = self._geometry(draw) if changed else self._shift(draw)
        size = [1, 1, *self.shape]
        grid = functional.affine_grid(theta[None], size, align_corners=False)
        grid = grid.expand(len(images), -1, -1, -1)
        images, labels, covered = warp(images, torch.from_numpy(drawn), covered, grid)
        covered[~torch.from_numpy(volume.there)] = 1  # empty as far as it goes
        stack = images[:, 0]
        if changed:
            stack = intensity(stack, draw, self.augmentation)
        row = volume.row
        conditions = {
            "vendor": row.vendor,
            "phase": row.phase if self.depth.axis == "z" else "",
            "pathology": row.pathology,
            "cohort": row.cohort,
            "z": None if self.depth.axis == "z" else row.z,
            "augmented": changed,
        }
        return stack[None], labels, covered[:, 0][None], conditions, draw


def depth_of(config: VolumeConfig) -> Depth:
    """What volumes of a slice set are brought to for an autoencoder."""
    return Depth(
        axis=config.axis, count=config.depth, between_mm=config.between_mm, least=config.least
    )


def volume_batches(recipe: Recipe, slices: SliceSet, config: VolumeConfig) -> VolumeBatches:
    """The training volumes of a recipe.

    Raises
    ------
    InputError
        If there are none, or the recipe changes slices of a volume one by one.
    """
    for name in OF_ONE_SLICE:
        if getattr(recipe.augmentation, name):
            raise InputError(
                f"recipe {recipe.name!r}: field 'augmentation.{name}': would change each slice of "
                "a volume by itself; leave it out."
            )
    return VolumeBatches(
        slices,
        config,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        cohorts=recipe.cohorts,
    )


def _none(depth: Depth, left_out: LeftOut, split: str, cohorts: Sequence[str] | None) -> str:
    what = "stack" if depth.axis == "z" else "cine"
    lines = left_out.told(depth)
    if lines:
        return (
            f"the slice set has no {split} {what} to learn from ({'; '.join(lines)}); set "
            "model.least and model.depth of the autoencoder, or prepare it from more patients."
        )
    verb = "prepare" if depth.axis == "z" else "prepare-cines"
    return (
        f"the slice set has no {split} {what}s of {cohorts or 'any cohort'}; make one with `cohort "
        f"{verb} NAME=PATH`."
    )
