"""Two stages of a mask: a heart of the shape model, then its slices drawn anew by a mask flow.

Slices that are not plausible are drawn again and counted, as image generators' pictures are; one
that stays implausible remains as the shape model drew it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.plausibility import findings, is_plausible
from cmr_synth.anatomy.plausible_pairs import pair_findings
from cmr_synth.anatomy.reference import function_of
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.noise import COHERENCE
from cmr_synth.imaging.positions import slice_position

if TYPE_CHECKING:
    from cmr_synth.anatomy.shapes.new_heart import NewHeart
    from cmr_synth.generators.mask_flow.masks import MaskFlow

MOST_DRAWS = 5
_SAME_MM = 0.01


@dataclass(frozen=True, kw_only=True)
class Detail:
    """What the second stage did to a heart.

    Attributes
    ----------
    slices : int
        Drawn anew, of both phases.
    drawn_again : int
        Draws of slices that were not plausible.
    kept : int
        Slices that remain as the shape model drew them, because none of `MOST_DRAWS` was plausible.
    """

    slices: int
    drawn_again: int
    kept: int

    def as_dict(self) -> dict[str, int]:
        """For records."""
        return {"slices": self.slices, "drawn_again": self.drawn_again, "kept": self.kept}


def with_detail(heart: NewHeart, model: MaskFlow, *, seed: int) -> tuple[NewHeart, Detail]:
    """Draw the slices of a heart anew, each with the heart's own as its guide.

    Neighbouring slices and both phases get noise that is alike, so that detail goes on from one to
    the next. What the masks measure changes with it.

    Parameters
    ----------
    heart : NewHeart
        On the pixels of the mask flow's working grid.
    model : MaskFlow
    seed : int
        With the heart's number it decides the detail.

    Raises
    ------
    InputError
        If the heart is on another grid.
    """
    config = model.config
    same = np.allclose(heart.spacing[1:], config.spacing_mm, atol=_SAME_MM)
    if heart.ed.shape[1:] != config.shape or not same:
        rows, columns = config.shape
        raise InputError(
            f"detail is drawn on {rows} x {columns} pixels of {config.spacing_mm:g} mm; give "
            f"--spacing {config.spacing_mm:g}x{config.spacing_mm:g}x8, or leave it out."
        )
    ed, first = _stack(heart, heart.ed, "ED", model, seed)
    es, second = _stack(heart, heart.es, "ES", model, seed)
    detail = Detail(
        slices=first.slices + second.slices,
        drawn_again=first.drawn_again + second.drawn_again,
        kept=first.kept + second.kept,
    )
    if not is_plausible(pair_findings(ed, es, heart.spacing)):  # each slice was, but not together
        unchanged = Detail(slices=0, drawn_again=detail.drawn_again, kept=detail.slices)
        return heart, unchanged
    measured = function_of(ed, es, heart.spacing)
    return replace(heart, ed=ed, es=es, measured=measured), detail


def _stack(
    heart: NewHeart, labels: NDArray[np.uint8], phase: str, model: MaskFlow, seed: int
) -> tuple[NDArray[np.uint8], Detail]:
    in_plane = (heart.spacing[1], heart.spacing[2])
    area = (labels > 0).sum(axis=(1, 2))
    positions = slice_position(area.astype(np.float64))
    known = model.config.known_words
    about: dict[str, Any] = {
        "phase": phase if phase in known["phase"] else None,
        "pathology": heart.pathology if heart.pathology in known["pathology"] else None,
    }
    drawn = labels.copy()
    left = [int(k) for k in np.flatnonzero(area)]
    slices, again = len(left), 0
    for attempt in range(MOST_DRAWS):
        conditions = [Condition(mask=labels[k], z=float(positions[k]), **about) for k in left]
        indices = [
            COHERENCE.index(
                heart.number,
                mm=k * heart.spacing[0],
                frame=("ED", "ES").index(phase),
                attempt=attempt,
            )
            for k in left
        ]
        made = model.draw(conditions, seed=seed, indices=indices)
        implausible = []
        for k, one in zip(left, made, strict=True):
            if _fits(one, labels[k], in_plane):
                drawn[k] = one
            else:
                implausible.append(k)
        again += len(implausible) if attempt + 1 < MOST_DRAWS else 0
        left = implausible
        if not left:
            break
    return drawn, Detail(slices=slices - len(left), drawn_again=again, kept=len(left))


def _fits(made: NDArray[np.uint8], guide: NDArray[np.uint8], spacing: tuple[float, float]) -> bool:
    """Whether a slice is plausible and has the structures of its guide."""
    same = set(np.unique(made)) == set(np.unique(guide))
    return same and is_plausible(findings(made, spacing))
