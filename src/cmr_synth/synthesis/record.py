"""What travels with every synthetic image: a mark in the header and a JSON sidecar."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.files import sha256, write_file
from cmr_synth.generators.identity import identity_of
from cmr_synth.imaging.scan import Scan

if TYPE_CHECKING:
    from cmr_synth.generators.card import Card

MARK = "SYNTHETIC"  # first word of the description of every synthetic file
ALTERED = "ALTERED"  # the same of a real patient's picture that was changed


@dataclass(frozen=True)
class Synthetic:
    """One synthetic scan on the mask's grid, and everything known about how it was made.

    Parameters
    ----------
    scan : Scan
        float32 in [0, 1]; 0 where the model's grid does not reach, on skipped slices and on those
        that were not asked for.
    record : dict
        For the JSON sidecar; `Request.from_record` tells from it what to ask for again.
    as_made : dict of (frame, slice) to (y, x) float32 array
        Slices on the working grid, before they were resampled to the mask's, which takes grain
        away; empty for pictures without a mask.
    """

    scan: Scan
    record: dict[str, Any]
    as_made: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """Versions of what decides the pixels."""
    found = {"cmr_synth": cmr_synth.__version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "torch", "diffusers", "nibabel"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def model_facts(card: Card) -> dict[str, str]:
    """Which model it was: the hash of its weights, and that of all of it."""
    return {
        "name": card.name,
        "family": card.family,
        "version": card.version,
        "sha256": card.sha256,
        "identity": identity_of(card),
        "licence": card.licence,
        "contrast": card.conditions.contrast,
    }


def made_now(seed: int, variant: int) -> dict[str, Any]:
    """What differs between the variants of a request."""
    return {
        "seed": seed,
        "variant": variant,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def labels_hash(mask: Scan) -> str:
    """SHA-256 of the engine labels and their shape, whatever file they came in."""
    digest = hashlib.sha256(repr(mask.shape).encode())
    digest.update(np.ascontiguousarray(mask.array, dtype=np.uint8).tobytes())
    return digest.hexdigest()


def description(record: dict[str, Any]) -> str:
    """The NIfTI description: marked as synthetic first, then where it comes from."""
    model = record["model"]
    return (
        f"{MARK} cmr-synth {cmr_synth.__version__} {model['name']} {model['sha256'][:8]} "
        f"seed {record['seed']} variant {record['variant']}"
    )


def sidecar_of(image: Path) -> Path:
    """Where the record of a NIfTI file lies: beside it, as `NAME.json`."""
    return image.with_name(re.sub(r"\.nii(\.gz)?$", "", image.name, flags=re.IGNORECASE) + ".json")


def write_sidecar(
    path: Path, image: Path, record: Mapping[str, Any], *, folder: Path | None = None
) -> dict[str, Any]:
    """Write the record of a synthetic image beside it.

    Parameters
    ----------
    path : Path
        Of the sidecar.
    image : Path
        The file that it is about.
    record : mapping
        How the image was made.
    folder : Path, optional
        That the name of the file is counted from; by default the one that it lies in.

    Returns
    -------
    dict
        What the sidecar says: name and hash of the image file, and the record.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    name = image.relative_to(folder or image.parent).as_posix()
    stated = {"file": name, "sha256": sha256(image), **record}
    with write_file(path) as temporary:
        temporary.write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    return stated
