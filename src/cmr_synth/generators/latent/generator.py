"""The trained latent model behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.diffusion.sampler import denoise, own_draws
from cmr_synth.generators.flow.sampler import SOLVERS
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.latent.network import (
    TRAIN_STEPS,
    LatentConfig,
    LatentModel,
    LatentNetwork,
)
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.look import Look
from cmr_synth.generators.probing import Denoising, Probe

FAMILY = "latent"
SAMPLERS = {"flow": ("euler", "heun"), "diffusion": ("dpm-solver++", "ddim", "ddpm")}
"""By objective; the first is used where none is named."""
DEFAULT_STEPS = {"flow": 8, "diffusion": 15}


class LatentGenerator(LoadedNetwork[LatentModel, LatentConfig]):
    """A latent flow or diffusion with trained weights on a device."""

    family = FAMILY
    in_bf16 = True
    config_kind = LatentConfig
    network_kind = LatentModel
    takes = frozenset(
        {
            *("mask", "vendor", "phase", "pathology", "cohort", "contrast", "z", "reference"),
            *("steps", "guidance", "sampler"),
        }
    )

    @property
    def model(self) -> LatentModel:
        """Network and autoencoder."""
        return self.network

    @property
    def probe(self) -> Probe:
        """What a membership attack may use; see `cmr_synth.generators.probing`."""
        return Denoising(
            network=self.model.network,
            config=self.config,
            straight=self.config.objective == "flow",
            autoencoder=self.model.autoencoder,
        )

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `sampler` may have."""
        return SAMPLERS[self.config.objective]

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress after every step and after decoding, then the images.

        Samplers are "euler" and "heun" of a latent
        flow, "dpm-solver++", "ddim" and "ddpm" of a latent diffusion. Of a reference grey levels
        and grain are taken over, on the decoded picture.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, a reference is not on
            its grid, or there are more steps than it was trained with.
        """
        steps = steps_of(self.config, how)
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        look = Look(conditions, self.shape, self.device)
        run = self.solve(
            self.noise(how, self.config.latent_shape),
            mask,
            given,
            steps=steps,
            sampler=how.sampler,
            guidance=1.0 if how.guidance is None else how.guidance,
            draws=[own_draws(how.seed, i) for i in how.indices],
        )
        latents = None
        for step, latents in enumerate(run, start=1):  # noqa: B007
            yield Progress(step, steps + 1)
        assert latents is not None  # there is a step at least
        pictures = look(self.model.autoencoder.decode(latents, mask))
        yield Progress(steps + 1, steps + 1)
        yield as_images(pictures)

    def solve(
        self, noise: Tensor, mask: Tensor, given: Sequence[dict[str, Any]], **how: Any
    ) -> Iterator[Tensor]:
        """Yield estimates of its network; see `solve`."""
        return solve(self.model.network, noise, mask, given, **how)


def steps_of(config: LatentConfig, how: Sampling) -> int:
    """Steps asked for, or those by default.

    Raises
    ------
    InputError
        If there are none, or more than a model is trained with.
    """
    steps = DEFAULT_STEPS[config.objective] if how.steps is None else how.steps
    if not 1 <= steps <= TRAIN_STEPS:
        raise InputError(f"steps: {steps} given; give a whole number from 1 to {TRAIN_STEPS}.")
    return steps


def solve(
    latent: LatentNetwork,
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
    latent : LatentNetwork
        Its configuration says whether it is a flow or a diffusion.
    noise : (n, latent, y / 4, x / 4) tensor
    mask : tensor
        What the network takes beside the latents.
    given : n mappings
    draws : n torch generators, optional
        For the noise that "ddpm" adds.
    """
    objective = latent.config.objective
    sampler = sampler or SAMPLERS[objective][0]
    network: Any = latent  # either solver takes it for one of its own
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
