"""A trained network with its identity: what a model folder becomes, apart from what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch
from pydantic import BaseModel
from torch import nn

from cmr_synth.files import sha256
from cmr_synth.networks.folder import read_config, with_weights

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=BaseModel)
ATrained = TypeVar("ATrained", bound="Trained[Any, Any]")


class Trained(Generic[Network, Config]):
    """A network with trained weights on a device; a subclass states its family and its kinds.

    Parameters
    ----------
    network : nn.Module
        With its configuration as `config`.
    hash : str
        SHA-256 of the weights, for records.
    """

    family: ClassVar[str]
    config_kind: ClassVar[type[BaseModel]]
    network_kind: ClassVar[Any]  # called with a configuration, makes the network

    def __init__(self, network: Network, *, hash: str, device: str = "cpu"):
        self.network = network.eval().to(device)
        self.config = cast(Config, network.config)
        self.hash = hash
        self.device = torch.device(device)

    @classmethod
    def load(cls: type[ATrained], folder: Path, *, device: str = "cpu") -> ATrained:
        """Read `config.json` and `weights.safetensors` of a model folder.

        Raises
        ------
        InputError
            If one is missing, damaged, or of another family.
        """
        folder = Path(folder)
        network = cls.network_kind(read_config(folder, cls.config_kind, family=cls.family))
        loaded = with_weights(network, folder, device=device)
        return cls(loaded, hash=sha256(folder / "weights.safetensors"), device=device)
