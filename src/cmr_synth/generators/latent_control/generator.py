"""The latent model with mask control behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.latent.generator import SAMPLERS, LatentGenerator
from cmr_synth.generators.latent.network import LatentConfig
from cmr_synth.generators.latent_control.network import ControlledModel
from cmr_synth.generators.probing import Drawing
from cmr_synth.generators.refusals import refuse_prompt, refuse_sampler
from cmr_synth.networks.folder import read_config, with_weights

FAMILY = "latent-control"


class LatentControlGenerator:
    """A frozen latent model and its control with trained weights on a device."""

    takes = frozenset(
        {"mask", "vendor", "phase", "pathology", "z", "reference", "steps", "guidance", "sampler"}
    )
    probe = Drawing()

    def __init__(self, model: ControlledModel, *, device: str = "cpu"):
        self.latent = LatentGenerator(model, device=device)
        self.device: torch.device = self.latent.device
        self.config: LatentConfig = self.latent.config

    @classmethod
    def load(cls, folder: Path, *, device: str | None = None) -> LatentControlGenerator:
        """Read `config.json` and `weights.safetensors` of a model folder.

        Raises
        ------
        InputError
            If one is missing, damaged, or does not fit the other.
        """
        model = ControlledModel(read_config(folder, LatentConfig, family=FAMILY))
        device = device or "cpu"
        return cls(with_weights(model, folder, device=device), device=device)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.config.shape

    def sample(
        self,
        conditions: Sequence[Condition],
        *,
        seed: int,
        indices: Sequence[int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
    ) -> Iterator[Progress | Images]:
        """Yield progress, then the images, as `LatentGenerator.sample`.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, a reference is not on
            its grid, or a sampler or prompt is asked for that it has not.
        """
        refuse_sampler(FAMILY, sampler, SAMPLERS[self.config.objective])
        refuse_prompt(FAMILY, conditions)
        yield from self.latent.sample(
            conditions, seed=seed, indices=indices, steps=steps, guidance=guidance, sampler=sampler
        )
