"""From a mask on the user's grid to synthetic scans on the same grid.

The mask is turned to the canonical orientation, the model's grid is centred on the heart, one
image is made for every slice that shows any of it, and the result goes back the same way. All
slices of a stack share one placement, so that the synthetic stack is aligned.

Image number i = variant * slices + slice decides the noise, whatever else is made beside it. The
frames of a cine share the numbers of their slices: between them only what the mask moves, moves.
A part of a stack or cine, asked for alone, is the same as in the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED, is_heart
from cmr_synth.anatomy.plausibility import Finding, stack_findings
from cmr_synth.anatomy.plausibility import findings as slice_findings
from cmr_synth.cohorts.examination import slice_position
from cmr_synth.errors import InputError
from cmr_synth.generators.card import Card
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.grid import Placement, WorkingGrid, place
from cmr_synth.imaging.orientation import (
    Orientation,
    apply,
    apply_to_spacing,
    in_plane_orientation,
    undo,
)
from cmr_synth.imaging.scan import Scan, require_foreground
from cmr_synth.synthesis.record import model_facts, versions
from cmr_synth.synthesis.reference import Reference

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Synthetic:
    """One synthetic scan on the mask's grid, and everything known about how it was made.

    Parameters
    ----------
    scan : Scan
        float32 in [0, 1]; 0 where the model's grid does not reach, on skipped slices and on those
        that were not asked for.
    record : dict
        For the JSON sidecar; see `cmr_synth.synthesis.record`.
    as_made : dict of (frame, slice) to (y, x) float32 array
        Slices on the working grid, before they were resampled to the mask's, which takes grain
        away; empty for pictures without a mask.
    """

    scan: Scan
    record: dict[str, Any]
    as_made: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)


def synthesize(
    mask: Scan,
    model: Model,
    *,
    vendor: str | None = None,
    phase: str | None = None,
    pathology: str | None = None,
    z: float | None = None,
    n: int = 1,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    prompt: str | None = None,
    reference: Reference | None = None,
    reference_strength: float = 0.5,
    batch: int = 8,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
    convention: str | None = None,
) -> Iterator[Progress | Synthetic]:
    """Make synthetic images that follow a mask.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels; 255 leaves a pixel open.
    model : Model
        From `zoo.load`.
    vendor, phase, pathology : str, optional
        Among those on the model's card; None leaves them open.
    z : float, optional
        Slice position, 0 at the base and 1 at the apex, of a mask with one labelled slice. In a
        stack the positions follow from the labelled areas; a single slice is left open.
    n : int
        Variants: different images of the same mask and conditions.
    seed : int
        Variant k of a seed is the same whatever `n`.
    steps, guidance : optional
        By default those on the model's card.
    sampler : str, optional
        Among those of the model's family.
    prompt : str, optional
        For models that read text.
    reference : Reference, optional
        A real picture on the model's grid whose look is taken over.
    reference_strength : float in [0, 1]
        How much of it.
    batch : int
        Images made at once; changes speed and memory, not the images.
    slices, frames : sequence of int, optional
        Which to make, counted from 0; None makes all. Position, placement and noise are those
        that they have in the whole mask.
    convention : str, optional
        Cohort whose in-plane orientation holds where the affine has lost the direction.

    Returns
    -------
    iterator
        Yields progress over all variants, and each variant as soon as it is complete.

    Raises
    ------
    InputError
        Before anything is made: if the mask is empty where it is asked for, holds other labels,
        or is larger than the model's grid, or if a condition is none that the model knows.
    """
    card = model.card
    conditions: dict[str, Any] = {"vendor": vendor, "phase": phase, "pathology": pathology}
    check_conditions(card, **conditions)
    check_numbers(n=n, seed=seed, batch=batch, reference_strength=reference_strength)
    steps = card.default_steps if steps is None else steps
    guidance = card.default_guidance if guidance is None else guidance
    if steps is not None and steps < 1:
        raise InputError(f"steps: {steps} given; give a whole number of 1 or more.")
    grid = WorkingGrid(shape=card.grid.shape, spacing=card.grid.spacing_mm)
    part = _Part.of(mask, slices=slices, frames=frames)
    placed = _place(mask, grid, part, z=z, convention=convention)
    record = _record(mask, placed, part, card) | conditions | {"steps": steps, "guidance": guidance}
    record |= {"sampler": sampler, "prompt": prompt, "reference": None}
    if reference is not None:
        record["reference"] = reference.record(reference_strength)
        conditions |= {
            "reference": reference.pixels,
            "reference_strength": reference_strength,
        }
    conditions["prompt"] = prompt
    record["device"] = str(model.generator.device)
    return _run(mask, model, placed, record, conditions=conditions, n=n, seed=seed, batch=batch)


def check_conditions(
    card: Card,
    *,
    vendor: str | None = None,
    phase: str | None = None,
    pathology: str | None = None,
) -> None:
    """Compare conditions with the card, before any weights are loaded.

    Raises
    ------
    InputError
        Naming what the model knows.
    """
    for what, given, known in (
        ("vendor", vendor, card.conditions.vendors),
        ("phase", phase, card.conditions.phases),
        ("pathology", pathology, card.conditions.pathologies),
    ):
        if given is not None and given not in known:
            raise InputError(
                f"{what} {given!r}: model {card.name!r} was trained with "
                f"{', '.join(known) or 'none'}; choose one of them or leave it unspecified."
            )


def check_numbers(*, n: int, seed: int, batch: int, reference_strength: float) -> None:
    """Refuse numbers outside their range.

    Raises
    ------
    InputError
        Giving the range.
    """
    if n < 1:
        raise InputError(f"n: {n} given; ask for 1 image of each mask or more.")
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed: {seed} given; give a whole number from 0 to {MAX_SEED}.")
    if batch < 1:
        raise InputError(f"batch: {batch} given; give a whole number of 1 or more.")
    if not 0 <= reference_strength <= 1:
        raise InputError(
            f"reference strength: {reference_strength:g} given; give 0 (none) to 1 (all of it)."
        )


@dataclass(frozen=True)
class _Part:
    """Frames and slices that were asked for, in order; `whole` if nobody asked for less."""

    frames: tuple[int, ...]
    slices: tuple[int, ...]
    whole: bool

    @classmethod
    def of(cls, mask: Scan, *, slices: Sequence[int] | None, frames: Sequence[int] | None) -> _Part:
        chosen = []
        for what, asked, there in (
            ("frame", frames, mask.n_frames),
            ("slice", slices, mask.n_slices),
        ):
            numbers = range(there) if asked is None else sorted({int(number) for number in asked})
            for number in numbers:
                if not 0 <= number < there:
                    raise InputError(
                        f"{mask.name}: has no {what} {number}; choose 0 to {there - 1}."
                    )
            chosen.append(tuple(numbers))
        return cls(chosen[0], chosen[1], whole=slices is None and frames is None)

    def __str__(self) -> str:
        slices, frames = (", ".join(map(str, numbers)) for numbers in (self.slices, self.frames))
        return f"slice {slices}" + (f" of frame {frames}" if self.frames != (0,) else "")


@dataclass(frozen=True)
class _Placed:
    """A mask on the model's grid. `drawn` lists (frame, slice), one for each of `labels`."""

    orientation: Orientation
    placement: Placement
    drawn: tuple[tuple[int, int], ...]
    labels: NDArray[np.uint8]  # (k, rows, columns)
    z: NDArray[np.float32] | None  # (slices,)
    findings: tuple[dict[str, Any], ...]


def _place(
    mask: Scan, grid: WorkingGrid, part: _Part, *, z: float | None, convention: str | None
) -> _Placed:
    require_foreground(mask)
    orientation = in_plane_orientation(mask.affine, convention=convention)
    spacing = apply_to_spacing(orientation, mask.spacing)
    stored = mask.array if mask.is_cine else mask.array[None]
    labels = apply(orientation, stored.astype(np.uint8, copy=False))  # (t, z, y, x)
    findings = tuple(
        asdict(finding) | ({"frame": t} if mask.is_cine else {})
        for t in part.frames
        for finding in _findings(labels[t], spacing, part, name=mask.name)
        if finding.severity != "info"
    )
    heart = is_heart(labels)
    placement = place(heart, spacing[1:], grid=grid, name=mask.name)
    everywhere = np.argwhere(heart.any(axis=(2, 3)))
    asked = np.isin(everywhere[:, 0], part.frames) & np.isin(everywhere[:, 1], part.slices)
    drawn = everywhere[asked]
    if not len(drawn):
        raise InputError(
            f"{mask.name}: shows no heart on what was asked for ({part}); draw it there, or ask "
            f"for slices that show it ({_listed(everywhere[:, 1])})."
        )
    fill = UNLABELLED if (labels == UNLABELLED).any() else 0

    def to_grid(planes: NDArray[np.int64]) -> NDArray[np.uint8]:
        return placement.labels_to_grid(labels[planes[:, 0], planes[:, 1]], fill=fill)

    on_grid = to_grid(drawn)
    if not (_shows_heart(on_grid) or (not part.whole and _shows_heart(to_grid(everywhere)))):
        raise InputError(
            f"{mask.name}: the heart is smaller than a pixel of the model's grid "
            f"({grid.spacing} mm); check the voxel spacing in its header."
        )
    return _Placed(
        orientation=orientation,
        placement=placement,
        drawn=tuple((int(t), int(k)) for t, k in drawn),
        labels=on_grid,
        z=_positions(heart.sum(axis=(0, 2, 3)), z, mask.name),
        findings=findings,
    )


def _findings(
    stack: NDArray[np.uint8], spacing: tuple[float, float, float], part: _Part, *, name: str
) -> list[Finding]:
    """Of a whole stack, or of the slices asked for, so that one slice costs no more than that."""
    if part.whole or len(part.slices) == len(stack):
        return stack_findings(stack, spacing, name=name)
    return [
        replace(finding, slice_index=k)
        for k in part.slices
        for finding in slice_findings(stack[k], spacing[1:], name=name)
    ]


def _shows_heart(labels: NDArray[np.uint8]) -> bool:
    return bool(is_heart(labels).any())


def _listed(numbers: NDArray[np.int64]) -> str:
    return ", ".join(str(number) for number in np.unique(numbers))


def _positions(area: NDArray[np.int64], z: float | None, name: str) -> NDArray[np.float32] | None:
    single = np.count_nonzero(area) == 1
    if z is None:
        return None if single else slice_position(area.astype(np.float64))
    if not 0 <= z <= 1:
        raise InputError(f"slice position {z} is outside 0 (base) to 1 (apex).")
    if not single:
        raise InputError(
            f"{name}: has {np.count_nonzero(area)} labelled slices, so their positions are known "
            "from the stack; leave the slice position out."
        )
    return np.full(len(area), z, dtype=np.float32)


def _run(
    mask: Scan,
    model: Model,
    placed: _Placed,
    record: dict[str, Any],
    *,
    conditions: dict[str, Any],
    n: int,
    seed: int,
    batch: int,
) -> Iterator[Progress | Synthetic]:
    jobs = [(variant, job) for variant in range(n) for job in range(len(placed.drawn))]
    batches = [jobs[first : first + batch] for first in range(0, len(jobs), batch)]
    pictures: list[NDArray[np.float32]] = []
    variant = 0
    for number, group in enumerate(batches):
        asked, indices = [], []
        for of_variant, job in group:
            _, k = placed.drawn[job]
            position = None if placed.z is None else float(placed.z[k])
            asked.append(Condition(mask=placed.labels[job], z=position, **conditions))
            indices.append(of_variant * mask.n_slices + k)
        options = {"steps": record["steps"], "guidance": record["guidance"]}
        if record["sampler"] is not None:  # a third party's family may know of none
            options["sampler"] = record["sampler"]
        for step in model.generator.sample(asked, seed=seed, indices=indices, **options):
            if isinstance(step, Images):
                pictures.extend(step.pixels)
            else:
                yield Progress(number * step.steps + step.step, len(batches) * step.steps)
        while len(pictures) >= len(placed.drawn):
            own, pictures = pictures[: len(placed.drawn)], pictures[len(placed.drawn) :]
            made = {
                "seed": seed,
                "variant": variant,
                "indices": sorted({variant * mask.n_slices + k for _, k in placed.drawn}),
                "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            }
            yield Synthetic(
                _on_mask_grid(mask, placed, np.stack(own)),
                record | made,
                {(int(t), int(k)): own[job] for job, (t, k) in enumerate(placed.drawn)},
            )
            variant += 1


def _on_mask_grid(mask: Scan, placed: _Placed, pictures: NDArray[np.float32]) -> Scan:
    pixels = undo(placed.orientation, placed.placement.image_from_grid(pictures))
    array = np.zeros((mask.n_frames, *mask.shape[-3:]), dtype=np.float32)
    for (t, k), plane in zip(placed.drawn, pixels, strict=True):
        array[t, k] = plane
    return mask.with_array(array if mask.is_cine else array[0])


def _record(mask: Scan, placed: _Placed, part: _Part, card: Card) -> dict[str, Any]:
    """What is the same for all variants."""
    slices = sorted({k for _, k in placed.drawn})
    skipped = sorted(set(part.slices) - set(slices))
    only = None if part.whole else {"slices": list(part.slices), "frames": list(part.frames)}
    z = None if placed.z is None else {str(k): round(float(placed.z[k]), 4) for k in slices}
    return {
        "synthetic": True,
        "model": model_facts(card),
        "mask": {"name": mask.name, "labels_sha256": labels_hash(mask)},
        "slice_positions": z,
        "skipped_slices": skipped,
        "only": only,
        "covered": _covered(mask, placed),
        "orientation": placed.orientation.reason,
        "findings": list(placed.findings),
        "notes": list(mask.notes),
        "versions": versions(),
    }


def labels_hash(mask: Scan) -> str:
    """SHA-256 of the engine labels and their shape, whatever file they came in."""
    digest = hashlib.sha256(repr(mask.shape).encode())
    digest.update(np.ascontiguousarray(mask.array, dtype=np.uint8).tobytes())
    return digest.hexdigest()


def _covered(mask: Scan, placed: _Placed) -> dict[str, Any]:
    """The part of the mask's slices that the model's grid reaches, in voxels as stored."""
    ones = np.ones(placed.placement.grid.shape, dtype=np.float32)
    inside = undo(placed.orientation, placed.placement.image_from_grid(ones)) > 0.5
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return {
        "share": round(float(inside.mean()), 4),
        "rows": [int(rows[0]), int(rows[-1]) + 1],
        "columns": [int(columns[0]), int(columns[-1]) + 1],
    }
