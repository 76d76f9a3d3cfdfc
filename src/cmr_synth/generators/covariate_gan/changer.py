"""The trained network: pictures of people at another covariate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.generators.covariate_gan.network import (
    FAMILY,
    CovariateGanConfig,
    CovariateGanNetwork,
)
from cmr_synth.generators.covariate_gan.ranges import require_values
from cmr_synth.networks.trained import Trained


class CovariateChanger(Trained[CovariateGanNetwork, CovariateGanConfig]):
    """A covariate GAN with trained weights on a device."""

    family = FAMILY
    config_kind = CovariateGanConfig
    network_kind = CovariateGanNetwork

    @torch.no_grad()
    def change(
        self,
        pictures: NDArray[np.float32],
        before: Mapping[str, float] | Sequence[Mapping[str, float]],
        after: Mapping[str, float] | Sequence[Mapping[str, float]],
        *,
        batch: int = 16,
    ) -> NDArray[np.float32]:
        """What is to be added to pictures.

        Parameters
        ----------
        pictures : (n, y, x) array in [0, 1]
            On the model's grid.
        before, after : mapping, or n of them
            The people's covariates, and those that are asked for; what the second does not name
            stays.

        Returns
        -------
        (n, y, x) float32 array
            In [-1, 1]; pictures and it together are in [0, 1].

        Raises
        ------
        InputError
            If a covariate is none that the model changes, or nobody has so much of it.
        """
        was, wanted = (
            [one] * len(pictures) if isinstance(one, Mapping) else list(one)
            for one in (before, after)
        )
        for own, asked in zip(was, wanted, strict=True):
            require_values(own, self.config.covariates, whose="now")
            require_values(asked, self.config.covariates, whose="asked for")
        found = [np.zeros((0, *pictures.shape[1:]), np.float32)]
        for first in range(0, len(pictures), batch):
            chosen = slice(first, first + batch)
            some = torch.from_numpy(np.asarray(pictures[chosen], np.float32))[:, None]
            told = [{**o, **a} for o, a in zip(was[chosen], wanted[chosen], strict=True)]
            made = self.network(2 * some.to(self.device) - 1, was[chosen], told)
            changed = ((made.clamp(-1, 1) + 1) / 2).cpu()
            found.append((changed - some)[:, 0].numpy())
        return np.concatenate(found)
