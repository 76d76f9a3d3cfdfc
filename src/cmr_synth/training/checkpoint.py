"""Checkpoints without pickles: tensors as safetensors, everything else as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.files import write_folder
from cmr_synth.generators.weights import set_state, state_of

TENSORS, STATE = "state.safetensors", "state.json"


def save_checkpoint(
    folder: Path,
    *,
    networks: dict[str, nn.Module],
    averages: dict[str, dict[str, Tensor]],
    optimizers: dict[str, torch.optim.Optimizer],
    state: dict[str, Any],
) -> None:
    """Write networks, their moving averages and the optimizers; replaces an older checkpoint."""
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        tensors |= {f"network/{name}/{k}": v for k, v in state_of(network).items()}
        tensors |= {f"average/{name}/{k}": v for k, v in averages.get(name, {}).items()}
        for i, moments in optimizers[name].state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{i}/{k}": torch.as_tensor(v) for k, v in moments.items()}
    with write_folder(folder) as temporary:
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, temporary / TENSORS)
        (temporary / STATE).write_text(json.dumps(state, indent=2) + "\n")


def load_checkpoint(
    folder: Path,
    *,
    networks: dict[str, nn.Module],
    averages: dict[str, dict[str, Tensor]],
    optimizers: dict[str, torch.optim.Optimizer],
) -> dict[str, Any]:
    """Restore what `save_checkpoint` wrote, in place; returns the JSON state.

    Raises
    ------
    InputError
        If the checkpoint cannot be read or belongs to another network.
    """
    try:
        tensors = load_file(folder / TENSORS)
        state = json.loads((folder / STATE).read_text())
        for name, network in networks.items():
            set_state(network, _below(tensors, f"network/{name}/"))
            for key, value in _below(tensors, f"average/{name}/").items():
                averages[name][key].copy_(value)
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizer/{name}/").items():
                index, _, moment = key.partition("/")
                moments.setdefault(int(index), {})[moment] = value
            groups = optimizers[name].state_dict()["param_groups"]
            optimizers[name].load_state_dict({"state": moments, "param_groups": groups})
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{folder}: this checkpoint cannot be resumed ({reason}); start again without "
            "--resume, or with the recipe it was made by."
        ) from error
    return state


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
