"""The measurements of a mask as a page, and as a table for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.aha import SEGMENTS, wedges
from cmr_synth.anatomy.measured import COLUMNS, UNITS, Measured
from cmr_synth.anatomy.reference import NORMAL, WHO
from cmr_synth.files import write_file
from cmr_synth.reports.content import Content, Plot, Section, Table
from cmr_synth.reports.plots import BLUE, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {
    "lv_edv_ml": "LV EDV",
    "lv_esv_ml": "LV ESV",
    "lv_stroke_ml": "LV stroke volume",
    "lv_ef": "LV EF",
    "lv_mass_g": "LV mass",
    "rv_edv_ml": "RV EDV",
    "rv_esv_ml": "RV ESV",
    "rv_stroke_ml": "RV stroke volume",
    "rv_ef": "RV EF",
}
LINES = {"LV": VERMILION, "RV": BLUE, "MYO": "#8a8a00"}


def measurements_report(measured: Measured) -> Content:
    """Function beside normal ranges, volume over time, and bull's-eyes.

    Parameters
    ----------
    measured : Measured

    Returns
    -------
    Content
    """
    sections = [
        Section(
            title="Wall by segment",
            words=("Mean thickness of the myocardium by AHA segment, in mm.",),
            plots=[
                bulls_eye(values, title=phase or "frame shown", unit="mm")
                for phase, values in measured.wall_mm.items()
            ]
            + (
                [bulls_eye(100 * measured.thickening, title="thickening, ED to ES", unit="%")]
                if measured.thickening is not None
                else []
            ),
            tables=[_segments(measured)],
        )
    ]
    return Content(
        title=f"Measurements of {measured.name}",
        lead=_lead(measured),
        tables=[_function(measured)] if measured.function else [],
        plots=[volume_curve(measured)] if len(measured.volumes_ml["LV"]) > 2 else [],
        remarks=measured.doubts,
        sections=sections if measured.wall_mm else [],
        facts=[("Normal ranges", WHO)],
        data={"measurements": list(measured.rows())},
    )


def write_csv(measured: Sequence[Measured], path: str | Path) -> Path:
    """Write every number of some masks, one a row.

    Parameters
    ----------
    measured : sequence of Measured
    path : path
        Replaced if it is there. Columns: mask, then `measured.COLUMNS`.

    Returns
    -------
    Path
    """
    with (
        write_file(Path(path)) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        table = csv.DictWriter(stream, ["mask", *COLUMNS], restval="")
        table.writeheader()
        for one in measured:
            for row in one.rows():
                shown = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
                table.writerow({"mask": one.name, **shown})
    return Path(path)


def volume_curve(measured: Measured) -> Plot:
    """Volumes of both ventricles over the cycle, with ED and ES marked."""
    step = measured.frame_ms

    def drawn(figure: Figure) -> None:
        axes = figure.add_subplot()
        for structure, volumes in measured.volumes_ml.items():
            time = np.arange(len(volumes)) * (step or 1.0)
            axes.plot(time, volumes, color=LINES[structure], label=structure, marker=".", ms=4)
        for phase, frame in measured.phases.items():
            if phase:
                axes.axvline(frame * (step or 1.0), color="0.6", lw=1, ls=":")
                axes.annotate(
                    phase,
                    (frame * (step or 1.0), 1.0),
                    xycoords=("data", "axes fraction"),
                    va="bottom",
                    ha="center",
                )
        axes.set_ylim(bottom=0)
        axes.set_xlabel("time (ms)" if step else "frame")
        axes.set_ylabel("volume (mL)")
        axes.legend(ncols=3, fontsize=9)

    return Plot(says="Volume of LV, RV and myocardium over the cardiac cycle.", draw=drawn)


def bulls_eye(values: NDArray[np.floating], *, title: str, unit: str) -> Plot:
    """Values of the 16 segments in rings, base outside, anterior up, septum on the left."""

    def drawn(figure: Figure) -> None:
        from matplotlib import colormaps
        from matplotlib.colors import Normalize

        figure.set_layout_engine("none")  # it would leave room for ticks that are not there
        axes: Any = figure.add_axes((0.1, 0.1, 0.8, 0.7), projection="polar")
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        shade = Normalize(low, high if high > low else low + 1)
        colours = colormaps["viridis"]
        for (ring, first, last), value in zip(wedges(), values, strict=True):
            middle, width = np.radians((first + last) / 2), np.radians(last - first)
            colour = colours(shade(float(value))) if np.isfinite(value) else (0, 0, 0, 0)
            bottom = 3.0 - ring
            axes.bar(middle, 1, width, bottom, color=colour, edgecolor="0.5", lw=1)
            if np.isfinite(value):
                axes.text(
                    middle,
                    bottom + 0.5,
                    f"{value:.0f}" if unit == "%" else f"{value:.1f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if shade(float(value)) < 0.6 else "black",
                )
        for words, angle in (("anterior", 90), ("septal", 180), ("inferior", 270), ("lateral", 0)):
            axes.text(
                np.radians(angle),
                4.5,
                words,
                ha="center",
                va="center",
                fontsize=9,
                rotation=90 if angle in (0, 180) else 0,
            )
        axes.set_ylim(0, 4)
        axes.set_axis_off()
        figure.text(0.5, 0.985, f"{title} ({unit})", fontsize=10, ha="center", va="top")

    said = ", ".join(
        f"{name} {value:.1f}"
        for name, value in zip(SEGMENTS, values, strict=True)
        if np.isfinite(value)
    )
    return Plot(says=f"Bull's-eye, {title}, {unit}: {said}.", draw=drawn, inches=(4.2, 4.2))


def _lead(measured: Measured) -> str:
    if "ED" not in measured.phases:
        return ""
    return f"ED is frame {measured.phases['ED']}, ES frame {measured.phases['ES']}, from 0."


def beside_normal(function: Mapping[str, float]) -> list[tuple[str, str, str, str]]:
    """Name, number, normal range, and "low", "high" or "within", of each measurement."""
    rows = []
    for name, value in function.items():
        low, high = NORMAL[name]
        share = UNITS[name] == "fraction"
        factor, unit = (100, "%") if share else (1, UNITS[name])
        where = "low" if value < low else "high" if value > high else "within"
        normal = f"{factor * low:.0f} to {factor * high:.0f}"
        rows.append((TITLES[name], f"{factor * value:.0f} {unit}", normal, where))
    return rows


def _function(measured: Measured) -> Table:
    columns = {"": "", "Measured": "", "Normal": WHO, "Range": "Beside the normal range"}
    return Table(columns, beside_normal(measured.function))


def _segments(measured: Measured) -> Table:
    rows = []
    for k, segment in enumerate(SEGMENTS):
        cells = [_mm(values[k]) for values in measured.wall_mm.values()]
        rows.append((f"{k + 1}", segment, *cells))
    names = [f"{phase} (mm)".strip() for phase in measured.wall_mm]
    return Table(["No.", "Segment", *names], rows)


def _mm(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "\N{EN DASH}"
