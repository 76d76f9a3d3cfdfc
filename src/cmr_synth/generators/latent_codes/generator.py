"""The trained latent model on codes behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.diffusion.sampler import own_draws
from cmr_synth.generators.factorised.generator import domain_asked
from cmr_synth.generators.factorised.network import DOWN
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.latent.generator import SAMPLERS, solve, steps_of
from cmr_synth.generators.latent_codes.network import (
    DOMAIN,
    LatentCodesConfig,
    LatentCodesModel,
    told_anatomy,
)
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.probing import Drawing

FAMILY = "latent-codes"


class LatentCodesGenerator(LoadedNetwork[LatentCodesModel, LatentCodesConfig]):
    """A latent flow or diffusion on the codes of a factorised VAE, on a device."""

    family = FAMILY
    config_kind = LatentCodesConfig
    network_kind = LatentCodesModel
    takes = frozenset(
        {
            *("mask", "vendor", "phase", "pathology", "cohort", "z", "reference"),
            *("steps", "guidance", "sampler"),
        }
    )
    probe = Drawing()

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `sampler` may have."""
        return SAMPLERS[self.config.objective]

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress after every step and after decoding, then the images.

        The anatomy's code is drawn under the mask; the domain's is drawn, of the vendor and the
        other words, or that of a reference as far as its strength says. Without a mask the anatomy
        is open, and without words and reference the domain.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, a reference is not on
            its grid, or there are more steps than it was trained with.
        """
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        codes, config = self.network.factorised, self.config.factorised
        rows, columns = (side // DOWN for side in self.shape)
        latents = int(np.prod(self.config.latent_shape))
        places = config.anatomy * rows * columns
        drawn = self.noise(how, (latents + places + config.domain,))
        noise = drawn[:, :latents].reshape(-1, *self.config.latent_shape)
        mean, log_variance = codes.prior_of_anatomy(mask, given)
        own = drawn[:, latents : latents + places].reshape(mean.shape)
        told, _ = told_anatomy(codes, mean + (0.5 * log_variance).exp() * own)
        told = told * mask.any(dim=1).any(dim=1).any(dim=1).view(-1, 1, 1, 1)  # open without one
        mean, log_variance = codes.prior_of_domain(given)
        drawn_domain = mean + (0.5 * log_variance).exp() * drawn[:, latents + places :]
        domain: list[Tensor | None] = []
        for condition, told_of, own_domain in zip(conditions, given, drawn_domain, strict=True):
            if condition.reference is not None and condition.reference_strength:
                look, _ = codes.domain(self.scaled(condition.reference[None]))
                domain.append(torch.lerp(own_domain, look[0], condition.reference_strength))
            else:
                domain.append(own_domain if any(v is not None for v in told_of.values()) else None)
        yield from self._made(noise, told, mask, domain, given, how)

    @torch.no_grad()
    def exchanged(
        self,
        pictures: NDArray[np.float32],
        *,
        looks: NDArray[np.float32] | None = None,
        vendor: str | None = None,
        seed: int = 0,
        steps: int | None = None,
    ) -> NDArray[np.float32]:
        """Real pictures drawn anew from their own anatomy, in the domain of others or of a vendor.

        Parameters
        ----------
        pictures : (n, rows, columns) float32 array in [0, 1]
        looks : (n, rows, columns) float32 array in [0, 1], optional
            Whose domain each takes.
        vendor : str, optional
            What is expected of whose domain they take, where no `looks` are given.

        Returns
        -------
        (n, rows, columns) float32 array in [0, 1]

        Raises
        ------
        InputError
            If both or neither are given, the vendor is unknown, or pictures are not on the grid.
        """
        codes = self.network.factorised
        domain = domain_asked(self, codes, len(pictures), looks=looks, vendor=vendor)
        told, shares = told_anatomy(codes, codes.encode(self.scaled(pictures))[0])
        given = mappings([Condition(vendor=vendor)] * len(pictures), self.config)
        how = Sampling(seed=seed, indices=tuple(range(len(pictures))), steps=steps)
        noise = self.noise(how, self.config.latent_shape)
        *_, images = self._made(noise, told, shares, domain, given, how)
        assert isinstance(images, Images)
        return images.pixels

    def _made(
        self,
        noise: Tensor,
        told: Tensor,
        mask: Tensor,
        domain: Iterable[Tensor | None],
        given: Sequence[dict[str, Any]],
        how: Sampling,
    ) -> Iterator[Progress | Images]:
        steps = steps_of(self.config, how)
        asked = [{**one, DOMAIN: code} for one, code in zip(given, domain, strict=True)]
        run = solve(
            self.network.network,
            noise,
            told,
            asked,
            steps=steps,
            sampler=how.sampler,
            guidance=1.0 if how.guidance is None else how.guidance,
            draws=[own_draws(how.seed, i) for i in how.indices],
        )
        latents = noise
        for step, latents in enumerate(run, start=1):  # noqa: B007
            yield Progress(step, steps + 1)
        pictures = self.network.autoencoder.decode(latents, mask)
        yield Progress(steps + 1, steps + 1)
        yield as_images(pictures)
