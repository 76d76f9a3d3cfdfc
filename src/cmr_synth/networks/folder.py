"""Configuration and weights in a model folder, as every built-in family keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.networks.weights import load_weights, save_weights, set_state

Config = TypeVar("Config", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Module)
HALF = "weights-fp16.safetensors"


def read_config(folder: Path, kind: type[Config], *, family: str) -> Config:
    """The network's settings in `config.json`.

    Raises
    ------
    InputError
        If the file is missing or damaged, or belongs to another family.
    """
    path = Path(folder) / "config.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about.get("family", family) != family:
            raise InputError(
                f"{path}: is of the family {about['family']!r}, not {family!r}; choose a model of "
                f"{family!r}."
            )
        return kind(**about["config"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: not a configuration of {family!r} ({reason}); get the model again."
        ) from error


def with_weights(network: Network, folder: Path, *, device: str | torch.device) -> Network:
    """A network ready for inference: weights of the folder, on the device, channels last.

    Raises
    ------
    InputError
        If the weights are missing, damaged, or of another network.
    """
    set_state(network, load_weights(Path(folder) / "weights.safetensors"))
    return channels_last(network.eval().to(device))


def channels_last(network: Network) -> Network:
    """Lay weights out as convolutions of pictures are fastest; those of volumes stay."""
    if all(parameter.dim() < 5 for parameter in network.parameters()):
        # torch's annotations do not know this overload
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def save_model(
    folder: Path,
    *,
    family: str,
    config: BaseModel,
    weights: dict[str, Tensor],
    recipe: BaseModel,
    images_seen: int,
    minutes: float,
    bits: int = 8,
) -> None:
    """Write `weights.safetensors` and `config.json`; see `write_model`."""
    about: dict[str, Any] = {
        "family": family,
        "config": config.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
        "images_seen": images_seen,
        "minutes": round(minutes, 1),
    }
    write_model(folder, about, weights, bits=bits)


def write_model(
    folder: Path, about: Mapping[str, Any], weights: dict[str, Tensor], *, bits: int
) -> None:
    """Write weights and what `config.json` says of them; with 8 bits, a file of 16 bits too.

    The half-precision file is for a later stage to start from, and to see what 8 bits cost.
    """
    if bits == 8:
        save_weights(folder / HALF, weights, bits=16)
    save_weights(folder / "weights.safetensors", weights, bits=bits)
    with write_file(folder / "config.json") as path:
        path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
