"""The numbers of a shape model on disk: one safetensors file, verified by its card's hash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from cmr_synth.anatomy.shapes import layout
from cmr_synth.anatomy.shapes.card import WEIGHTS, ShapeCard
from cmr_synth.anatomy.shapes.statistics import FUNCTION, Statistics
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, write_file


def write_statistics(statistics: Statistics, folder: Path) -> str:
    """Write the numbers in single precision, and return the hash of the file."""
    from safetensors.numpy import save_file

    path = Path(folder) / WEIGHTS
    arrays = {
        name: np.ascontiguousarray(getattr(statistics, name), dtype=np.float32)
        for name in Statistics.arrays()
    }
    with write_file(path) as temporary:
        save_file(arrays, temporary)
    return sha256(path)


def read_statistics(folder: Path, card: ShapeCard) -> Statistics:
    """Read the numbers that a card describes.

    Raises
    ------
    InputError
        If the file is missing or damaged, or is not the card's.
    """
    from safetensors.numpy import load_file

    path = Path(folder) / WEIGHTS
    try:
        if sha256(path) != card.sha256:
            raise InputError(f"{path}: is not the file that its card describes; get both again.")
        arrays = load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; get the shape model again.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    functions, groups = len(FUNCTION), len(card.pathologies)
    shapes = {
        "means": (groups, layout.SIZE),
        "modes": (card.modes, layout.SIZE),
        "on_function": (card.modes, functions),
        "spread": (card.modes, card.modes),
        "function_means": (groups, functions),
        "function_deviations": (groups, functions),
        "function_correlation": (functions, functions),
    }
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise InputError(
                f"{path}: {name!r} is not {' x '.join(map(str, shape))} numbers; the file is of "
                "another version of the shape model."
            )
    numbers: dict[str, NDArray[np.float64]] = {k: arrays[k].astype(np.float64) for k in shapes}
    return Statistics(pathologies=card.pathologies, **numbers)
