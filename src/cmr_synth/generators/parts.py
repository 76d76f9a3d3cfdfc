"""Further files of a model, listed with their hashes in the metadata of its weights.

The card states the hash of `weights.safetensors`, and that file those of all others: whatever is
exchanged shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from safetensors import SafetensorError, safe_open

from cmr_synth.errors import InputError
from cmr_synth.files import sha256, write_file

KEY = "parts"  # in the metadata
SUFFIXES = (".json", ".safetensors", ".txt")  # none of them can hold code


def parts_of(weights: Path) -> dict[str, str]:
    """Hashes of the further files of a model by their paths in its folder; mostly there are none.

    Raises
    ------
    InputError
        If a path leads out of the folder, or a file could hold code.
    """
    try:
        with safe_open(weights, framework="pt") as file:
            stated = (file.metadata() or {}).get(KEY, "{}")
        parts: dict[str, str] = {str(k): str(v) for k, v in json.loads(stated).items()}
    except (OSError, SafetensorError, ValueError, AttributeError):
        return {}  # whoever loads the weights says what is wrong with them
    for name in parts:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or re.search(r"[\\:]", name):
            raise InputError(
                f"{weights}: lists the path {name!r}, which leads out of the model's folder; do "
                "not trust this file."
            )
        if path.suffix not in SUFFIXES:
            raise InputError(
                f"{weights}: lists {name!r}, but a model has {', '.join(SUFFIXES)} files only; do "
                "not trust this file."
            )
    return parts


def require_parts(folder: Path) -> None:
    """Compare the further files of a model folder with their hashes.

    Raises
    ------
    InputError
        Naming the first that is missing or differs.
    """
    for name, wanted in parts_of(folder / "weights.safetensors").items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: no such file; get the model again.")
        found = sha256(path)
        if found != wanted:
            raise InputError(
                f"{path}: has SHA-256 {found[:16]}..., but the model's weights.safetensors lists "
                f"{wanted[:16]}...; the file is damaged or was exchanged. Get the model again."
            )


def write_parts(folder: Path, names: Iterable[str]) -> None:
    """Write a `weights.safetensors` that holds no weights and lists files of the folder."""
    parts = {name: sha256(folder / name) for name in sorted(names)}
    from safetensors.torch import save_file  # brings torch, which takes seconds

    with write_file(folder / "weights.safetensors") as path:
        save_file({}, path, metadata={KEY: json.dumps(parts)})
