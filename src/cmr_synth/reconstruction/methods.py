"""Ways to reconstruct, by name: the classical ones, and models that were trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.device import require as require_device
from cmr_synth.networks.folder import read_config, with_weights
from cmr_synth.reconstruction.acquisition import Acquired
from cmr_synth.reconstruction.classical import compressed_sensing, zero_filled
from cmr_synth.reconstruction.network import ReconstructionConfig, ReconstructionNetwork
from cmr_synth.synthesis.record import model_facts

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
    """A classical method by its name, or a trained model by its name in the zoo or its folder.

    Parameters
    ----------
    name : str
    device : str, optional
        Of a model; by default the processor, because not every GPU knows complex numbers.

    Raises
    ------
    InputError
        If there is none, the model does something else or is not that of its card, or the device
        is not there.
    """
    if name in CLASSICAL:
        return Method(name, CLASSICAL[name], {"method": name, "learned": False})
    if not Path(name).expanduser().is_dir() and name not in {e.name for e in zoo.entries()}:
        raise InputError(
            f"{name}: no way to reconstruct; known are {', '.join(CLASSICAL)} and models that "
            "`cmr-synth train reccgan` made, by folder or by name in the zoo."
        )
    if device is not None:
        require_device(device)
    entry = zoo.find(name)
    card = zoo.verify(entry)
    method = load_reconstructor(entry.folder, device=device)
    return replace(method, name=card.name, facts={**method.facts, "model": model_facts(card)})


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
        "sha256": sha256(folder / "weights.safetensors"),
        "trained_for": {
            "accelerations": list(config.accelerations),
            "sampling": list(config.patterns),
            "coils": config.coils,
        },
    }
    return Method(folder.resolve().name, run, facts, device)
