"""The report of the tests of overfitting and copying."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cmr_synth.privacy.overfitting.audit import Overfitting
from cmr_synth.privacy.overfitting.measures import Estimate
from cmr_synth.reports.document import Section, Table, interval, number, write_document

LEAD = "Does a synthetic set lie closer to its training patients than new patients do?"
MEANINGS = {
    "authenticity": "share of slices farther from their nearest training slice than that one from "
    "its own nearest",
    "generalisation gap": "how much farther held-out patients lie from the set; above 0: closer "
    "to training patients",
    "C_T": "data copying; below 0: closer to the training set than held-out slices, above: farther",
    "adversarial accuracy, held-out": "0.5: set and patients are not told apart",
    "adversarial accuracy, training": "0.5: set and patients are not told apart",
    "privacy loss": "the first less the second; above 0: training patients are nearer",
    "diversity": "median distance between slices over that of real ones",
}


def write_overfitting(
    out: Path, found: Sequence[Overfitting]
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write page and JSON; returns the facts, lines for a terminal, and the files."""
    sections = [_section(one) for one in found]
    facts: dict[str, Any] = {"sets": [one.as_dict() for one in found]}
    files = write_document(out, "Privacy: overfitting and copying", LEAD, sections, facts)
    lines: list[str] = []
    for one, section in zip(found, sections, strict=True):
        lines += [*([""] if lines else []), f"{one.name}: {section.words[0]}"]
        lines += [*section.tables[0].text(), *section.tables[1].text()]
    return facts, lines, files


def _section(one: Overfitting) -> Section:
    said = one.findings()
    words = "; ".join(said) if said else "nothing lies outside of what real patients give"
    estimates = (
        one.authenticity,
        one.gap,
        one.copying,
        one.accuracy_held_out,
        one.accuracy_training,
        one.loss,
        one.diversity,
    )
    rows = [
        [name, _shown(estimate), number(estimate.real), meaning]
        for (name, meaning), estimate in zip(MEANINGS.items(), estimates, strict=True)
    ]
    measures = Table(
        {"test": "", "value": "95 % interval over patients", "real": "held-out", "meaning": ""},
        rows,
    )
    around = {"all": one.cluster, **{f"style of {v}": c for v, c in one.styles.items()}}
    clusters = Table(
        {
            "slices": "",
            "around one patient": "largest share nearest to one training patient",
            "real": "the same of as many held-out patients",
            "p": "share of draws of real patients that reach it",
            "patient": "",
        },
        [
            [name, number(c.share), number(c.real), f"{c.p:.3f}", c.patient]
            for name, c in around.items()
        ],
    )
    notes = [
        "Slices are compared by descriptors of the copy detector, never with the patient whose "
        "mask they follow. Patients are the units of intervals.",
        "Styles: slices made in one vendor's style, the heart painted over, so that scanner and "
        "site remain; one test for each.",
    ]
    if one.texture is not None:
        notes.append(
            "Texture: slices from masks of training patients lie nearer to these patients' own "
            "pictures than slices from other masks to theirs with an AUC of "
            f"{interval(*one.texture.auc)} (0.5: all resemblance is the mask's; p "
            f"{one.texture.p:.3f})."
        )
    return Section(one.name, words=[f"{words}."], tables=[measures, clusters], notes=notes)


def _shown(one: Estimate) -> str:
    return interval(one.value, one.low, one.high)
