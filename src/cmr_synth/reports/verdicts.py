"""Verdicts on one slice, laid out for the panel, a page and a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.evaluation.one_picture.verdicts import UNUSUAL
from cmr_synth.reports.content import Content, Line, Plot, Table
from cmr_synth.reports.numbers import number, significant
from cmr_synth.reports.plots import rows_named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.one_picture.verdicts import Verdict

SHOWN = {"usual": "as real", "unusual": "unusual", "unknown": "not known"}
GOOD, BAD = "#009e73", "#d55e00"


def verdict_content(
    verdicts: Sequence[Verdict],
    *,
    name: str,
    place: str,
    vendor: str,
    slices: int,
    patients: int,
    explain: bool = False,
    data: dict[str, Any] | None = None,
) -> Content:
    """Lay verdicts out.

    Parameters
    ----------
    verdicts : sequence of Verdict
    name, place : str
        Of the layer; which slice of it.
    vendor : str
        Whose ranges were taken; "" for all.
    slices, patients : int
        Behind the ranges.
    explain : bool
        Whether to say below every line what was measured and what follows.
    """
    remarks = [f"{v.title}: {v.words}" for v in verdicts]
    if explain:
        remarks = [f"{v.title}: {v.words}\n{v.why}" for v in verdicts]
    rows = [
        (
            p.words,
            significant(p.value),
            f"{significant(p.low)} to {significant(p.high)}",
            number(p.percentile, 0),
        )
        for v in verdicts
        for p in v.places
    ]
    return Content(
        title=name,
        lead=f"{place}; synthetic, shows no patient.",
        lines=tuple(Line(name=v.title, value=SHOWN[v.state]) for v in verdicts),
        remarks=tuple(remarks),
        plots=(_percentiles(verdicts),),
        tables=(
            Table(
                title="Among real slices",
                columns=("Figure", "Here", "95 % of real", "Percentile"),
                rows=tuple(rows),
            ),
        ),
        facts=(("Ranges", f"{slices} slices of {patients} patients, {vendor or 'all vendors'}"),),
        data={"verdicts": [v.as_dict() for v in verdicts], "slice": place, **(data or {})},
    )


def _percentiles(verdicts: Sequence[Verdict]) -> Plot:
    """Each figure as a point on the percentiles of real slices."""
    places = [
        p
        for v in verdicts
        for p in v.places
        if np.isfinite(p.percentile) and not p.name.startswith("wall_")
    ]

    def drawn(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvspan(UNUSUAL, 100 - UNUSUAL, color="0.5", alpha=0.18, lw=0)
        axes.axvline(50, color="0.5", lw=0.8)
        for row, place in enumerate(places):
            axes.plot([place.percentile], [row], "o", color=GOOD if place.good else BAD, ms=6)
        rows_named(axes, [_short(p.name) for p in places], size=6)
        axes.set_xlim(-3, 103)
        axes.set_xlabel("percentile of real slices", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)

    return Plot(
        says="Every figure among real slices, 0 to 100 percentiles; the band holds 95 %.",
        draw=drawn,
    )


def _short(name: str) -> str:
    words = name.split("_")
    return " ".join(w.upper() if w in ("lv", "rv", "myo", "snr", "cnr") else w for w in words)
