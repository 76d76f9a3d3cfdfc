"""The same mask made several ways: under every vendor, or from several seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import Synthetic, synthesize


def across_vendors(
    mask: Scan,
    model: Model,
    *,
    vendors: Sequence[str] | None = None,
    phase: str | None = None,
    pathology: str | None = None,
    z: float | None = None,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    batch: int = 8,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
) -> Iterator[Progress | Synthetic]:
    """One mask and one seed, under one vendor after the other: only the vendor differs.

    Parameters
    ----------
    vendors : sequence of str, optional
        By default all on the model's card.
    mask, model, phase, pathology, z, seed, steps, guidance, batch, slices, frames
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
    return _one_after_another(
        [
            synthesize(
                mask,
                model,
                vendor=vendor,
                phase=phase,
                pathology=pathology,
                z=z,
                seed=seed,
                steps=steps,
                guidance=guidance,
                batch=batch,
                slices=slices,
                frames=frames,
            )
            for vendor in vendors
        ]
    )


def across_seeds(
    mask: Scan,
    model: Model,
    *,
    n: int,
    seed: int = 0,
    vendor: str | None = None,
    phase: str | None = None,
    pathology: str | None = None,
    z: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    batch: int = 8,
    slices: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
) -> Iterator[Progress | Synthetic]:
    """One mask and one condition from `n` seeds in a row, beginning with `seed`.

    Unlike the variants of `synthesize`, each can be made again alone by giving its seed.

    Parameters
    ----------
    n : int
        How many.
    mask, model, vendor, phase, pathology, z, steps, guidance, batch, slices, frames
        As for `synthesize`.

    Returns
    -------
    iterator
        Yields progress over all seeds, and each scan as soon as it is complete.

    Raises
    ------
    InputError
        Before anything is made: if `n` is below 1, or as for `synthesize`.
    """
    if n < 1:
        raise InputError(f"n: {n} given; ask for 1 picture or more.")
    return _one_after_another(
        [
            synthesize(
                mask,
                model,
                vendor=vendor,
                phase=phase,
                pathology=pathology,
                z=z,
                seed=one,
                steps=steps,
                guidance=guidance,
                batch=batch,
                slices=slices,
                frames=frames,
            )
            for one in range(seed, seed + n)
        ]
    )


def _one_after_another(
    runs: Sequence[Iterator[Progress | Synthetic]],
) -> Iterator[Progress | Synthetic]:
    """Chain runs of equal length, their progress as shares of all of them."""
    for number, run in enumerate(runs):
        for item in run:
            if isinstance(item, Progress):
                yield Progress(number * item.steps + item.step, len(runs) * item.steps)
            else:
                yield item
