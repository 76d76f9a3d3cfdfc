"""Ways to reconstruct, by name: the classical ones, and models that were trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.networks.folder import read_config, with_weights
from cmr_synth.reconstruction.acquisition import Acquired
from cmr_synth.reconstruction.classical import compressed_sensing, zero_filled
from cmr_synth.reconstruction.network import ReconstructionConfig, ReconstructionNetwork

FAMILY = "reccgan"
CLASSICAL: dict[str, Callable[[Acquired], Tensor]] = {
    "zero-filled": zero_filled,
    "compressed-sensing": compressed_sensing,
}


@dataclass(frozen=True, eq=False)
class Method:
    """A way to reconstruct.

    Parameters
    ----------
    name : str
    run : callable
        `Acquired` to complex pictures (n, y, x).
    facts : dict
        For records: which model it is, and whether it has learned.
    device : str
        Where it computes.
    """

    name: str
    run: Callable[[Acquired], Tensor]
    facts: dict[str, Any]
    device: str = "cpu"


def open_method(name: str, *, device: str | None = None) -> Method:
    """A classical method by its name, or a trained model by its folder.

    Raises
    ------
    InputError
        If there is none, or the model does something else.
    """
    if name in CLASSICAL:
        return Method(name, CLASSICAL[name], {"method": name, "learned": False})
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"{name}: no way to reconstruct; known are {', '.join(CLASSICAL)} and folders of "
            "models, such as `cmr-synth train reccgan` writes."
        )
    return load_reconstructor(folder, device=device)


def load_reconstructor(folder: Path, *, device: str | None = None) -> Method:
    """Read a model folder.

    Raises
    ------
    InputError
        If a file is missing, damaged, or of another family.
    """
    device = device or "cpu"
    config = read_config(folder, ReconstructionConfig, family=FAMILY)
    network = with_weights(ReconstructionNetwork(config), folder, device=device)

    @torch.no_grad()
    def run(acquired: Acquired) -> Tensor:
        pictures: Tensor = network(acquired)
        return pictures

    facts = {
        "method": FAMILY,
        "learned": True,
        "folder": folder.name,
        "sha256": sha256(folder / "weights.safetensors"),
        "trained_for": {
            "accelerations": list(config.accelerations),
            "sampling": list(config.patterns),
            "coils": config.coils,
        },
    }
    return Method(folder.resolve().name, run, facts, device)
