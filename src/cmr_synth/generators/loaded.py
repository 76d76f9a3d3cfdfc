"""A trained network behind the interface: what every family does the same around its sampling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from cmr_synth.generators.interface import Images, noise_for
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.networks.folder import read_config, with_weights

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=Vocabulary)
ALoaded = TypeVar("ALoaded", bound="LoadedNetwork[Any, Any]")


class LoadedNetwork(Generic[Network, Config]):
    """A network with trained weights on a device.

    A subclass states its family, its configuration and what makes a network of one; `takes`,
    `probe` and `sample` are its own, see `cmr_synth.generators.interface.Generator`.

    Parameters
    ----------
    network : nn.Module
        With trained weights, and its configuration as `config`.
    """

    family: ClassVar[str]
    config_kind: ClassVar[type[Vocabulary]]
    network_kind: ClassVar[Any]  # called with a configuration, makes the network

    def __init__(self, network: Network, *, device: str = "cpu"):
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        # faster convolutions; torch's annotations do not know this overload
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.config = cast(Config, network.config)

    @classmethod
    def load(cls: type[ALoaded], folder: Path, *, device: str | None = None) -> ALoaded:
        """Read `config.json` and `weights.safetensors` of a model folder.

        Raises
        ------
        InputError
            If one is missing, damaged, or does not fit the other.
        """
        config = read_config(folder, cls.config_kind, family=cls.family)
        device = device or "cpu"
        return cls(with_weights(cls.network_kind(config), folder, device=device), device=device)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.config.shape

    def noise(self, seed: int, indices: Sequence[int], shape: tuple[int, ...]) -> Tensor:
        """(n, *shape): standard normal noise of each image, from the seed and its index alone."""
        own = np.stack([noise_for(seed, i, shape) for i in indices])
        return torch.from_numpy(own).to(self.device)


def as_images(pictures: Tensor) -> Images:
    """The result, from pictures (n, 1, y, x) on the scale [-1, 1]."""
    return Images(((pictures[:, 0].clamp(-1, 1) + 1) / 2).cpu().numpy())
