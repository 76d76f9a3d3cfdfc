"""From a mask on the user's grid to synthetic scans on the same grid.

One image is made for every slice that shows any of the heart, on the model's grid (`placing`), and
the result goes back the same way.

Variant, place along the stack in mm and frame decide the noise of a slice, whatever else is made
beside it, so that neighbours show one body (`cmr_synth.generators.noise`). A part of a stack or
cine, asked for alone, is the same as in the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import RV, SCAR, UNLABELLED, scar_as_myocardium
from cmr_synth.anatomy.surroundings import tissues_around
from cmr_synth.cohorts.examination import CINE
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Images, Progress
from cmr_synth.generators.noise import COHERENCE, Coherence
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.nifti import with_spacing
from cmr_synth.imaging.readers import read_scan
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.checking import Checker, Look, bundled_checker
from cmr_synth.synthesis.placing import Part, PlacedMask, place_mask, scan_on_grid
from cmr_synth.synthesis.record import Synthetic, labels_hash, made_now, model_facts, versions
from cmr_synth.synthesis.reference import Reference
from cmr_synth.synthesis.request import Request, without_tissues

SAME_MM = 0.1
"""Entries of two affines that differ by less are one grid, rounded."""


def synthesize(
    mask: Scan,
    model: Model,
    request: Request | None = None,
    *,
    reference: Reference | None = None,
    surroundings: Scan | None = None,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
    convention: str | None = None,
    first: int = 0,
    coherence: Coherence = COHERENCE,
) -> Iterator[Progress | Synthetic]:
    """Make synthetic images that follow a mask.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels; 255 leaves a pixel open.
    model : Model
        From `zoo.load`; it counts, whatever the request says of model and device.
    request : Request, optional
        By default one image with nothing specified.
    reference : Reference, optional
        A real picture on the model's grid whose look is taken over; by default the one that the
        request names is read.
    surroundings : Scan, optional
        Real pixels on the grid of the mask, whose tissues around the heart are kept; by default
        the scan that the request names is read.
    slices, frames : sequence of int, optional
        Which to make, counted from 0; None makes all. Position, placement and noise are those
        that they have in the whole mask.
    convention : str, optional
        Cohort whose in-plane orientation holds where the affine has lost the direction.
    first : int
        The variant to begin with; those before it are left out, and change nothing.
    coherence : Coherence
        How alike the noise of slices and frames is.

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
    request = request or Request()
    card = model.card
    request.check(card)
    reference = reference or request.read_reference(card)
    grid = WorkingGrid(shape=card.grid.shape, spacing=card.grid.spacing_mm)
    if request.spacing is not None:
        mask = with_spacing(mask, request.spacing)
    part = Part.of(mask, slices=slices, frames=frames)
    known = mask
    if request.contrast_of(card) == CINE:  # before it is resampled: two tissues have a border
        known = mask.with_array(scar_as_myocardium(mask.array))
    placed = replace(
        place_mask(known, grid, part, z=request.z, convention=convention, mirror=request.mirror),
        mask=mask,
    )
    record = (
        _record(placed, model, request)
        | {"noise": asdict(coherence)}
        | request.record(card, reference)
    )
    record |= request.made_on(model.generator)
    record["notes"] = [*record["notes"], *request.remarks(card)]
    tissues = None
    if surroundings is None and request.surroundings is not None:
        surroundings = read_scan(request.surroundings)
    if surroundings is not None:
        record["surroundings"] = surroundings.name
        tissues = _tissues(surroundings, placed, model, spacing=request.spacing)
    making = _Making(model, placed, request, reference, coherence, tissues)
    return _run(making, record, first)


def _run(
    making: _Making, record: dict[str, Any], first_variant: int
) -> Iterator[Progress | Synthetic]:
    placed, request = making.placed, making.request
    count = len(placed.drawn)
    # the bundled segmenter has seen cine alone
    looks = request.redraws is not None and request.contrast_of(making.model.card) == CINE
    checker = bundled_checker(str(making.model.generator.device)) if looks else None
    jobs = [(variant, job) for variant in range(first_variant, request.n) for job in range(count)]
    batches = [jobs[first : first + request.batch] for first in range(0, len(jobs), request.batch)]
    pictures: list[NDArray[np.float32]] = []
    variant = first_variant
    for number, group in enumerate(batches):
        now = Progress(number, len(batches))
        for step in making.of(group):
            if isinstance(step, Images):
                pictures.extend(step.pixels)
            else:
                now = Progress(number * step.steps + step.step, len(batches) * step.steps)
                yield now
        while len(pictures) >= count:
            own, pictures = np.stack(pictures[:count]), pictures[count:]
            checked: dict[str, Any] = {}
            if checker is not None:
                for again in making.checked(own, variant, checker):
                    if isinstance(again, dict):
                        checked = {"check": again}
                    else:
                        yield now  # so that it can be cancelled here, too
            yield Synthetic(
                placed.on_mask_grid(own),
                record | made_now(request.seed, variant) | checked,
                dict(zip(placed.drawn, own, strict=True)),
            )
            variant += 1


@dataclass(frozen=True)
class _Making:
    """What slices are made of, one run after the other."""

    model: Model
    placed: PlacedMask
    request: Request
    reference: Reference | None
    coherence: Coherence
    tissues: Sequence[NDArray[np.uint8]] | None = None  # around the heart, of each slice drawn

    def of(
        self, jobs: Sequence[tuple[int, int]], *, attempt: int = 0
    ) -> Iterator[Progress | Images]:
        """Slices by variant and place among those drawn, made at once."""
        placed, request = self.placed, self.request
        asked, noise = [], []
        for variant, job in jobs:
            frame, k = placed.drawn[job]
            asked.append(
                request.condition(
                    placed.labels[job],
                    z=placed.position(k),
                    takes=self.model.generator.takes,
                    card=self.model.card,
                    reference=self.reference,
                    tissues=None if self.tissues is None else self.tissues[job],
                )
            )
            mm = k * placed.mask.spacing[0]
            noise.append(self.coherence.index(variant, mm=mm, frame=frame, attempt=attempt))
        return request.sample(self.model, asked, indices=noise)

    def checked(
        self, pictures: NDArray[np.float32], variant: int, checker: Checker
    ) -> Iterator[Progress | dict[str, Any]]:
        """Draw slices again that miss their mask, in place; in the end what the record says."""
        looks = self._looks(pictures, range(len(pictures)), checker)
        attempts = [0] * len(pictures)
        drawn_again = 0
        for attempt in range(1, 1 + (self.request.redraws or 0)):
            missing = [job for job, look in enumerate(looks) if look.missed]
            for first in range(0, len(missing), self.request.batch):
                group = missing[first : first + self.request.batch]
                for step in self.of([(variant, job) for job in group], attempt=attempt):
                    if isinstance(step, Progress):
                        yield step
                        continue
                    drawn_again += len(group)
                    seen = self._looks(step.pixels, group, checker)
                    for job, look, new in zip(group, seen, step.pixels, strict=True):
                        if look.margin > looks[job].margin:
                            pictures[job], looks[job], attempts[job] = new, look, attempt
        slices = [
            {"frame": frame, "slice": k, "attempt": attempt, **look.record()}
            for (frame, k), attempt, look in zip(self.placed.drawn, attempts, looks, strict=True)
        ]
        yield {
            "segmenter_sha256": checker.segmenter.hash,
            "drawn_again": drawn_again,
            "missed": sum(bool(look.missed) for look in looks),
            "slices": slices,
        }

    def _looks(
        self, pictures: NDArray[np.float32], jobs: Sequence[int], checker: Checker
    ) -> list[Look]:
        placed, labels = self.placed, self.placed.labels[list(jobs)]
        if not _knows_rv(self.model, self.request):  # it was not asked to draw it
            labels = np.where(labels == RV, np.uint8(UNLABELLED), labels)
        return checker.look(
            pictures,
            labels,
            [placed.position(placed.drawn[job][1]) for job in jobs],
            spacing=self.model.card.grid.spacing_mm,
        )


def _tissues(
    scan: Scan, placed: PlacedMask, model: Model, *, spacing: tuple[float, float, float] | None
) -> list[NDArray[np.uint8]]:
    """Maps of what lies around the heart in the mask's own scan, of each slice drawn.

    Raises
    ------
    InputError
        If the model takes none, or the scan is on another grid than the mask.
    """
    card, mask = model.card, placed.mask
    if not card.conditions.tissues:
        raise InputError(without_tissues(card))
    if spacing is not None:
        scan = with_spacing(scan, spacing)
    if scan.shape != mask.shape or not np.allclose(scan.affine, mask.affine, atol=SAME_MM):
        raise InputError(
            f"surroundings {scan.name}: {scan.shape} voxels, on another grid than the mask "
            f"{mask.name} of {mask.shape}; give the scan that the mask was drawn on."
        )
    return [
        tissues_around(
            pixels,
            labels,
            spacing=card.grid.spacing_mm,
            structures=model.generator.config.structures,
        )
        for pixels, labels in zip(scan_on_grid(scan, mask, placed), placed.labels, strict=True)
    ]


def _record(placed: PlacedMask, model: Model, request: Request) -> dict[str, Any]:
    """What is the same for all variants, whatever was asked for."""
    mask, part, card = placed.mask, placed.part, model.card
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
        "covered": placed.covered(),
        "orientation": placed.placed.orientation.reason,
        "findings": list(placed.findings),
        "notes": [*mask.notes, *_not_told_apart(mask, model, request)],
        "versions": versions(),
    }


def _knows_rv(model: Model, request: Request) -> bool:
    """Whether the RV of a mask is drawn, and not left open."""
    config = model.generator.config
    return "RV" in config.structures_in(request.contrast if config.contrasts else None)


def _not_told_apart(mask: Scan, model: Model, request: Request) -> list[str]:
    """What a mask shows and a model knows nothing of in this contrast."""
    card, contrast = model.card, request.contrast_of(model.card)
    if contrast == CINE and np.isin(mask.array, tuple(SCAR.values())).any():
        return [f"scar is taken for myocardium: model {card.name!r} makes cine, which shows none."]
    if not _knows_rv(model, request) and (mask.array == RV).any():
        return [f"the RV is left open: model {card.name!r} was trained on masks without it."]
    return []
