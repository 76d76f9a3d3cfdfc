"""Draws the picture of the page on late enhancement, from a heart drawn in code: nobody's.

    .venv/bin/python docs/make_late_enhancement.py [--model flow-lge]

One heart with scars of different depth and place: its masks, late enhancement of each from two
seeds, and cine of the same masks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmr_synth.anatomy.dials import Dials, Heart
from cmr_synth.anatomy.dials.settings import Regional
from cmr_synth.anatomy.labels import NO_REFLOW
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.generators import zoo
from cmr_synth.imaging.scan import Scan
from cmr_synth.reports.sheet import colour_labels
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.what_if import across_masks

TARGET = Path(__file__).parent / "img" / "late_enhancement.png"
SPACING = (8.0, 1.5, 1.5)
SLICES, SHOWN = 10, 5
SCARS = {
    "no scar": "",
    "a quarter of the\nanterior wall": "0.25@7+8",
    "all of the\nanterior wall": "1@7+8",
    "half of the\nseptum": "0.5@8+9",
    "three quarters of\nthe lateral wall": "0.75@11+12",
    "with a dark core": "1@7+8",
}
SEEDS = (1, 4)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flow-lge", help="name in the zoo, or a folder")
    options = parser.parse_args()
    masks = scarred_masks()
    late = zoo.load(options.model)
    rows = {"mask": [mask.array[SHOWN] for mask in masks]}
    for seed in SEEDS:
        rows[f"late enhancement,\nseed {seed}"] = made(masks, late, Request(seed=seed))
    cine = Request(vendor="siemens", phase="ED", seed=SEEDS[0])
    rows["cine of the\nsame masks"] = made(masks, zoo.load("flow"), cine)
    figure = Figure(figsize=(1.75 * len(SCARS) + 1.1, 1.75 * len(rows) + 0.5), layout="constrained")
    axes = figure.subplots(len(rows), len(SCARS))
    for row, (name, pictures) in enumerate(rows.items()):
        for column, (title, picture) in enumerate(zip(SCARS, pictures, strict=True)):
            own = axes[row, column]
            if row == 0:
                own.imshow(colour_labels(picture), interpolation="nearest")
                own.set_title(title, fontsize=8)
            else:
                own.imshow(picture, cmap="gray", vmin=0, vmax=1)
            own.set_xticks([])
            own.set_yticks([])
            if column == 0:
                own.set_ylabel(name, fontsize=8)
    figure.savefig(TARGET, dpi=110)


def scarred_masks() -> list[Scan]:
    """The same heart with every scar."""
    heart = Heart(draw_stack(slices=SLICES, shape=(128, 128), seed=3), SPACING)
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    masks = []
    for title, text in SCARS.items():
        scars = (Regional.parse(text, dial="scar"),) if text else ()
        labels = heart.turned(Dials(scar=scars)).labels
        if "core" in title:
            labels = with_core(labels)
        masks.append(Scan(array=labels, spacing=SPACING, affine=affine, name=title))
    return masks


def with_core(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """No-reflow in the middle of the infarct."""
    from scipy.ndimage import binary_erosion

    from cmr_synth.anatomy.labels import INFARCT

    core = np.stack([binary_erosion(one == INFARCT) for one in labels])
    return np.where(core, np.uint8(NO_REFLOW), labels)


def made(masks: list[Scan], model: zoo.Model, request: Request) -> list[NDArray[np.float32]]:
    """The slice that is shown, of every mask."""
    found = [
        step.scan.array[SHOWN]
        for step in across_masks(masks, model, request, slices=[SHOWN])
        if isinstance(step, Synthetic)
    ]
    assert len(found) == len(masks)
    return found


if __name__ == "__main__":
    main()
