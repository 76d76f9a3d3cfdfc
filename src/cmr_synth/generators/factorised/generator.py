"""The trained factorised VAE behind the interface of all generators; one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
                own, _ = self.network.domain(self.scaled(condition.reference[None]))
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
        domain = domain_asked(self, self.network, len(pictures), looks=looks, vendor=vendor)
        anatomy, _ = self.network.encode(self.scaled(pictures))
        return as_images(self.network.decode(anatomy, domain)).pixels


def domain_asked(
    loaded: LoadedNetwork[Any, Any],
    codes: FactorisedNetwork,
    count: int,
    *,
    looks: NDArray[np.float32] | None,
    vendor: str | None,
) -> Tensor:
    """Codes (count, domain) of other pictures, or what is expected of a vendor's.

    Parameters
    ----------
    loaded : LoadedNetwork
        With the grid and the vocabulary.
    looks : (count, rows, columns) float32 array in [0, 1], optional
    vendor : str, optional

    Raises
    ------
    InputError
        If both or neither are given, the vendor is unknown, or looks are not on the grid.
    """
    if (looks is None) == (vendor is None):
        raise InputError("a domain is taken from other pictures or of a vendor; give one.")
    if looks is None:
        asked = mappings([Condition(vendor=vendor)] * count, loaded.config)
        return codes.prior_of_domain(asked)[0]
    if len(looks) != count:
        raise InputError(f"{len(looks)} looks for {count} pictures; give one each.")
    return codes.domain(loaded.scaled(looks))[0]
