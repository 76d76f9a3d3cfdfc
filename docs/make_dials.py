"""Draws the pictures of the page on dials, from a heart drawn in code: nobody's.

    .venv/bin/python docs/make_dials.py

One picture shows the masks of every disease at three levels, one the synthetic images of a healthy
heart and of diseases from one seed, one a heart over a beat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmr_synth.anatomy.beating import Plan, beat
from cmr_synth.anatomy.dials import PRESETS, Dials, Heart
from cmr_synth.anatomy.template import draw_stack

FOLDER = Path(__file__).with_name("img")
SPACING = (8.0, 1.5, 1.5)
SHAPE = (128, 128)
SLICES = 10
LEVELS = {"basal": 2, "mid": 5, "apical": 8}
COLOURS = ListedColormap(["#111111", "#d64545", "#3f8f5b", "#3b6fb6", "#f2c14e", "#f28e2b"])
SHOWN = ("dcm", "hcm-septal", "infarct-anterior", "rv-pressure")


def main() -> None:
    """Write the pictures."""
    heart = Heart(draw_stack(slices=SLICES, shape=SHAPE, seed=3), SPACING)
    turned = {"healthy": heart.labels}
    for name, (title, dials) in PRESETS.items():
        turned[title] = heart.turned(dials).labels
        print(name, [f"{e.name} {e.measured:.3g} {e.unit}" for e in heart.turned(dials).effects])
    masks(turned).savefig(FOLDER / "dials-masks.png", dpi=110)
    cine(heart).savefig(FOLDER / "dials-beat.png", dpi=110)
    images(heart).savefig(FOLDER / "dials-images.png", dpi=110)


def masks(turned: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """A row for each level, a column for each disease."""
    figure = Figure(figsize=(1.5 * len(turned), 5.2), layout="constrained")
    axes = figure.subplots(len(LEVELS), len(turned))
    for column, (title, labels) in enumerate(turned.items()):
        for row, (level, k) in enumerate(LEVELS.items()):
            own = axes[row, column]
            show(own, labels[k])
            if row == 0:
                own.set_title(wrapped(title), fontsize=8)
            if column == 0:
                own.set_ylabel(level, fontsize=9)
    return figure


def cine(heart: Heart) -> Figure:
    """Frames of a beat, and the volume curve."""
    frames = list(beat(heart, Plan(ef=0.6)))
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.2, 1])
    chosen = range(0, len(frames), 3)
    for axes, number in zip(top.subplots(1, len(chosen)), chosen, strict=True):
        show(axes, frames[number].labels[LEVELS["mid"]])
        axes.set_title(f"frame {number}", fontsize=8)
    axes = bottom.subplots()
    for part, label in (("LV", "LV volume"), ("RV", "RV volume"), ("MYO", "volume of the wall")):
        axes.plot([frame.volumes_ml[part] for frame in frames], marker=".", label=label)
    axes.set_xlabel("frame")
    axes.set_ylabel("mL")
    axes.set_ylim(0)
    axes.legend(fontsize=8, ncols=3)
    return figure


def images(heart: Heart) -> Figure:
    """Synthetic pictures of diseases from one seed."""
    from cmr_synth.generators import zoo
    from cmr_synth.imaging.scan import Scan
    from cmr_synth.synthesis.record import Synthetic
    from cmr_synth.synthesis.request import Request
    from cmr_synth.synthesis.what_if import across_masks

    chosen = {"healthy": Dials(), **{PRESETS[name][0]: PRESETS[name][1] for name in SHOWN}}
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    scans = [
        Scan(array=heart.turned(dials).labels, spacing=SPACING, affine=affine, name=title)
        for title, dials in chosen.items()
    ]
    request = Request(vendor="siemens", phase="ED", seed=1)
    k = LEVELS["mid"]
    made = [
        step
        for step in across_masks(scans, zoo.load("flow-fast"), request, slices=[k])
        if isinstance(step, Synthetic)
    ]
    figure = Figure(figsize=(2.2 * len(chosen), 3.0), layout="constrained")
    for axes, title, picture in zip(figure.subplots(1, len(chosen)), chosen, made, strict=True):
        axes.imshow(picture.scan.array[k], cmap="gray", vmin=0, vmax=1)
        axes.set_title(wrapped(title), fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def show(axes: object, labels: NDArray[np.uint8]) -> None:
    """One slice of a mask."""
    axes.imshow(labels, cmap=COLOURS, vmin=0, vmax=5, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def wrapped(title: str) -> str:
    """Words in lines of a column's width."""
    lines: Sequence[str] = [""]
    for word in title.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if len(longer) <= 14 else [*lines, word]
    return "\n".join(line for line in lines if line)


if __name__ == "__main__":
    main()
