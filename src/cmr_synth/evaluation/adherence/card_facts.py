"""Figures of adherence as a model card states them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmr_synth.evaluation.adherence.cells import Cell


def card_facts(seen: Mapping[str, Any]) -> dict[str, Any]:
    """Every structure over all slices, rounded.

    Parameters
    ----------
    seen : mapping
        `StructureAdherence.as_dict()`, as reports have it in JSON.
    """
    overall = {one["structure"]: one for one in seen["strata"] if one["by"] == "all"}
    dice = {name: one["scores"]["dice"] for name, one in overall.items()}
    far = {name: one["scores"]["hd95"] for name, one in overall.items()}
    return {
        "dice_real": {name: round(one["real"], 4) for name, one in dice.items()},
        "dice_synthetic": {name: round(one["synthetic"], 4) for name, one in dice.items()},
        "ratio": {name: round(one["ratio"], 4) for name, one in dice.items()},
        "ratio_interval": {
            name: [round(one["ratio_low"], 3), round(one["ratio_high"], 3)]
            for name, one in dice.items()
        },
        "hd95_mm": {
            name: [round(one["synthetic"], 2), round(one["real"], 2)] for name, one in far.items()
        },
        "missed_slices": {
            name: [one["missed"], one["real_missed"]] for name, one in overall.items()
        },
    }


def cell_facts(table: Sequence[Cell]) -> dict[str, Any]:
    """Dice over real of every vendor, pathology and phase, rounded.

    Parameters
    ----------
    table : sequence of Cell
        From `cells`.

    Returns
    -------
    dict
        `{vendor: {"PATHOLOGY PHASE": {"patients": n, structure: ratio, ...}}}`.
    """
    facts: dict[str, Any] = {}
    for cell in table:
        own = facts.setdefault(cell.vendor, {})
        ratios = own.setdefault(f"{cell.pathology} {cell.phase}", {"patients": cell.patients})
        ratios[cell.structure] = round(cell.dice.ratio, 4)
    return facts
