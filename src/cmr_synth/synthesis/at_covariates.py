"""A patient's scan as it might look at another age or body mass index.

A trained network (`cmr_synth.generators.covariate_gan`) draws what changes, and that is added to
the scan. What comes out is a real patient's picture that was altered, and is marked so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.labels import is_heart
from cmr_synth.cohorts.covariates import COVARIATES
from cmr_synth.errors import InputError
from cmr_synth.generators.covariate_gan.changer import CovariateChanger
from cmr_synth.generators.covariate_gan.ranges import beyond_training, require_values
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.normalise import around_heart, heart_window
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.adapting import Adapted
from cmr_synth.synthesis.placing import Part, place_mask
from cmr_synth.synthesis.record import ALTERED, versions, write_sidecar

FEW = 1000
"""Training patients, below which a change with age or body mass index is not to be believed."""


def at_covariates(
    scan: Scan,
    mask: Scan,
    changer: CovariateChanger,
    *,
    now: Mapping[str, float],
    wanted: Mapping[str, float],
) -> Adapted:
    """Change a scan to other covariates.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) real pixels, in any unit.
    mask : Scan
        Engine labels on its grid: where the heart is. It is not drawn.
    now, wanted : mapping
        The person's covariates and those asked for, such as ``{"bmi": 32.0}``.

    Returns
    -------
    Adapted
        The scan, float32 in [0, 1]; slices without a heart, and what lies beyond the model's grid,
        as they were.

    Raises
    ------
    InputError
        If mask and scan are of different sizes, the mask shows no heart, or a covariate is none
        that the model changes, nobody's, or not known of the person.
    """
    if not wanted:
        raise InputError("covariates: none is asked for; give one, such as bmi=32.")
    ranges = changer.config.covariates
    require_values(now, ranges, whose="now")
    require_values(wanted, ranges, whose="asked for")
    if lacking := [one for one in ranges if one.name not in now]:
        first = lacking[0]
        raise InputError(
            f"{scan.name}: what the person's {COVARIATES[first.name].title} is now is not known; "
            f"say it, such as {first.name}={first.mean:.0f}."
        )
    if scan.shape != mask.shape:
        raise InputError(
            f"{mask.name}: is of {mask.shape} voxels, {scan.name} of {scan.shape}; give the mask "
            "of this scan."
        )
    grid = WorkingGrid(shape=changer.config.shape, spacing=changer.config.spacing_mm)
    part = Part.of(mask, slices=None, frames=None)
    placed = place_mask(mask, grid, part, z=None, convention=None)
    rows, columns = scan.spacing[1:]
    window = heart_window(is_heart(mask.array), (rows, columns))
    frames = scan.array if scan.is_cine else scan.array[None]
    shown = np.clip(np.stack([around_heart(frame, window) for frame in frames]), 0, 1)
    stored = np.stack([shown[t, k] for t, k in placed.drawn])
    pictures = np.clip(placed.placed.image_to_grid(stored), 0, 1).astype(np.float32)
    change = placed.on_mask_grid(changer.change(pictures, now, wanted)).array
    unchanged = shown if scan.is_cine else shown[0]
    made = np.clip(np.add(unchanged, change), 0, 1).astype(np.float32)
    return Adapted(
        scan.with_array(made),
        {
            "synthetic": False,
            "altered": True,
            "what": "a real patient's scan, changed to other covariates by a network",
            "scan": {"name": scan.name, "pixels_sha256": _hash(scan.array)},
            "model": {
                "family": "covariate-gan",
                "sha256": changer.hash,
                "covariates": [one.model_dump() for one in ranges],
            },
            "covariates": {"now": dict(now), "asked": {**now, **wanted}},
            "changed": {
                "mean_absolute": float(np.abs(change).mean()),
                "slices": sorted({k for _, k in placed.drawn}),
            },
            "covered": placed.covered(),
            "notes": remarks_on(changer, now=now, wanted=wanted),
            "device": str(changer.device),
            "versions": versions(),
        },
    )


def remarks_on(
    changer: CovariateChanger, *, now: Mapping[str, float], wanted: Mapping[str, float]
) -> list[str]:
    """What is to be said of a change, a line each: how far it lies beyond the training, how few."""
    ranges = changer.config.covariates
    lines = list(
        dict.fromkeys([*beyond_training(now, ranges), *beyond_training({**now, **wanted}, ranges)])
    )
    few = min(ranges, key=lambda one: one.patients)
    if few.patients < FEW:
        lines.append(
            f"trained on {few.patients} patients with a {COVARIATES[few.name].title}: too few to "
            "tell what it changes from how these patients differ otherwise; not for conclusions."
        )
    return lines


def write_at_covariates(
    altered: Adapted, folder: Path, stem: str, *, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write `STEM.nii.gz`, marked as altered, and its sidecar; return what that says.

    Parameters
    ----------
    folder : Path
        Must exist.
    facts : mapping
        Further ones for the record, such as where the mask is from.
    """
    path = folder / f"{stem}.nii.gz"
    about = (
        f"{ALTERED} image of a real patient, other covariates, cmr-synth {cmr_synth.__version__}"
    )
    write_nifti(altered.scan, path, description=about)
    return write_sidecar(folder / f"{stem}.json", path, {**altered.record, **facts})


def _hash(pixels: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
