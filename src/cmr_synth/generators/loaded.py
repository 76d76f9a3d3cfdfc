"""A trained network behind the interface: what every family does the same around its sampling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Images, Progress, Sampling
from cmr_synth.generators.noise import Index, noise_for
from cmr_synth.generators.refusals import refuse_guidance, refuse_sampler, refuse_untaken
from cmr_synth.generators.transfer import Transfer, read_transfer
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.networks.folder import channels_last, read_config, with_weights

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=Vocabulary)
ALoaded = TypeVar("ALoaded", bound="LoadedNetwork[Any, Any]")


class Family:
    """What asks a family for pictures: whatever it does not take is refused here, once for all.

    A subclass states its `family` and what it `takes`, lists its samplers if it has some, and
    makes the pictures.
    """

    family: ClassVar[str]
    takes: ClassVar[frozenset[str]]
    in_bf16: ClassVar[bool] = False  # whether pictures were seen to stay the same in it
    transfer: Transfer | None = None

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `sampler` may have."""
        return ()

    @torch.no_grad()
    def sample(
        self,
        conditions: Sequence[Condition],
        *,
        seed: int,
        indices: Sequence[Index] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
    ) -> Iterator[Progress | Images]:
        """Yield progress, then the images; see `cmr_synth.generators.interface.Generator`.

        Raises
        ------
        InputError
            If something is asked for that the family does not take, or a condition or option is
            none that the model knows.
        """
        numbers = tuple(range(len(conditions)) if indices is None else indices)
        how = Sampling(seed=seed, indices=numbers, steps=steps, guidance=guidance, sampler=sampler)
        self.require(conditions, how)
        for event in self.make(conditions, how):
            if isinstance(event, Images) and self.transfer is not None:
                event = Images(self.transfer(event.pixels, conditions))
            yield event

    def require(self, conditions: Sequence[Condition], how: Sampling) -> None:
        """Refuse what the family does not take.

        Raises
        ------
        InputError
            Naming it.
        """
        refuse_sampler(self.family, how.sampler, self.samplers)
        if "guidance" not in self.takes:
            refuse_guidance(self.family, how.guidance)
        refuse_untaken(self.family, self.takes, conditions)

    def make(self, conditions: Sequence[Condition], how: Sampling) -> Iterator[Progress | Images]:
        """Yield progress, then the images, of what the family takes; without gradients."""
        raise TypeError(f"{type(self).__name__} does not say how it makes pictures")


class LoadedNetwork(Family, Generic[Network, Config]):
    """A network with trained weights on a device.

    A subclass states its configuration and what makes a network of one, too; `probe` is its own,
    see `cmr_synth.generators.interface.Generator`.

    Parameters
    ----------
    network : nn.Module
        With trained weights, and its configuration as `config`.
    transfer : Transfer, optional
        Of a model that was calibrated: its pictures go through it.
    """

    config_kind: ClassVar[type[Vocabulary]]
    network_kind: ClassVar[Any]  # called with a configuration, makes the network

    def __init__(self, network: Network, *, device: str = "cpu", transfer: Transfer | None = None):
        self.transfer = transfer
        self.device = torch.device(device)
        self.network = channels_last(network.eval().to(self.device))
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
        network = with_weights(cls.network_kind(config), folder, device=device)
        return cls(network, device=device, transfer=read_transfer(folder))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the working grid."""
        return self.config.shape

    def noise(self, how: Sampling, shape: tuple[int, ...]) -> Tensor:
        """(n, *shape): standard normal noise of each image, from the seed and its index alone."""
        own = np.stack([noise_for(how.seed, i, shape) for i in how.indices])
        return torch.from_numpy(own).to(self.device)

    def scaled(self, pictures: NDArray[np.float32]) -> Tensor:
        """(n, 1, y, x) on the scale [-1, 1], of pictures (n, y, x) in [0, 1] on the working grid.

        Raises
        ------
        InputError
            If they are on another grid.
        """
        if pictures.shape[1:] != self.shape:
            raise InputError(
                f"pictures of {pictures.shape[1:]}: the model works on {self.shape}; bring them to "
                "its grid."
            )
        whole = torch.from_numpy(np.array(pictures, dtype=np.float32))[:, None]
        return 2 * whole.to(self.device) - 1


def as_images(pictures: Tensor) -> Images:
    """The result, from pictures (n, 1, y, x) on the scale [-1, 1]."""
    return Images(((pictures[:, 0].clamp(-1, 1) + 1) / 2).cpu().numpy())
