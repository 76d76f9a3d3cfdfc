"""The trained mask flow: masks of slices from guides, levels, phases and pathologies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings
from cmr_synth.generators.flow.sampler import heun
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.mask_flow.network import (
    MAPS,
    MaskFlowConfig,
    MaskFlowNetwork,
    guide_of,
    labels_of,
)
from cmr_synth.generators.noise import Index, noise_for
from cmr_synth.networks.trained import Trained

FAMILY = "mask-flow"
STEPS = 12


class MaskFlow(Trained[MaskFlowNetwork, MaskFlowConfig]):
    """A mask flow with trained weights on a device."""

    family = FAMILY
    config_kind = MaskFlowConfig
    network_kind = MaskFlowNetwork

    @torch.no_grad()
    def draw(
        self,
        conditions: Sequence[Condition],
        *,
        seed: int,
        indices: Sequence[Index] | None = None,
        steps: int = STEPS,
        guidance: float = 1.0,
        batch: int = 16,
    ) -> NDArray[np.uint8]:
        """Draw a mask for each condition.

        Parameters
        ----------
        conditions : sequence of Condition
            `mask` is the guide, on the working grid; phase, pathology and z as far as known.
        seed : int
        indices : sequence, optional
            What decides the noise of each mask beside the seed; by default its place.
        steps : int
            Of a second-order solver.
        guidance : float
            1: none; above, conditions are followed more strictly.
        batch : int
            Masks computed at once; does not change them.

        Returns
        -------
        (n, y, x) uint8 array
            Engine labels.

        Raises
        ------
        InputError
            If a guide is on another grid, or a word is unknown to the model.
        """
        if steps < 1:
            raise InputError(f"steps: {steps} given; give a whole number of 1 or more.")
        numbers = list(range(len(conditions)) if indices is None else indices)
        made = [
            self._batch(conditions[k : k + batch], numbers[k : k + batch], seed, steps, guidance)
            for k in range(0, len(conditions), batch)
        ]
        return np.concatenate([np.zeros((0, *self.config.shape), np.uint8), *made])

    def _batch(
        self,
        conditions: Sequence[Condition],
        indices: Sequence[Index],
        seed: int,
        steps: int,
        guidance: float,
    ) -> NDArray[np.uint8]:
        given: list[dict[str, Any]] = mappings(conditions, self.config)
        guides = np.stack([self._guide(condition) for condition in conditions])
        guide = guide_of(torch.from_numpy(guides).long().to(self.device), self.config)
        noise = np.stack([noise_for(seed, i, (MAPS, *self.config.shape)) for i in indices])
        start = torch.from_numpy(noise).to(self.device)
        *_, maps = heun(self.network, start, guide, given, steps=steps, guidance=guidance)
        return labels_of(maps.cpu().numpy())

    def _guide(self, condition: Condition) -> NDArray[np.uint8]:
        if condition.mask is None:
            return np.full(self.config.shape, UNLABELLED, np.uint8)
        if condition.mask.shape != self.config.shape:
            raise InputError(
                f"a guide of {condition.mask.shape} pixels was given; this model's masks have "
                f"{self.config.shape} of {self.config.spacing_mm:g} mm."
            )
        return condition.mask
