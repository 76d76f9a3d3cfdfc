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
from cmr_synth.generators.weights import copy_state, set_state, state_of
from cmr_synth.training.recipe import Recipe

TENSORS, STATE = "state.safetensors", "state.json"
MAY_CHANGE = ("images", "checkpoint_minutes", "sample_minutes")
"""Fields of a recipe that a resumed training may have otherwise."""


def save_checkpoint(
    folder: Path,
    *,
    networks: dict[str, nn.Module],
    averages: dict[str, dict[str, Tensor]],
    optimizers: dict[str, torch.optim.Optimizer],
    state: dict[str, Any],
) -> None:
    """Write networks, their moving averages and the optimizers; replaces an older checkpoint.

    Raises
    ------
    InputError
        If a number is NaN or infinite, or the folder cannot be written; an older checkpoint
        stays then.
    """
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        tensors |= {f"network/{name}/{k}": v for k, v in state_of(network).items()}
        tensors |= {f"average/{name}/{k}": v for k, v in averages.get(name, {}).items()}
        for i, moments in optimizers[name].state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{i}/{k}": torch.as_tensor(v) for k, v in moments.items()}
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise InputError(
                f"{folder}: not written, {key!r} holds NaN or infinite numbers; train with a "
                "lower learning rate."
            )
    about = {**state, "tensors": len(tensors)}
    with write_folder(folder, replaces=STATE) as temporary:
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, temporary / TENSORS)
        (temporary / STATE).write_text(json.dumps(about, indent=2) + "\n")


def load_checkpoint(
    folder: Path,
    *,
    networks: dict[str, nn.Module],
    averages: dict[str, dict[str, Tensor]],
    optimizers: dict[str, torch.optim.Optimizer],
    recipe: Recipe | None = None,
) -> dict[str, Any]:
    """Restore what `save_checkpoint` wrote, in place; returns the JSON state.

    Parameters
    ----------
    recipe : Recipe, optional
        To go on with. Where the state tells the recipe that it was made by, the two may
        differ in `MAY_CHANGE` only.

    Raises
    ------
    InputError
        If the checkpoint cannot be read, or belongs to another network or recipe.
    """
    try:
        state = _read_state(folder / STATE)
        if recipe is not None and "recipe" in state:
            _require_same(state["recipe"], recipe)
        tensors = load_file(folder / TENSORS)
        if state.pop("tensors", len(tensors)) != len(tensors):
            raise ValueError(f"{TENSORS} is not the one that {STATE} was written with")
        for name, network in networks.items():
            set_state(network, _below(tensors, f"network/{name}/"))
            copy_state(averages[name], _below(tensors, f"average/{name}/"))
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizer/{name}/").items():
                index, _, moment = key.partition("/")
                moments.setdefault(int(index), {})[moment] = value
            if state["images_seen"] and not moments:
                raise ValueError(f"the optimizer's moments of {name!r} are missing")
            if len({frozenset(kept) for kept in moments.values()}) > 1:
                raise ValueError(f"some of the optimizer's moments of {name!r} are missing")
            groups = optimizers[name].state_dict()["param_groups"]
            optimizers[name].load_state_dict({"state": moments, "param_groups": groups})
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise InputError(
            f"{folder}: this checkpoint cannot be resumed ({reason}); start again without "
            "--resume, or with the recipe it was made by."
        ) from error
    return state


def _read_state(path: Path) -> dict[str, Any]:
    state = json.loads(path.read_text())
    if not isinstance(state, dict) or not {"images_seen", "minutes"} <= state.keys():
        raise ValueError(f"{STATE} does not tell images_seen and minutes")
    state["images_seen"], state["minutes"] = int(state["images_seen"]), float(state["minutes"])
    return state


def _require_same(earlier: dict[str, Any], recipe: Recipe) -> None:
    for field, now in recipe.model_dump(mode="json").items():
        before = earlier.get(field, now)
        if field not in MAY_CHANGE and before != now:
            raise ValueError(f"field {field!r} of the recipe was {before!r} and is {now!r} now")


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
