"""A mask file of end-diastole becomes a cine of masks, for 4D synthesis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.beating import Frame, Plan, beat, function_between
from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.orientation import apply, undo
from cmr_synth.imaging.scan import Scan, require_same_grid
from cmr_synth.synthesis.dialled import Upright
from cmr_synth.synthesis.record import ALTERED, labels_hash, versions, write_sidecar

LOWEST_RATE, HIGHEST_RATE = 30.0, 200.0


@dataclass(frozen=True, eq=False)
class Beating:
    """A mask that beats.

    Parameters
    ----------
    mask : Scan
        (t, z, y, x) engine labels; the first frame is end-diastole.
    frames : tuple of Frame
        In the canonical display.
    record : dict
        For the sidecar.
    """

    mask: Scan
    frames: tuple[Frame, ...]
    record: dict[str, Any]


def plan_like(ed: Upright, es: Scan, plan: Plan) -> Plan:
    """A plan with the ejection fractions between two masks of a heart.

    Raises
    ------
    InputError
        If they lie on different grids, or the LV is larger at ES.
    """
    require_same_grid(ed.mask, es)
    (heart,) = (ed.hearts[t] for t in sorted(ed.hearts)[:1])
    still: NDArray[np.uint8] = (es.array[0] if es.is_cine else es.array).astype(np.uint8)
    ef, rv_ef = function_between(heart, apply(ed.orientation, still))
    return replace(plan, ef=ef, rv_ef=rv_ef)


def beat_mask(
    upright: Upright, plan: Plan, *, heart_rate: float = 60.0
) -> Iterator[Progress | Beating]:
    """Let a mask beat.

    Parameters
    ----------
    upright : Upright
        A mask at end-diastole; of a cine, its first frame with a heart.
    plan : Plan
    heart_rate : float
        Beats a minute, which sets the time between frames.

    Yields
    ------
    Progress, then Beating

    Raises
    ------
    InputError
        If the rate is none, or as `beat`.
    """
    if not LOWEST_RATE <= heart_rate <= HIGHEST_RATE:
        raise InputError(
            f"heart rate {heart_rate:g}; give {LOWEST_RATE:g} to {HIGHEST_RATE:g} beats a minute."
        )
    source = upright.mask
    heart = upright.hearts[min(upright.hearts)]
    frames: list[Frame] = []
    for frame in beat(heart, plan):
        frames.append(frame)
        yield Progress(len(frames), plan.frames)
    array = np.stack([undo(upright.orientation, frame.labels) for frame in frames])
    mask = replace(source, array=array, origin=None, frame_ms=60_000 / heart_rate / plan.frames)
    yield Beating(mask, tuple(frames), _record(upright, plan, heart_rate, frames))


def write_beating(beating: Beating, folder: Path, stem: str) -> dict[str, Any]:
    """Write `STEM_beat_mask.nii.gz`, numbered as in M&Ms, with scar as myocardium, and its sidecar.

    Parameters
    ----------
    beating : Beating
    folder : Path
        Must exist.
    stem : str
        Of the mask at ED.

    Returns
    -------
    dict
        What the sidecar says.
    """
    path = folder / f"{stem}_beat_mask.nii.gz"
    labels = scar_as_myocardium(beating.mask.array.astype(np.uint8, copy=False))
    about = f"{ALTERED} heart, made to beat by cmr-synth {cmr_synth.__version__}"
    write_nifti(beating.mask.with_array(labels), path, description=about)
    return write_sidecar(folder / f"{stem}_beat_mask.json", path, beating.record)


def _record(upright: Upright, plan: Plan, heart_rate: float, frames: list[Frame]) -> dict[str, Any]:
    volumes = {
        part: [round(frame.volumes_ml[part], 2) for frame in frames] for part in ("LV", "RV")
    }
    mass = [round(DENSITY_G_PER_ML * frame.volumes_ml["MYO"], 2) for frame in frames]
    lv = volumes["LV"]
    return {
        "altered": True,
        "synthetic": False,
        "labels": "mnms",
        "mask": {"name": upright.mask.name, "labels_sha256": labels_hash(upright.mask)},
        "beat": asdict(plan) | {"heart_rate": heart_rate},
        "ed_frame": int(np.argmax(lv)),
        "es_frame": int(np.argmin(lv)),
        "volumes_ml": volumes,
        "lv_mass_g": mass,
        "measured": {
            "lv_ef": round(1 - min(lv) / max(lv), 4),
            "rv_ef": round(1 - min(volumes["RV"]) / max(volumes["RV"]), 4)
            if max(volumes["RV"])
            else None,
            "mass_within": round(max(abs(m / mass[0] - 1) for m in mass), 4),
        },
        "orientation": upright.orientation.reason,
        "notes": list(upright.mask.notes),
        "versions": versions(),
    }
