"""Fidelity as a page, a JSON file and pictures of what gives synthetic slices away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.reports.document import Section, Table, interval, write_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.evaluation.realism.fidelity import Fidelity
    from cmr_synth.evaluation.realism.paired_samples import PairedSample
    from cmr_synth.evaluation.realism.tissue_samples import TissueSample
    from cmr_synth.evaluation.realism.two_sample import TwoSample
    from cmr_synth.evaluation.sample import Sample

SHOWN = 8  # slices in the picture of the two-sample test


@dataclass(frozen=True, eq=False)
class Measured:
    """All there is about one candidate.

    Parameters
    ----------
    name : str
    sha256 : str or None
    synthetic : Sample
    spaces : sequence of Fidelity
    told : TwoSample or None
    paired : PairedSample or None
    tissue : TissueSample or None
    """

    name: str
    sha256: str | None
    synthetic: Sample
    spaces: Sequence[Fidelity]
    told: TwoSample | None
    paired: PairedSample | None
    tissue: TissueSample | None

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "spaces": [one.as_dict() for one in self.spaces],
            "two_sample": self.told and self.told.as_dict(),
            "paired": self.paired and self.paired.as_dict(),
            "tissue": self.tissue and self.tissue.as_dict(),
        }


SPACE_COLUMNS = {
    "Candidate": "",
    "Ratio": "the distance over its floor; 1 is as near as other real patients are",
    "Distance": "Frechet distance of synthetic to held-out slices, with the 95 % interval by "
    "patient",
    "Floor": "the same of other real patients, of as many slices; mean and sd over draws",
    "Kernel": "unbiased squared maximum mean discrepancy, cubic kernel, with the 95 % interval by "
    "patient",
    "Kernel floor": "the same of other real patients",
    "Precision": "share of synthetic slices within the reach of real ones, other real patients' in "
    "brackets",
    "Recall": "share of real slices within the reach of synthetic ones; low after mode collapse",
    "Density": "real neighbourhoods that a synthetic slice lies in, over their expected number",
    "Coverage": "share of real neighbourhoods with a synthetic slice in them",
    "Class score": "in the manner of the Inception Score; real slices' in brackets",
}


def write_fidelity(
    out: Path,
    held_out: Sample,
    other: Sample,
    measured: Sequence[Measured],
    *,
    split: str,
    seed: int,
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write the report; returns its facts, lines for a terminal, and the names of its files."""
    patients = len(np.unique(held_out.patients))
    lead = (
        f"{len(held_out)} {split} slices of {patients} patients that no model has seen; other real "
        f"patients: {len(np.unique(other.patients))} of the training; synthetic slices with seed "
        f"{seed}. Every figure is over patients."
    )
    sections, lines = [], []
    for number_of_space, first in enumerate(measured[0].spaces):
        spaces = [one.spaces[number_of_space] for one in measured]
        pairs = list(zip(measured, spaces, strict=True))
        table = Table(SPACE_COLUMNS, [_space_cells(one.name, found) for one, found in pairs])
        notes = [f"{one.name}: {note}" for one, found in pairs for note in found.notes]
        words = [
            f"{first.dimensions} features of the {first.space}, {first.hash}. The distances are "
            f"called {first.frechet_name} and {first.kernel_name} here; classes of the score: "
            f"{first.classes}."
        ]
        sections.append(Section(f"Realism: {first.space}", words, [table], notes=notes))
        lines += [f"{first.space} ({first.hash[:12]})", *table.text(), ""]
    if any(one.told for one in measured):
        sections.append(_told_section(held_out, measured))
        lines += [*sections[-1].tables[0].text(), ""]
    for make in (_paired_section, _tissue_section):
        section = make(measured)
        if section is not None:
            sections.append(section)
    facts = {
        "split": split,
        "seed": seed,
        "slices": len(held_out),
        "patients": patients,
        "candidates": [one.as_dict() for one in measured],
    }
    files = write_document(out, "How near to real patients", lead, sections, facts)
    return facts, [*lines, lead, str(out / files["page"])], files


def _space_cells(name: str, found: Fidelity) -> list[str]:
    distance, kernel, floor = found.frechet, found.kernel, found.kernel_floor
    frechet = (
        ["–", "–", "–"]
        if distance is None
        else [
            interval(distance.ratio, distance.ratio_low, distance.ratio_high, 2),
            interval(distance.value, distance.low, distance.high),
            f"{distance.floor:.3f} (sd {distance.floor_sd:.3f})",
        ]
    )
    synthetic, real = found.coverage, found.real_coverage
    shares = [
        f"{getattr(synthetic, k):.2f} ({getattr(real, k):.2f})"
        for k in ("precision", "recall", "density", "coverage")
    ]
    return [
        name,
        *frechet,
        interval(kernel.value, kernel.low, kernel.high),
        interval(floor.value, floor.low, floor.high),
        *shares,
        f"{found.class_score:.2f} ({found.real_class_score:.2f})",
    ]


TOLD_COLUMNS = {
    "Candidate": "",
    "AUC": "area under the ROC curve of a small network that tells synthetic from real slices of "
    "patients it was not trained on, with the 95 % interval by patient; 0.5 is chance, 1 means "
    "that every slice gives itself away",
    "Accuracy": "at even odds",
    "Slices": "of each kind",
    "Patients": "",
}


def _told_section(held_out: Sample, measured: Sequence[Measured]) -> Section:
    rows = [
        [
            one.name,
            interval(one.told.auc, one.told.low, one.told.high),
            f"{one.told.accuracy:.1%}",
            str(one.told.slices),
            str(one.told.patients),
        ]
        for one in measured
        if one.told is not None
    ]
    figures = {
        f"{one.name}: synthetic slices that gave themselves away most, and what speaks for "
        "synthetic (orange) and for real (blue)": _saliency(one, len(held_out))
        for one in measured
        if one.told is not None
    }
    words = [
        "A trained network finds traces that no reader sees: an AUC near 1 says that they exist, "
        "not that they matter. The pictures show where it looks."
    ]
    return Section("Two-sample test", words, [Table(TOLD_COLUMNS, rows)], figures)


def _saliency(one: Measured, real: int) -> Figure:
    from matplotlib.figure import Figure
    from scipy import ndimage

    assert one.told is not None
    scores = one.told.scores[real:]
    chosen: list[int] = []
    for i in np.argsort(scores)[::-1]:  # one slice a patient
        if one.synthetic.patients[i] not in one.synthetic.patients[chosen]:
            chosen.append(int(i))
        if len(chosen) == SHOWN:
            break
    figure = Figure(figsize=(1.5 * len(chosen), 3.3), layout="constrained", facecolor="#101214")
    axes = figure.subplots(2, len(chosen), squeeze=False)
    for column, i in enumerate(chosen):
        speaks = ndimage.gaussian_filter(one.told.saliency[real + i], 1.5)
        reach = float(np.quantile(np.abs(speaks), 0.995)) or 1.0
        axes[0, column].imshow(one.synthetic.pixels[i], cmap="gray", vmin=0, vmax=1)
        axes[1, column].imshow(one.synthetic.pixels[i], cmap="gray", vmin=0, vmax=1)
        axes[1, column].imshow(
            speaks,
            cmap="PuOr_r",
            vmin=-reach,
            vmax=reach,
            alpha=np.clip(np.abs(speaks) / reach, 0, 1) * 0.8,
        )
        axes[0, column].set_title(f"{scores[i]:.2f}", color="#f2f3f5", fontsize=9)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure


def _paired_section(measured: Sequence[Measured]) -> Section | None:
    from cmr_synth.evaluation.realism.paired_samples import HEADINGS, WORDS

    rows = [
        [
            one.name,
            *(
                interval(mean.mean, mean.low, mean.high, 4 if name == "mse" else 3)
                for name, mean in one.paired.values.items()
            ),
        ]
        for one in measured
        if one.paired is not None
    ]
    if not rows:
        return None
    words = [
        "Against the real slice of the same mask. A generator is not asked to repeat the patient: "
        "a high similarity is no aim, and an extreme one is a warning."
    ]
    columns = {"Candidate": ""} | {HEADINGS[name]: WORDS[name] for name in HEADINGS}
    return Section("Pixel by pixel", words, [Table(columns, rows)])


TISSUE_COLUMNS = {
    "Candidate": "",
    "Vendor": "",
    "Figure": "",
    "Real range": "95 % of other real patients' slices of this vendor lie within",
    "Within": "share of synthetic slices in the range, held-out real ones' in brackets",
    "Real": "mean over held-out patients",
    "Synthetic": "mean over the patients whose masks were taken",
    "Effect": "Hedges' g with its 95 % interval; about 0.2 is small, 0.8 large",
}


def _tissue_section(measured: Sequence[Measured]) -> Section | None:
    from cmr_synth.evaluation.realism.tissue import FIGURES

    rows = []
    for one in measured:
        for found in one.tissue.figures if one.tissue else ():
            apart = found.difference
            rows.append(
                [
                    one.name,
                    found.vendor or "unknown",
                    FIGURES[found.figure],
                    f"{found.range.low:.3g} to {found.range.high:.3g}",
                    f"{found.inside:.0%} ({found.real_inside:.0%})",
                    "–" if apart is None else f"{apart.real:.3g}",
                    "–" if apart is None else f"{apart.synthetic:.3g}",
                    "–" if apart is None else interval(apart.effect, apart.low, apart.high, 2),
                ]
            )
    if not rows:
        return None
    words = ["Brightness, contrast, noise and sharpness of the tissues that the masks show."]
    return Section("Tissue", words, [Table(TISSUE_COLUMNS, rows)])
