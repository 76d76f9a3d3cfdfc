"""Verdicts on one slice, laid out for the panel, a page and a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.reports.panel import Content, Line, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.one_picture.verdicts import Place, Verdict

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
        (p.words, _digits(p.value), f"{_digits(p.low)} to {_digits(p.high)}", _rank(p))
        for v in verdicts
        for p in v.places
    ]
    return Content(
        title=name,
        lead=f"{place}; synthetic, shows no patient.",
        lines=tuple(Line(name=v.title, value=SHOWN[v.state]) for v in verdicts),
        remarks=tuple(remarks),
        plot=_Plot(verdicts),
        plot_says="Every figure among real slices, 0 to 100 percentiles; the band holds 95 %.",
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


class _Plot:
    """Each figure as a point on the percentiles of real slices."""

    def __init__(self, verdicts: Sequence[Verdict]):
        self.places = [
            p
            for v in verdicts
            for p in v.places
            if np.isfinite(p.percentile) and not p.name.startswith("wall_")
        ]

    def __call__(self, figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvspan(2.5, 97.5, color="0.5", alpha=0.18, lw=0)
        axes.axvline(50, color="0.5", lw=0.8)
        for row, place in enumerate(self.places):
            one_sided = place.name.startswith("dice_") or place.name == "distance"
            high_is_bad = place.name == "distance"
            if one_sided:
                good = place.percentile <= 95 if high_is_bad else place.percentile >= 5
            else:
                good = place.usual
            axes.plot([place.percentile], [row], "o", color=GOOD if good else BAD, ms=6)
        names = [_short(p.name) for p in self.places]
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.set_xlim(-3, 103)
        axes.set_xlabel("percentile of real slices", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    words = name.split("_")
    return " ".join(w.upper() if w in ("lv", "rv", "myo", "snr", "cnr") else w for w in words)


def _digits(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.3g}"


def _rank(place: Place) -> str:
    return "–" if not np.isfinite(place.percentile) else f"{place.percentile:.0f}"
