"""The trained factorised VAE behind the interface of all generators; one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import mappings, mask_tensor
from cmr_synth.generators.factorised.network import FactorisedConfig, FactorisedNetwork
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.loaded import LoadedNetwork, as_images
from cmr_synth.generators.probing import Encoding

FAMILY = "factorised"


class FactorisedGenerator(LoadedNetwork[FactorisedNetwork, FactorisedConfig]):
    """A factorised VAE with trained weights on a device."""

    family = FAMILY
    config_kind = FactorisedConfig
    network_kind = FactorisedNetwork
    takes = frozenset({"mask", "vendor", "phase", "pathology", "cohort", "z", "reference"})

    @property
    def probe(self) -> Encoding:
        """What a membership attack may use; see `cmr_synth.generators.probing`."""
        return Encoding(encoder=self.network.domain, decoder=self.network.draw, config=self.config)

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress, then the images.

        A reference gives the code of its domain, as far as its strength says; without one the
        domain is drawn, of the vendor and the other words. `steps` is ignored: there is one pass.

        Raises
        ------
        InputError
            If a condition is not among those the model was trained with, or a reference is not on
            its grid.
        """
        given = mappings(conditions, self.config)
        mask = mask_tensor(conditions, self.config).to(self.device)
        rows, columns = self.shape
        width = self.config.domain
        drawn = self.noise(how, (width + rows * columns,))
        mean, log_variance = self.network.prior_of_domain(given)
        domain = mean + (0.5 * log_variance).exp() * drawn[:, :width]
        for i, condition in enumerate(conditions):
            if condition.reference is not None and condition.reference_strength:
                own, _ = self.network.domain(self._scaled(condition.reference[None]))
                domain[i] = torch.lerp(domain[i], own[0], condition.reference_strength)
        noise = drawn[:, width:].reshape(-1, 1, rows, columns)
        pictures = self.network.draw(domain, noise, mask, given)
        yield Progress(1, 1)
        yield as_images(pictures)

    @torch.no_grad()
    def exchanged(
        self,
        pictures: NDArray[np.float32],
        *,
        looks: NDArray[np.float32] | None = None,
        vendor: str | None = None,
    ) -> NDArray[np.float32]:
        """Real pictures with their own anatomy, in the domain of others or of a vendor.

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
        if (looks is None) == (vendor is None):
            raise InputError("a domain is taken from other pictures or of a vendor; give one.")
        anatomy, _ = self.network.encode(self._scaled(pictures))
        if looks is not None:
            if len(looks) != len(pictures):
                raise InputError(f"{len(looks)} looks for {len(pictures)} pictures; give one each.")
            domain, _ = self.network.domain(self._scaled(looks))
        else:
            asked = mappings([Condition(vendor=vendor)] * len(pictures), self.config)
            domain, _ = self.network.prior_of_domain(asked)
        return as_images(self.network.decode(anatomy, domain)).pixels

    def _scaled(self, pictures: NDArray[np.float32]) -> Tensor:
        if pictures.shape[1:] != self.shape:
            raise InputError(
                f"pictures of {pictures.shape[1:]}: the model works on {self.shape}; bring them to "
                "its grid."
            )
        scaled = torch.from_numpy(np.array(pictures, dtype=np.float32))[:, None]
        return 2 * scaled.to(self.device) - 1
