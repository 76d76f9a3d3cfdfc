"""Checkpoints without pickles: tensors as safetensors, everything else as JSON."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.files import write_file, write_folder
from cmr_synth.networks.weights import copy_state, set_state, state_of
from cmr_synth.training.average import Average
from cmr_synth.training.recipe import Recipe

TENSORS, STATE = "state.safetensors", "state.json"
MAY_CHANGE = ("images", "checkpoint_minutes", "sample_minutes")
"""Fields of a recipe that a resumed training may have otherwise."""


def save_checkpoint(
    folder: Path,
    *,
    networks: dict[str, nn.Module],
    averages: Mapping[str, Average],
    optimizers: dict[str, torch.optim.Optimizer],
    state: dict[str, Any],
    keep: bool = False,
) -> None:
    """Write networks, their moving averages and the optimizers; replaces an older checkpoint.

    Parameters
    ----------
    averages : mapping of str to Average
        By the names that their tensors have.
    keep : bool
        Put the older checkpoint aside, where `restore_previous` finds it, until
        `forget_previous`: weights may be finite and ruined all the same, as the next steps show.

    Raises
    ------
    InputError
        If a number is NaN or infinite, or the folder cannot be written; an older checkpoint
        stays then. Where the disk is full it says how much is needed and free.
    """
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        tensors |= {f"network/{name}/{k}": v for k, v in state_of(network).items()}
        for kind, average in averages.items():
            tensors |= {f"{kind}/{name}/{k}": v for k, v in average.states[name].items()}
        for i, moments in optimizers[name].state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{i}/{k}": torch.as_tensor(v) for k, v in moments.items()}
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise InputError(
                f"{folder}: not written, {key!r} holds NaN or infinite numbers; train with a "
                "lower learning rate."
            )
    about = {**state, "tensors": len(tensors)}
    needed = sum(value.nbytes for value in tensors.values())
    try:
        with write_folder(folder, replaces=STATE) as temporary:
            save_file({k: v.detach().contiguous() for k, v in tensors.items()}, temporary / TENSORS)
            (temporary / STATE).write_text(json.dumps(about, indent=2) + "\n")
            _keep_to_owner(temporary / STATE, about)
            if keep and folder.exists():
                forget_previous(folder)
                folder.rename(_previous(folder))
    except InputError as error:
        if not folder.exists():
            restore_previous(folder)
        if _is_full(error.__cause__):
            raise InputError(_full(folder, needed)) from error
        raise


def restore_previous(folder: Path) -> None:
    """Put back the checkpoint that was put aside, if one was."""
    if _previous(folder).is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(FileNotFoundError):  # another process was faster
            _previous(folder).rename(folder)


def forget_previous(folder: Path) -> None:
    """Remove the checkpoint that was put aside, if one was."""
    shutil.rmtree(_previous(folder), ignore_errors=True)


def mark_diverged(folder: Path) -> int | None:
    """Note that the training failed after this checkpoint, so that its rate may be lowered.

    Returns
    -------
    int or None
        Images seen by the checkpoint; None if there is none.
    """
    try:
        state = _read_state(folder / STATE)
    except (OSError, ValueError, TypeError):
        return None
    with write_file(folder / STATE) as temporary:
        temporary.write_text(json.dumps({**state, "diverged": True}, indent=2) + "\n")
    _keep_to_owner(folder / STATE, state)
    return int(state["images_seen"])


def load_checkpoint(
    folder: Path,
    *,
    networks: dict[str, nn.Module],
    averages: Mapping[str, Average],
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
        if not folder.exists():
            restore_previous(folder)  # cut short while a newer one took its place
        state = _read_state(folder / STATE)
        diverged = bool(state.pop("diverged", False))
        if recipe is not None and "recipe" in state:
            _require_same(state["recipe"], recipe, diverged=diverged)
        tensors = load_file(folder / TENSORS)
        if state.pop("tensors", len(tensors)) != len(tensors):
            raise ValueError(f"{TENSORS} is not the one that {STATE} was written with")
        for name, network in networks.items():
            set_state(network, _below(tensors, f"network/{name}/"))
            for kind, average in averages.items():
                copy_state(average.states[name], _below(tensors, f"{kind}/{name}/"))
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


def _require_same(earlier: dict[str, Any], recipe: Recipe, *, diverged: bool) -> None:
    family = earlier.get("family", recipe.family)
    if family != recipe.family:
        raise ValueError(f"it is of the family {family!r} and the recipe is of {recipe.family!r}")
    for field, now in recipe.model_dump(mode="json").items():
        before = earlier.get(field, now)
        if field in MAY_CHANGE or before == now:
            continue
        if field == "learning_rate" and diverged and now < before:
            continue
        raise ValueError(f"field {field!r} of the recipe was {before!r} and is {now!r} now")


def _keep_to_owner(path: Path, state: dict[str, Any]) -> None:
    """Let nobody else read the secret that a private training draws from."""
    if "privacy" in state:
        path.chmod(0o600)


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}-previous")


def _is_full(error: BaseException | None) -> bool:
    """Whether a write failed for lack of room; safetensors tells it in words only."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    said = str(error).lower()
    return isinstance(error, SafetensorError) and any(
        words in said for words in ("no space left", "quota", "too large")
    )


def _full(folder: Path, needed: int) -> str:
    mib = 2**20
    free = shutil.disk_usage(folder.parent).free
    there = ""
    if (folder / STATE).is_file():
        there = f" The earlier checkpoint there, of {_read_state(folder / STATE)['images_seen']} "
        there += "images seen, is kept."
    return (
        f"{folder}: cannot be written, there is no room: a checkpoint needs {needed / mib:.1f} MiB "
        f"and {free / mib:.1f} MiB are free (or files may not be so large); make room and continue "
        f"with --resume.{there}"
    )


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
