"""The trained latent model behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.diffusion.sampler import denoise, own_draws
from cmr_synth.generators.flow.sampler import SOLVERS
from cmr_synth.generators.interface import Condition, Images, Progress, noise_for
from cmr_synth.generators.latent.network import TRAIN_STEPS, LatentConfig, LatentModel
from cmr_synth.generators.look import Look
from cmr_synth.generators.probing import Denoising
from cmr_synth.generators.refusals import refuse_prompt, refuse_sampler
from cmr_synth.networks.folder import read_config, with_weights

FAMILY = "latent"
SAMPLERS = {"flow": ("euler", "heun"), "diffusion": ("dpm-solver++", "ddim", "ddpm")}
"""By objective; the first is used where none is named."""
DEFAULT_STEPS = {"flow": 8, "diffusion": 15}


class LatentGenerator:
    """A latent flow or diffusion with trained weights on a device."""

    takes = frozenset(
        {"mask", "vendor", "phase", "pathology", "z", "reference", "steps", "guidance", "sampler"}
    )

    def __init__(self, model: LatentModel, *, device: str = "cpu"):
        self.device = torch.device(device)
        self.model = model.eval().to(self.device)
        # faster convolutions; torch's annotations do not know this overload
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config: LatentConfig = model.config

    @classmethod
    def load(cls, folder: Path, *, device: str | None = None) -> LatentGenerator:
        """Read `config.json` and `weights.safetensors` of a model folder.

        Raises
        ------
        InputError
            If one is missing, damaged, or does not fit the other.
        """
        model = LatentModel(read_config(folder, LatentConfig, family=FAMILY))
        device = device or "cpu"
        return cls(with_weights(model, folder, device=device), device=device)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.config.shape

    @property
    def probe(self) -> Denoising:
        """What a membership attack may use; see `cmr_synth.generators.probing`."""
        return Denoising(
            network=self.model.network,
            config=self.config,
            straight=self.config.objective == "flow",
            autoencoder=self.model.autoencoder,
        )

    @torch.no_grad()
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
        """Yield progress after every step and after decoding, then the images.

        See `cmr_synth.generators.interface.Generator`. Samplers are "euler" and "heun" of a latent
        flow, "dpm-solver++", "ddim" and "ddpm" of a latent diffusion. Of a reference grey levels
        and grain are taken over, on the decoded picture.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, a reference is not on
            its grid, or a sampler or prompt is asked for that it has not.
        """
        objective = self.config.objective
        refuse_sampler(FAMILY, sampler, SAMPLERS[objective])
        refuse_prompt(FAMILY, conditions)
        steps = DEFAULT_STEPS[objective] if steps is None else steps
        if not 1 <= steps <= TRAIN_STEPS:
            raise InputError(f"steps: {steps} given; give a whole number from 1 to {TRAIN_STEPS}.")
        indices = range(len(conditions)) if indices is None else indices
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        look = Look(conditions, self.shape, self.device)
        noise = np.stack([noise_for(seed, i, self.config.latent_shape) for i in indices])
        run = self.solve(
            torch.from_numpy(noise).to(self.device),
            mask,
            given,
            steps=steps,
            sampler=sampler,
            guidance=1.0 if guidance is None else guidance,
            draws=[own_draws(seed, i) for i in indices],
        )
        latents = None
        for step, latents in enumerate(run, start=1):  # noqa: B007
            yield Progress(step, steps + 1)
        assert latents is not None  # there is a step at least
        pictures = look(self.model.autoencoder.decode(latents, mask))
        yield Progress(steps + 1, steps + 1)
        yield Images(((pictures[:, 0].clamp(-1, 1) + 1) / 2).cpu().numpy())

    def solve(
        self,
        noise: Tensor,
        mask: Tensor,
        given: Sequence[dict[str, Any]],
        *,
        steps: int,
        sampler: str | None = None,
        guidance: float = 1.0,
        draws: Sequence[torch.Generator] | None = None,
    ) -> Iterator[Tensor]:
        """Yield the estimate of the clean latents after every step; the last one is the result.

        Parameters
        ----------
        noise : (n, latent, y / 4, x / 4) tensor
        mask : (n, 4, y, x) tensor
        given : n mappings
        draws : n torch generators, optional
            For the noise that "ddpm" adds.
        """
        objective = self.config.objective
        sampler = sampler or SAMPLERS[objective][0]
        network: Any = self.model.network  # either solver takes it for one of its own
        if objective == "flow":
            solver = SOLVERS[sampler]
            return solver(network, noise, mask, given, steps=steps, guidance=guidance)
        return denoise(
            network,
            noise,
            mask,
            given,
            sampler=sampler,
            steps=steps,
            guidance=guidance,
            draws=draws,
        )
