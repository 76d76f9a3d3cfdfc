"""The trained latent diffusion of volumes: whole volumes with masks, or slices of them.

Behind the interface of all generators it gives slices, one of each volume, so that whatever judges
slices can judge it. `sample_volumes` gives the volumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, is_heart
from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings
from cmr_synth.generators.diffusion.sampler import denoise, own_draws
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.loaded import LoadedNetwork
from cmr_synth.generators.noise import Index, numbers_of
from cmr_synth.generators.probing import Drawing, Probe
from cmr_synth.generators.volumes.network import LatentVolumeConfig, LatentVolumeModel

FAMILY = "latent-volume"
SAMPLERS = ("dpm-solver++", "ddim", "ddpm")
DEFAULT_STEPS = 15
_WITHIN = {"z": "z", "t": "phase"}
"""By axis, the condition that names a slice of a volume and not the volume."""


@dataclass(frozen=True, eq=False)
class Volumes:
    """The result: pixels (n, d, y, x), float32 in [0, 1], and their engine labels (n, d, y, x)."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint8]


class LatentVolumeGenerator(LoadedNetwork[LatentVolumeModel, LatentVolumeConfig]):
    """A latent diffusion of volumes with trained weights on a device."""

    family = FAMILY
    config_kind = LatentVolumeConfig
    network_kind = LatentVolumeModel
    takes = frozenset(
        {"vendor", "phase", "pathology", "cohort", "z", "steps", "guidance", "sampler"}
    )
    probe: Probe = Drawing()

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `sampler` may have."""
        return SAMPLERS

    @property
    def axis(self) -> str:
        """What its volumes are along: "z" of stacks, "t" of a slice over a heartbeat."""
        return self.config.autoencoder.axis

    @torch.no_grad()
    def sample_volumes(
        self,
        conditions: Sequence[Condition],
        *,
        seed: int,
        indices: Sequence[Index] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
    ) -> Iterator[Progress | Volumes]:
        """Yield progress, then a volume for each condition.

        Volume i depends on its condition, `seed` and its index alone. Parameters are those of
        `cmr_synth.generators.interface.Generator.sample`.

        Raises
        ------
        InputError
            As `sample`, and if a level of a stack or a phase of a cine is asked for: a volume has
            all of them.
        """
        within = _WITHIN[self.axis]
        if any(getattr(condition, within) is not None for condition in conditions):
            whole = "stacks, of all levels" if self.axis == "z" else "beats, of all phases"
            raise InputError(f"{within}: this model makes whole {whole}; leave it out.")
        numbers = tuple(range(len(conditions)) if indices is None else indices)
        how = Sampling(seed=seed, indices=numbers, steps=steps, guidance=guidance, sampler=sampler)
        self.require(conditions, how)
        yield from self._volumes(conditions, how)

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress, then a slice of each volume.

        Of a stack it is the slice nearest to the level `z`, of a cine the frame with the `phase`
        asked for; where that is open the index decides.
        """
        for step in self._volumes(conditions, how):
            if isinstance(step, Progress):
                yield step
                continue
            at = [
                self._place(labels, condition, [how.seed, *numbers_of(index)])
                for labels, condition, index in zip(
                    step.labels, conditions, how.indices, strict=True
                )
            ]
            yield Images(step.pixels[np.arange(len(at)), at])

    def _volumes(
        self, conditions: Sequence[Condition], how: Sampling
    ) -> Iterator[Progress | Volumes]:
        # what is not known is refused; of what is, the volume's own is used
        given = [{**one, _WITHIN[self.axis]: None} for one in mappings(conditions, self.config)]
        network: Any = self.network.network  # the samplers take it for one of slices
        noise = self.noise(how, self.config.autoencoder.latent_shape)
        steps = DEFAULT_STEPS if how.steps is None else how.steps
        run = denoise(
            network,
            noise,
            noise.new_zeros(len(noise), 1),  # no mask
            given,
            sampler=how.sampler or SAMPLERS[0],
            steps=steps,
            guidance=1.0 if how.guidance is None else how.guidance,
            draws=[own_draws(how.seed, i) for i in how.indices],
        )
        latents = None
        for step, latents in enumerate(run, start=1):  # noqa: B007
            yield Progress(step, steps + 1)
        assert latents is not None  # there is a step at least
        pictures, scores = self.network.autoencoder.decode(latents)
        yield Progress(steps + 1, steps + 1)
        pixels = ((pictures[:, 0].clamp(-1, 1) + 1) / 2).cpu().numpy()
        yield Volumes(pixels, scores.argmax(dim=1).cpu().numpy().astype(np.uint8))

    def _place(self, labels: NDArray[np.uint8], condition: Condition, own: list[int]) -> int:
        """Which slice of a volume (d, y, x) shows what was asked for."""
        chance = float(np.random.default_rng(own).random())
        if self.axis == "z":
            levels = np.flatnonzero(is_heart(labels).any(axis=(1, 2)))
            levels = levels if levels.size else np.arange(len(labels))
            z = chance if condition.z is None else condition.z
            return int(levels[round(z * (len(levels) - 1))])
        if condition.phase == "ED":
            return 0
        if condition.phase == "ES":
            return int((labels == LV).sum(axis=(1, 2)).argmin())
        return int(chance * len(labels))
