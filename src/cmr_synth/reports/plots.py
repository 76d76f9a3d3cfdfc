"""Plots of reports: their look on a page and in a panel, and the two kinds that several share."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.reports.content import Picture, Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE_INK = "#808890"  # of plots on a page: readable on a white and on a dark one
BLUE, VERMILION = "#0072b2", "#d55e00"
SHADES = (BLUE, VERMILION, "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Apart for colour-blind eyes (Okabe and Ito 2008)."""

_LOOK = threading.Lock()  # matplotlib has one look for all threads


def draw(plot: Plot, figure: Figure, *, ink: str) -> None:
    """Draw a plot.

    Parameters
    ----------
    plot : Plot
    figure : matplotlib.figure.Figure
        Cleared first; its background stays transparent.
    ink : str
        Colour of text and axes.
    """
    from matplotlib import rc_context

    parts = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    look: dict[Any, Any] = {part: ink for part in parts} | {
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 9,
        "legend.frameon": False,
    }
    with _LOOK, rc_context(look):
        figure.clear()
        figure.patch.set_alpha(0)
        plot.draw(figure)


def png(shown: Plot | Picture) -> bytes:
    """A plot as pages show it, or a picture as it is."""
    stream = io.BytesIO()
    if isinstance(shown, Picture):
        shown.image.save(stream, format="PNG", optimize=True)
        return stream.getvalue()
    from matplotlib.figure import Figure

    figure = Figure(figsize=shown.inches, layout="constrained")
    draw(shown, figure, ink=PAGE_INK)
    figure.savefig(stream, format="png", dpi=160, metadata={"Software": None})
    return stream.getvalue()


@dataclass(frozen=True, kw_only=True)
class Span:
    """One row of a plot of intervals."""

    name: str
    value: float
    low: float | None
    high: float | None
    colour: str = BLUE


def intervals(
    spans: Sequence[Span],
    *,
    says: str,
    label: str,
    centre: float,
    limits: tuple[float, float] | None = None,
) -> Plot:
    """Values as dots and their intervals as lines, one below the other.

    Parameters
    ----------
    spans : sequence of Span
    says : str
    label : str
        Of the axis along which the values lie.
    centre : float
        Where nothing is gained or lost.
    limits : (low, high), optional
        Of the axis.
    """

    def drawn(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, one in enumerate(spans):
            if one.low is not None and one.high is not None:
                axes.plot([one.low, one.high], [place, place], color=one.colour, lw=2)
            axes.plot([one.value], [place], "o", color=one.colour, ms=5)
        axes.axvline(centre, color="0.6", lw=1)
        if limits is not None:
            axes.set_xlim(*limits)
        rows_named(axes, [one.name for one in spans])
        axes.set_xlabel(label)

    return Plot(says=says, draw=drawn, inches=(9, 1.0 + 0.3 * max(len(spans), 1)))


def rows_named(axes: Axes, names: Sequence[str], *, size: float = 8) -> None:
    """Name the rows of a plot, the first at the top."""
    axes.set_yticks(range(len(names)), list(names), fontsize=size)
    axes.invert_yaxis()


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One picture of a grid.

    Parameters
    ----------
    pixels : (y, x) array in [0, 1]
    title : str
    marked : bool
        Its title is red.
    over : (y, x) array, optional
        Laid over it in orange where it is above 0 and in blue below.
    """

    pixels: NDArray[Any]
    title: str = ""
    marked: bool = False
    over: NDArray[np.floating] | None = None


def grid(columns: Sequence[Sequence[Tile]], *, says: str, inches: float = 1.5) -> Plot:
    """Grey pictures, a column for each slice.

    Parameters
    ----------
    columns : sequence of sequences of Tile
        At least one, all of the same length.
    says : str
    inches : float
        Width of a picture.
    """
    height = len(columns[0])

    def drawn(figure: Figure) -> None:
        axes = figure.subplots(height, len(columns), squeeze=False)
        for k, column in enumerate(columns):
            for axis, tile in zip(axes[:, k], column, strict=True):
                axis.imshow(tile.pixels, cmap="gray", vmin=0, vmax=1)
                if tile.over is not None:
                    _lay_over(axis, tile.over)
                if tile.title:
                    colour = {"color": "red"} if tile.marked else {}
                    axis.set_title(tile.title, fontsize=7, **colour)
                axis.set_axis_off()

    return Plot(
        says=says, draw=drawn, inches=(inches * max(len(columns), 3), 1.1 * height * inches)
    )


def _lay_over(axis: Axes, values: NDArray[np.floating]) -> None:
    reach = float(np.quantile(np.abs(values), 0.995)) or 1.0
    strength = np.clip(np.abs(values) / reach, 0, 1) * 0.8
    axis.imshow(values, cmap="PuOr_r", vmin=-reach, vmax=reach, alpha=strength)
