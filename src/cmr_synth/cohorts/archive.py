"""Reading NumPy archives without trusting them: no pickles, every failure in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError


def open_npz(path: Path) -> dict[str, NDArray]:
    """Read all arrays of an .npz archive into memory.

    Raises
    ------
    InputError
        If the file is missing, truncated, not an archive, or holds Python objects.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the folder that holds {path.name}.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{path}: not a readable NumPy archive ({error}); download it again."
        ) from error
