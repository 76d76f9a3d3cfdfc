"""A scan in the looks of another scanner: its layout is kept, the rest is drawn by a model.

For networks that were trained on one vendor's scans and meet another's. What comes out is a real
patient's picture that was altered, and is marked so: it is no synthetic picture of nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Images, Progress
from cmr_synth.generators.noise import COHERENCE
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.placing import Part, place_mask, scan_on_grid
from cmr_synth.synthesis.record import ALTERED, model_facts, versions, write_sidecar
from cmr_synth.synthesis.request import Request

KEEP_MM = 1.5


@dataclass(frozen=True)
class Adapted:
    """A scan in other looks.

    Parameters
    ----------
    scan : Scan
        float32 in [0, 1] on the grid of the scan; 0 where the model's grid does not reach and on
        slices without a heart.
    record : dict
        How it was made.
    """

    scan: Scan
    record: dict[str, Any]


def adapt(
    scan: Scan,
    mask: Scan,
    model: Model,
    request: Request,
    *,
    keep_mm: float = KEEP_MM,
    follow: bool = True,
) -> Iterator[Progress | Adapted]:
    """Draw a scan anew in the looks that a request asks for, its layout kept.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) real pixels, in any unit.
    mask : Scan
        Engine labels on its grid: where the heart is.
    model : Model
    request : Request
        Vendor, steps and seed count.
    keep_mm : float
        Structures coarser than this are kept: the standard deviation of a Gaussian, mm. Smaller
        keeps more of the scan, and of its looks.
    follow : bool
        Whether the mask is drawn, too. Not where a network found it: its mistakes would be painted.

    Yields
    ------
    Progress, then one Adapted

    Raises
    ------
    InputError
        If mask and scan are of different sizes, the mask shows no heart, the model keeps no
        layout or does not know what is asked for.
    """
    if scan.shape != mask.shape:
        raise InputError(
            f"{mask.name}: is of {mask.shape} voxels, {scan.name} of {scan.shape}; give the mask "
            "of this scan."
        )
    if not 0 < keep_mm < 100:
        raise InputError(f"keep {keep_mm:g} mm: give a positive number, such as {KEEP_MM:g}.")
    card = model.card
    request.check(card)
    if "layout" not in model.generator.takes:
        raise InputError(
            f"model {card.name!r}: keeps the layout of no picture; choose one of the family 'flow'."
        )
    grid = WorkingGrid(shape=card.grid.shape, spacing=card.grid.spacing_mm)
    part = Part.of(mask, slices=None, frames=None)
    placed = place_mask(mask, grid, part, z=None, convention=None, mirror=request.mirror)
    layouts = scan_on_grid(scan, mask, placed)
    made: list[NDArray[np.float32]] = []
    count = len(placed.drawn)
    for first in range(0, count, request.batch):
        jobs = range(first, min(first + request.batch, count))
        asked, noise = [], []
        for job in jobs:
            frame, k = placed.drawn[job]
            plain = request.condition(
                placed.labels[job] if follow else None,
                z=placed.position(k),
                takes=model.generator.takes,
                card=card,
            )
            asked.append(replace(plain, layout=layouts[job], layout_pixels=keep_mm / grid.spacing))
            noise.append(COHERENCE.index(0, mm=k * mask.spacing[0], frame=frame))
        for step in request.sample(model, asked, indices=noise):
            if isinstance(step, Images):
                made.extend(step.pixels)
            else:
                yield Progress(len(made) * step.steps + len(jobs) * step.step, count * step.steps)
    adapted = scan.with_array(placed.on_mask_grid(np.stack(made)).array)
    digest = hashlib.sha256(np.ascontiguousarray(scan.array).tobytes()).hexdigest()
    yield Adapted(
        adapted,
        {
            "synthetic": False,
            "altered": True,
            "what": "a real patient's scan, drawn anew in other looks with its layout kept",
            "scan": {"name": scan.name, "pixels_sha256": digest},
            "keep_mm": keep_mm,
            "mask_followed": follow,
            "model": model_facts(card),
            **request.record(card, None),
            "seed": request.seed,
            **request.made_on(model.generator),
            "covered": placed.covered(),
            "findings": list(placed.findings),
            "versions": versions(),
        },
    )


def write_adapted(
    adapted: Adapted, folder: Path, stem: str, *, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write `STEM.nii.gz` and its sidecar; return what that says.

    Parameters
    ----------
    adapted : Adapted
    folder : Path
        Must exist.
    stem : str
    facts : mapping
        Further ones for the record, such as where the mask is from.
    """
    path = folder / f"{stem}.nii.gz"
    about = f"{ALTERED} image of a real patient, in other looks, cmr-synth {cmr_synth.__version__}"
    write_nifti(adapted.scan, path, description=about)
    return write_sidecar(folder / f"{stem}.json", path, {**adapted.record, **facts})
