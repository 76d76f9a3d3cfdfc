"""What a start from partial noise starts from, when the look of a reference is taken over.

A start from the reference itself (SDEdit, Meng et al. 2021, arXiv:2108.01073) would let its heart
shine through. The guide is the picture that the mask has without it, with the grey levels and the
grain of the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cmr_synth.generators.interface import Condition
from cmr_synth.generators.look import Look, match_grain, match_tones


def guides(pictures: Tensor, look: Look) -> Tensor:
    """Pictures (n, 1, y, x) on [-1, 1], those with a reference moved wholly to its look."""
    moved = pictures.clone()
    if look.rows:
        own = pictures[look.rows]
        moved[look.rows] = match_grain(match_tones(own, look.references), look.references)
    return moved.clamp(-1, 1)


def later_starts(conditions: Sequence[Condition], look: Look, steps: int) -> dict[int, list[int]]:
    """The images with a reference, by the number of steps that they leave out.

    The strength is that number's share of all steps, rounded: at 0 the start is noise alone, as
    without a reference, at 1 the guide is the result.
    """
    groups: dict[int, list[int]] = {}
    for row in look.rows:
        start = round(conditions[row].reference_strength * steps)
        if start:
            groups.setdefault(start, []).append(row)
    return groups
