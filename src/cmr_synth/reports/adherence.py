"""Mask adherence and anatomy as a page, a JSON file and plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.reports.document import Section, Table, interval, write_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from cmr_synth.evaluation.adherence.anatomy import Measure
    from cmr_synth.evaluation.adherence.strata import Stratum
    from cmr_synth.evaluation.protocol import Followed
    from cmr_synth.evaluation.sample import Sample

SHOWN = 6  # slices in a picture


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
MEASURE_COLUMNS = {
    "Candidate": "",
    "Measurement": "found by the segmenter on both sides, so that its habits cancel",
    "Real": "mean over patients",
    "Synthetic": "",
    "Effect": "Hedges' g with its 95 % interval; about 0.2 is small, 0.8 large",
    "Distance": "Wasserstein distance of the two distributions, in the measurement's unit",
    "Patients": "real, synthetic",
}


def write_adherence(
    out: Path, held_out: Sample, followed: Sequence[Followed], *, split: str, seed: int
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write the report; returns its facts, lines for a terminal, and the names of its files."""
    patients = len(np.unique(held_out.patients))
    segmenter = followed[0].adherence.segmenter
    lead = (
        f"{len(held_out)} {split} slices of {patients} patients that no model has seen; synthetic "
        f"slices with seed {seed}. What segmenter {segmenter[:12]} finds is compared with the "
        "mask, beside what it finds on real slices. Every figure is over patients."
    )
    main = Table(COLUMNS, [_cells(one.name, s) for one in followed for s in _strata(one, "all")])
    pictures: dict[str, Image.Image] = {
        f"{one.name}: slices on which the outline that was found (yellow) is furthest from the "
        "mask (blue), one of each patient": _worst(one)
        for one in followed
    }
    sections = [Section("Mask adherence", tables=[main], figures=pictures)]
    for by, title in (("level", "By slice level"), ("vendor", "By vendor")):
        rows = [_cells(one.name, s) for one in followed for s in _strata(one, by)]
        if len({row[1] for row in rows}) > 1:
            sections.append(Section(title, tables=[Table(dict.fromkeys(COLUMNS, ""), rows)]))
    rows = [_measure_cells(one.name, m) for one in followed for m in one.anatomy]
    if rows:
        plots = {
            f"{one.name}: measurements of real (grey) and synthetic (blue) patients": _plot(one)
            for one in followed
            if one.anatomy
        }
        sections.append(Section("Anatomy", tables=[Table(MEASURE_COLUMNS, rows)], figures=plots))
    facts = {
        "split": split,
        "seed": seed,
        "slices": len(held_out),
        "patients": patients,
        "candidates": [one.as_dict() for one in followed],
    }
    files = write_document(out, "Does it follow its mask", lead, sections, facts)
    return facts, [*main.text(), "", lead, str(out / files["page"])], files


def _strata(one: Followed, by: str) -> list[Stratum]:
    return [stratum for stratum in one.adherence.strata if stratum.by == by]


def _cells(name: str, one: Stratum) -> list[str]:
    scores = one.scores
    dice = scores["dice"]

    def beside(score: str, digits: int) -> str:
        found = scores[score]
        return f"{found.synthetic:.{digits}f} ({found.real:.{digits}f})"

    return [
        name,
        one.value or "unknown",
        one.structure,
        interval(dice.ratio, dice.ratio_low, dice.ratio_high),
        beside("dice", 3),
        beside("surface_dice", 3),
        beside("hd95", 1),
        beside("hd95_directed", 1),
        beside("hd", 1),
        beside("asd", 2),
        f"{one.missed} ({one.real_missed}) of {one.slices}",
        str(one.patients),
    ]


def _measure_cells(name: str, one: Measure) -> list[str]:
    apart = one.difference
    return [
        name,
        one.words,
        f"{apart.real:.3g}",
        f"{apart.synthetic:.3g}",
        interval(apart.effect, apart.low, apart.high, 2),
        f"{apart.distance:.3g}",
        f"{apart.real_patients}, {apart.synthetic_patients}",
    ]


def _worst(one: Followed) -> Image.Image:
    """Slices with the lowest Dice over all structures, with both outlines."""
    from PIL import Image
    from skimage.segmentation import find_boundaries

    truth, found = one.synthetic.labels, one.found
    heart = (truth > 0) & (truth < 255)
    same = (heart & (found == truth)).sum(axis=(1, 2))
    total = heart.sum(axis=(1, 2)) + (found > 0).sum(axis=(1, 2))
    order = np.argsort(2 * same / np.maximum(total, 1), kind="stable")
    chosen: list[int] = []
    for i in order:
        if one.synthetic.patients[i] not in one.synthetic.patients[chosen]:
            chosen.append(int(i))
        if len(chosen) == SHOWN:
            break
    tiles = []
    for i in chosen:
        grey = np.kron(one.synthetic.pixels[i], np.ones((2, 2)))
        rgb = np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)
        for labels, colour in ((truth[i], (86, 180, 233)), (found[i], (240, 228, 66))):
            edges = find_boundaries(np.kron(labels, np.ones((2, 2), np.uint8)), mode="inner")
            rgb[edges] = colour
        tiles.append(rgb)
    return Image.fromarray(np.concatenate(tiles, axis=1))


def _plot(one: Followed) -> Figure:
    """A box with the patients of every measurement, real beside synthetic."""
    from matplotlib.figure import Figure

    columns = 4
    rows = -(-len(one.anatomy) // columns)
    figure = Figure(figsize=(2.9 * columns, 2.2 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    draw = np.random.default_rng(0)
    for ax, measure in zip(axes.flat, one.anatomy, strict=False):
        for place, (values, colour) in enumerate(
            ((measure.real, "0.5"), (measure.synthetic, "#0072b2"))
        ):
            ax.boxplot(
                values,
                positions=[place],
                widths=0.5,
                showfliers=False,
                medianprops={"color": colour, "lw": 2},
            )
            across = place + draw.uniform(-0.15, 0.15, len(values))
            ax.plot(across, values, ".", color=colour, ms=4, alpha=0.7)
        ax.set_xticks([0, 1], ["real", "synthetic"], fontsize=8)
        ax.set_title(
            f"{measure.words}\ng = {measure.difference.effect:+.2f}", fontsize=7.5, wrap=True
        )
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in list(axes.flat)[len(one.anatomy) :]:
        ax.set_axis_off()
    return figure
