"""What the judges share: a model folder becomes a network ready to look at pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.networks.weights import load_weights, set_state

Network = TypeVar("Network", bound=nn.Module)
AJudge = TypeVar("AJudge", bound="Judge[Any]")

_WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def bundled(name: str) -> Path:
    """The folder of a judge that comes with the package."""
    return _WEIGHTS / name


class Judge(Generic[Network]):
    """A trained network with its identity; a subclass states what it is and what it looks for.

    Parameters
    ----------
    network : nn.Module
        With trained weights.
    hash : str
        SHA-256 of the weights, printed beside every figure that is made with them.
    device : str
        Where it computes.
    """

    title: ClassVar[str]  # in messages
    folder: ClassVar[Path]  # the bundled one
    config_kind: ClassVar[type[BaseModel]]
    network_kind: ClassVar[type[nn.Module]]  # made of such a configuration

    def __init__(self, network: Network, *, hash: str, device: str = "cpu"):
        self.network = network.eval().to(device)
        self.hash = hash
        self.device = torch.device(device)

    @classmethod
    def load(cls: type[AJudge], folder: Path | None = None, *, device: str = "cpu") -> AJudge:
        """Read a model folder; without one, the bundled judge.

        Raises
        ------
        InputError
            If a file is missing or damaged.
        """
        folder = Path(folder) if folder is not None else cls.folder
        try:
            about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            config = cls.config_kind(**about["config"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{folder}: no readable {cls.title} ({reason}); it needs config.json and "
                "weights.safetensors."
            ) from error
        network = cls.network_kind(config)
        set_state(network, load_weights(folder / "weights.safetensors"))
        return cls(network, hash=sha256(folder / "weights.safetensors"), device=device)

    def blocks(self, images: NDArray[np.floating], size: int) -> Iterator[Tensor]:
        """Pictures (n, y, x) as float tensors (k, 1, y, x) on the device, `size` at a time."""
        for first in range(0, len(images), size):
            block = torch.from_numpy(np.array(images[first : first + size], np.float32))
            yield block[:, None].to(self.device)
