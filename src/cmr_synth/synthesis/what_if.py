"""What one change does: a mask under every vendor or from several seeds, masks from one seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.reference import Reference
from cmr_synth.synthesis.request import Request


def across_vendors(
    mask: Scan,
    model: Model,
    request: Request | None = None,
    *,
    vendors: Sequence[str] | None = None,
    reference: Reference | None = None,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
) -> Iterator[Progress | Synthetic]:
    """One mask and one seed, under one vendor after the other: only the vendor differs.

    Parameters
    ----------
    request : Request, optional
        What else is asked for; its `vendor` and `n` do not count.
    vendors : sequence of str, optional
        By default all on the model's card.
    mask, model, reference, slices, frames
        As for `synthesize`.

    Returns
    -------
    iterator
        Yields progress over all vendors, and each vendor's scan as soon as it is complete.

    Raises
    ------
    InputError
        Before anything is made: if the model knows no vendors, or as for `synthesize`.
    """
    vendors = model.card.conditions.vendors if vendors is None else vendors
    if not vendors:
        raise InputError(
            f"model {model.card.name!r} was trained without vendors; choose one that knows some."
        )
    asked = [replace(request or Request(), vendor=vendor, n=1) for vendor in vendors]
    return _one_after_another(mask, model, asked, reference, slices, frames)


def across_seeds(
    mask: Scan,
    model: Model,
    request: Request | None = None,
    *,
    reference: Reference | None = None,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
) -> Iterator[Progress | Synthetic]:
    """One mask and one condition from `request.n` seeds in a row, beginning with its `seed`.

    Unlike the variants of `synthesize`, each can be made again alone by giving its seed.

    Parameters
    ----------
    mask, model, request, reference, slices, frames
        As for `synthesize`.

    Returns
    -------
    iterator
        Yields progress over all seeds, and each scan as soon as it is complete.

    Raises
    ------
    InputError
        Before anything is made: as for `synthesize`.
    """
    request = request or Request()
    seeds = range(request.seed, request.seed + request.n)
    asked = [replace(request, seed=seed, n=1) for seed in seeds]
    return _one_after_another(mask, model, asked, reference, slices, frames)


def across_masks(
    masks: Sequence[Scan],
    model: Model,
    request: Request | None = None,
    *,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
) -> Iterator[Progress | Synthetic]:
    """Several masks of one heart with one condition and one seed: only the anatomy differs.

    Parameters
    ----------
    masks : sequence of Scan
        On one grid, such as a mask under several dials, so that their noise is the same.
    request : Request, optional
        Its `n` does not count.
    model, slices, frames
        As for `synthesize`.

    Returns
    -------
    iterator
        Yields progress over all masks, and each mask's scan in their order.

    Raises
    ------
    InputError
        Before anything is made: as for `synthesize`.
    """
    one = replace(request or Request(), n=1)
    reference = one.read_reference(model.card)
    return _chained(
        [
            synthesize(mask, model, one, reference=reference, slices=slices, frames=frames)
            for mask in masks
        ]
    )


def _one_after_another(
    mask: Scan,
    model: Model,
    requests: Sequence[Request],
    reference: Reference | None,
    slices: Sequence[int] | None,
    frames: Sequence[int] | None,
) -> Iterator[Progress | Synthetic]:
    """Runs of equal length, checked all before the first, their progress as shares of all."""
    reference = reference or requests[0].read_reference(model.card)
    runs = [
        synthesize(mask, model, request, reference=reference, slices=slices, frames=frames)
        for request in requests
    ]
    return _chained(runs)


def _chained(runs: Sequence[Iterator[Progress | Synthetic]]) -> Iterator[Progress | Synthetic]:
    for number, run in enumerate(runs):
        for item in run:
            if isinstance(item, Progress):
                yield Progress(number * item.steps + item.step, len(runs) * item.steps)
            else:
                yield item
