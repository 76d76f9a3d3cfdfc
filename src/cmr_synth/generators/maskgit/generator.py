"""The trained model of masked tokens behind the interface of all generators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.look import Look
from cmr_synth.generators.maskgit.network import MaskgitConfig, MaskgitModel
from cmr_synth.generators.maskgit.sampler import fill_in, hidden_at_random, noise_shape
from cmr_synth.generators.probing import Drawing

FAMILY = "maskgit"
DEFAULT_STEPS = 12


class MaskgitGenerator(LoadedNetwork[MaskgitModel, MaskgitConfig]):
    """Masked tokens, or masked latents with a flow head, with trained weights on a device."""

    family = FAMILY
    config_kind = MaskgitConfig
    network_kind = MaskgitModel
    takes = frozenset(
        {
            *("mask", "vendor", "phase", "pathology", "cohort", "z", "phenotypes"),
            *("reference", "steps", "guidance"),
        }
    )
    probe = Drawing()

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress after every step and after decoding, then the images.

        A step fills in some positions; the last fills in all that are left. Of a reference grey
        levels and grain are taken over, on the decoded picture.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, or a reference is not
            on its grid.
        """
        n, latent = len(conditions), self.config.autoencoder.latent
        known = torch.zeros(n, latent, *self.config.places, device=self.device)
        hidden = torch.ones(n, 1, *self.config.places, device=self.device)
        yield from self._filled(conditions, how, known, hidden)

    @torch.no_grad()
    def complete(
        self,
        pictures: NDArray[np.float32],
        conditions: Sequence[Condition],
        share: float,
        *,
        seed: int,
        steps: int | None = None,
    ) -> NDArray[np.float32]:
        """Real pictures of which a share of the positions is hidden and filled in again.

        Parameters
        ----------
        pictures : (n, rows, columns) float32 array in [0, 1]
        conditions : n Conditions
            What the pictures show.
        share : float in [0, 1]
            Hidden, at random: at 0 pictures only go through the autoencoder, at 1 nothing of them
            is left.
        seed : int
        steps : int, optional

        Returns
        -------
        (n, rows, columns) float32 array in [0, 1]

        Raises
        ------
        InputError
            If the share is none, or the pictures are not on the model's grid.
        """
        if not 0 <= share <= 1:
            raise InputError(f"share {share:g} of the positions: give 0 to 1.")
        if pictures.shape[1:] != self.shape or len(pictures) != len(conditions):
            raise InputError(
                f"pictures of {pictures.shape}: the model completes {len(conditions)} of "
                f"{self.shape}; bring them to its grid."
            )
        how = Sampling(seed=seed, indices=tuple(range(len(pictures))), steps=steps)
        real = 2 * torch.from_numpy(pictures).float()[:, None].to(self.device) - 1
        autoencoder = self.network.autoencoder
        if self.config.head == "tokens":
            known = autoencoder.of_tokens(autoencoder.tokens(real))
        else:
            known = autoencoder.encode(real)
        which = self.noise(how, (2, *self.config.places))[:, 1:]
        hidden = hidden_at_random(which, share)
        *_, images = self._filled(conditions, how, known, hidden)
        assert isinstance(images, Images)
        return images.pixels

    def _filled(
        self,
        conditions: Sequence[Condition],
        how: Sampling,
        known: torch.Tensor,
        hidden: torch.Tensor,
    ) -> Iterator[Progress | Images]:
        steps = DEFAULT_STEPS if how.steps is None else how.steps
        if steps < 1:
            raise InputError(f"steps: {steps} given; give a whole number of 1 or more.")
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        look = Look(conditions, self.shape, self.device)
        run = fill_in(
            self.network,
            known,
            hidden,
            self.noise(how, noise_shape(self.network)),
            mask,
            given,
            steps=steps,
            guidance=1.0 if how.guidance is None else how.guidance,
        )
        latents = known
        for step, latents in enumerate(run, start=1):  # noqa: B007
            yield Progress(step, steps + 1)
        pictures = look(self.network.autoencoder.decode(latents, mask))
        yield Progress(steps + 1, steps + 1)
        yield as_images(pictures)
