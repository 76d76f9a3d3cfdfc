"""Mask adherence and anatomy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.evaluation.adherence.dice import dice_of_slices
from cmr_synth.reports.content import Content, Picture, Plot, Section, Table
from cmr_synth.reports.numbers import beside, interval, significant
from cmr_synth.reports.plots import BLUE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.adherence.anatomy import Measure
    from cmr_synth.evaluation.adherence.cells import Cell
    from cmr_synth.evaluation.adherence.strata import Stratum
    from cmr_synth.evaluation.protocol import Followed
    from cmr_synth.evaluation.sample import Sample

SHOWN = 6  # slices in a picture
DRAWN, FOUND = (86, 180, 233), (240, 228, 66)  # blue and yellow outlines

COLUMNS = {
    "Candidate": "",
    "Slices of": "",
    "Structure": "",
    "Adherence": "Dice of synthetic over Dice of real slices, with the 95 % interval by patient; 1 "
    "is as well as reality",
    "Dice": "between the mask and what the segmenter finds, pooled over the slices of a patient, "
    "mean over patients; real slices' in brackets",
    "Surface Dice": "share of both outlines within 2 mm of the other; 0 where a structure is "
    "missed",
    "HD95 mm": "95th percentile of the distances of both outlines pooled (as MedPy)",
    "HD95 directed": "the larger of the two one-way percentiles (as MONAI)",
    "HD mm": "largest distance",
    "ASD mm": "mean distance of both outlines pooled",
    "Missed": "slices on which the structure was drawn and not found, or found and not drawn; they "
    "have no distance and count 0 in both Dice",
    "Patients": "",
}
CELL_COLUMNS = {
    "Candidate": "",
    "In the style of": "all masks are made in the style of every vendor, whatever scanner theirs "
    "came from, with the cohort left open; no slice is drawn again",
    "Pathology": "",
    "Phase": "",
    "Patients": "a cell needs 5",
    **{
        structure: "Dice of synthetic slices over Dice of the real slices of these masks, with the "
        "95 % interval by patient"
        for structure in STRUCTURES
    },
}
MEASURE_COLUMNS = {
    "Candidate": "",
    "Measurement": "found by the segmenter on both sides, so that its habits cancel",
    "Real": "mean over patients",
    "Synthetic": "",
    "Effect": "Hedges' g with its 95 % interval; about 0.2 is small, 0.8 large",
    "Distance": "Wasserstein distance of the two distributions, in the measurement's unit",
    "Patients": "real, synthetic",
}


def adherence_content(
    held_out: Sample, followed: Sequence[Followed], *, split: str, seed: int
) -> Content:
    """How well candidates follow their masks, by structure, level and vendor, and their anatomy."""
    patients = len(np.unique(held_out.patients))
    segmenter = followed[0].adherence.segmenter
    lead = (
        f"{len(held_out)} {split} slices of {patients} patients that no model has seen; synthetic "
        f"slices with seed {seed}. What segmenter {segmenter[:12]} finds is compared with the "
        "mask, beside what it finds on real slices. Every figure is over patients."
    )
    main = Table(COLUMNS, [_cells(one.name, s) for one in followed for s in _strata(one, "all")])
    pictures = [_worst(one) for one in followed]
    sections = [Section(title="Mask adherence", tables=[main], plots=pictures)]
    for by, title in (("level", "By slice level"), ("vendor", "By vendor")):
        rows = [_cells(one.name, s) for one in followed for s in _strata(one, by)]
        if len({row[1] for row in rows}) > 1:
            sections.append(Section(title=title, tables=[Table(list(COLUMNS), rows)]))
    rows = [row for one in followed for row in _vendor_rows(one)]
    if any(one.cells is not None for one in followed):
        said = [] if rows else ["No pathology has 5 patients, or no candidate knows vendors."]
        sections.append(
            Section(
                title="Every pathology in every vendor's style",
                words=said,
                tables=[Table(CELL_COLUMNS, rows)] if rows else [],
            )
        )
    rows = [_measure_cells(one.name, m) for one in followed for m in one.anatomy]
    if rows:
        plots = [_boxes(one) for one in followed if one.anatomy]
        tables = [Table(MEASURE_COLUMNS, rows)]
        sections.append(Section(title="Anatomy", tables=tables, plots=plots))
    return Content(
        title="Does it follow its mask",
        lead=lead,
        sections=sections,
        brief=[main, "", lead],
        data={
            "split": split,
            "seed": seed,
            "slices": len(held_out),
            "patients": patients,
            "candidates": [one.as_dict() for one in followed],
        },
    )


def _strata(one: Followed, by: str) -> list[Stratum]:
    return [stratum for stratum in one.adherence.strata if stratum.by == by]


def _cells(name: str, one: Stratum) -> list[str]:
    dice = one.scores["dice"]
    digits = {"dice": 3, "surface_dice": 3, "hd95": 1, "hd95_directed": 1, "hd": 1, "asd": 2}
    return [
        name,
        one.value or "unknown",
        one.structure,
        interval(dice.ratio, dice.ratio_low, dice.ratio_high),
        *(beside(one.scores[k].synthetic, one.scores[k].real, n) for k, n in digits.items()),
        f"{one.missed} ({one.real_missed}) of {one.slices}",
        str(one.patients),
    ]


def _vendor_rows(one: Followed) -> list[list[str]]:
    """A row for vendor, pathology and phase, its structures side by side."""
    rows: dict[tuple[str, str, str], dict[str, Cell]] = {}
    for cell in one.cells or ():
        rows.setdefault((cell.vendor, cell.pathology, cell.phase), {})[cell.structure] = cell
    return [
        [
            one.name,
            vendor,
            pathology or "unknown",
            phase or "unknown",
            str(max(cell.patients for cell in found.values())),
            *(
                interval(found[s].dice.ratio, found[s].dice.ratio_low, found[s].dice.ratio_high)
                if s in found
                else "–"
                for s in STRUCTURES
            ),
        ]
        for (vendor, pathology, phase), found in rows.items()
    ]


def _measure_cells(name: str, one: Measure) -> list[str]:
    apart = one.difference
    return [
        name,
        one.words,
        significant(apart.real),
        significant(apart.synthetic),
        interval(apart.effect, apart.low, apart.high, 2),
        significant(apart.distance),
        f"{apart.real_patients}, {apart.synthetic_patients}",
    ]


def _worst(one: Followed) -> Picture:
    """Slices with the lowest Dice over all structures, with both outlines."""
    from PIL import Image
    from skimage.segmentation import find_boundaries

    truth, found = one.synthetic.labels, one.found
    order = np.argsort(dice_of_slices(found, truth), kind="stable")
    tiles = []
    for i in one.synthetic.one_a_patient(order, SHOWN):
        grey = np.kron(one.synthetic.pixels[i], np.ones((2, 2)))
        rgb = np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)
        for labels, colour in ((truth[i], DRAWN), (found[i], FOUND)):
            edges = find_boundaries(np.kron(labels, np.ones((2, 2), np.uint8)), mode="inner")
            rgb[edges] = colour
        tiles.append(rgb)
    return Picture(
        says=f"{one.name}: slices on which the outline that was found (yellow) is furthest from "
        "the mask (blue), one of each patient",
        image=Image.fromarray(np.concatenate(tiles, axis=1)),
    )


def _boxes(one: Followed) -> Plot:
    """A box with the patients of every measurement, real beside synthetic."""
    columns = 4
    rows = -(-len(one.anatomy) // columns)

    def drawn(figure: Figure) -> None:
        axes = figure.subplots(rows, columns, squeeze=False)
        jitter = np.random.default_rng(0)
        for ax, measure in zip(axes.flat, one.anatomy, strict=False):
            sides = ((measure.real, "0.5"), (measure.synthetic, BLUE))
            for place, (values, colour) in enumerate(sides):
                lines = {part: {"color": colour} for part in ("boxprops", "whiskerprops")}
                ax.boxplot(
                    values,
                    positions=[place],
                    widths=0.5,
                    showfliers=False,
                    medianprops={"color": colour, "lw": 2},
                    capprops={"color": colour},
                    **lines,
                )
                across = place + jitter.uniform(-0.15, 0.15, len(values))
                ax.plot(across, values, ".", color=colour, ms=4, alpha=0.7)
            ax.set_xticks([0, 1], ["real", "synthetic"], fontsize=8)
            effect = measure.difference.effect
            ax.set_title(f"{measure.words}\ng = {effect:+.2f}", fontsize=7.5, wrap=True)
            ax.tick_params(labelsize=8)
        for ax in list(axes.flat)[len(one.anatomy) :]:
            ax.set_axis_off()

    return Plot(
        says=f"{one.name}: measurements of real (grey) and synthetic (blue) patients",
        draw=drawn,
        inches=(2.9 * columns, 2.2 * rows),
    )
