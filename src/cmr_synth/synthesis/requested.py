"""A requested function on mask files: orientation, body surface, both phases and their record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.anatomy.requested import TITLES, Function, Reached, reach
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, write_file
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.orientation import undo
from cmr_synth.synthesis.dialled import Upright
from cmr_synth.synthesis.record import ALTERED, labels_hash, versions
from cmr_synth.text_files import read_text


def body_of(mask: Path) -> dict[str, float]:
    """Height in cm and weight in kg from ACDC's `Info.cfg` beside a mask, where there is one."""
    try:
        lines = read_text(mask.parent / "Info.cfg").splitlines()
    except InputError:
        return {}
    found = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in ("height", "weight") and re.fullmatch(
            r"\d+(\.\d+)?", value.strip()
        ):
            found[name.strip().lower()] = float(value)
    return found


def reach_in(upright: Upright, wanted: Function) -> Reached:
    """Find the heart with a function, from the first frame of a mask that shows one."""
    return reach(upright.hearts[min(upright.hearts)], wanted)


def write_reached(
    reached: Reached,
    upright: Upright,
    folder: Path,
    stem: str,
    *,
    surface_m2: float | None = None,
) -> dict[str, Any]:
    """Write `STEM_requested_ED_mask.nii.gz`, that of ES where there is one, and their record.

    Parameters
    ----------
    reached : Reached
        In the canonical display.
    upright : Upright
        The mask that it was made of.
    folder : Path
        Must exist.
    stem : str
        Of that mask.
    surface_m2 : float, optional
        Body surface; volumes and mass are recorded per m2, too.

    Returns
    -------
    dict
        What `STEM_requested.json` says.
    """
    files: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for phase, labels in (("ED", reached.ed), ("ES", reached.es)):
        if labels is None:
            continue
        path = folder / f"{stem}_requested_{phase}_mask.nii.gz"
        stored: NDArray[np.uint8] = undo(upright.orientation, scar_as_myocardium(labels))
        about = f"{ALTERED} heart of a requested function by cmr-synth {cmr_synth.__version__}"
        mask = upright.mask.with_array(stored[None] if upright.mask.is_cine else stored)
        write_nifti(mask.frame(0), path, description=about)
        files[phase], hashes[phase] = path.name, sha256(path)
    record = {
        "files": files,
        "sha256": hashes,
        "altered": True,
        "synthetic": False,
        "labels": "mnms",
        "mask": {
            "name": upright.mask.name,
            "labels_sha256": labels_hash(upright.mask),
        },
        **reached.record(),
        "orientation": upright.orientation.reason,
        "notes": list(upright.mask.notes),
        "versions": versions(),
    }
    if surface_m2:
        record["body_surface_m2"] = round(surface_m2, 3)
        record["indexed"] = {
            name: round(value / surface_m2, 2)
            for name, value in reached.measured.items()
            if TITLES[name][1] in ("mL", "g")
        }
    with write_file(folder / f"{stem}_requested.json") as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record
