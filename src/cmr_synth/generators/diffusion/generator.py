"""The trained diffusion behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.diffusion.guide import guides, later_starts
from cmr_synth.generators.diffusion.network import DiffusionConfig, DiffusionNetwork
from cmr_synth.generators.diffusion.sampler import (
    DEFAULT,
    DEFAULT_STEPS,
    denoise,
    noised,
    own_draws,
)
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.look import Look
from cmr_synth.generators.probing import Denoising

FAMILY = "diffusion"


class DiffusionGenerator(LoadedNetwork[DiffusionNetwork, DiffusionConfig]):
    """A diffusion with trained weights on a device."""

    family = FAMILY
    in_bf16 = True
    config_kind = DiffusionConfig
    network_kind = DiffusionNetwork
    takes = frozenset(
        {
            *("mask", "vendor", "phase", "pathology", "cohort", "z", "reference"),
            *("steps", "guidance", "sampler"),
        }
    )

    @property
    def probe(self) -> Denoising:
        """What a membership attack may use; see `cmr_synth.generators.probing`."""
        return Denoising(network=self.network, config=self.config, straight=False)

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `sampler` may have."""
        return tuple(DEFAULT_STEPS)

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress after every step, then the images.

        Samplers are "dpm-solver++" (by default 15
        steps), "ddim" (50) and "ddpm" (250).

        The look of a reference is taken over by a second start, from a picture with partial noise;
        see `cmr_synth.generators.diffusion.guide`.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, a reference is not on
            its grid, or there are more steps than it was trained with.
        """
        sampler = how.sampler or DEFAULT
        steps = DEFAULT_STEPS[sampler] if how.steps is None else how.steps
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        noise = self.noise(how, (1, *self.shape))
        look = Look(conditions, self.shape, self.device)
        later = later_starts(conditions, look, steps)
        total = steps + sum(steps - start for start in later)
        done = 0

        def run(rows: list[int], noisy: Tensor, start: int) -> Iterator[Tensor]:
            return denoise(
                self.network,
                noisy,
                mask[rows],
                [given[i] for i in rows],
                sampler=sampler,
                steps=steps,
                start=start,
                guidance=1.0 if how.guidance is None else how.guidance,
                draws=[own_draws(how.seed, how.indices[i]) for i in rows],
            )

        pictures = noise
        for estimate in run(list(range(len(conditions))), noise, 0):
            pictures, done = estimate, done + 1
            yield Progress(done, total)
        guided = guides(pictures, look)
        pictures = pictures.clone()
        for start, rows in later.items():  # one start for a whole batch, so by groups
            pictures[rows] = guided[rows]
            if start == steps:
                continue
            noisy = noised(self.network, guided[rows], noise[rows], steps=steps, start=start)
            for estimate in run(rows, noisy, start):
                pictures[rows], done = estimate, done + 1
                yield Progress(done, total)
        yield as_images(pictures)
