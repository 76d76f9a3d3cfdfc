"""The report of the tests of overfitting and copying."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_synth.privacy.overfitting.audit import LEVEL, Overfitting
from cmr_synth.reports.content import Content, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number

P_VALUES = {"p": "one-sided; of C_T two-sided", "p corrected": "for all tests (Holm)"}
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


def overfitting_content(found: Sequence[Overfitting]) -> Content:
    """Seven measures of every set beside what real patients give."""
    sections = [_section(one) for one in found]
    brief: list[str | Table] = []
    for one, section in zip(found, sections, strict=True):
        brief += [*([""] if brief else []), f"{one.name}: {section.words[0]}", *section.tables]
    return Content(
        title="Privacy: overfitting and copying",
        lead=LEAD,
        sections=sections,
        data={"sets": [one.as_dict() for one in found]},
        brief=brief,
    )


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
        [
            name,
            interval(estimate.value, estimate.low, estimate.high),
            number(estimate.real),
            *(
                [number(one.tests[name][0]), number(one.corrected[name])]
                if name in one.tests
                else [NONE, NONE]
            ),
            meaning,
        ]
        for (name, meaning), estimate in zip(MEANINGS.items(), estimates, strict=True)
    ]
    measures = Table(
        {
            "test": "",
            "value": "95 % interval over patients",
            "real": "held-out",
            **P_VALUES,
            "meaning": "",
        },
        rows,
    )
    around = {"all": one.cluster, **{f"style of {v}": c for v, c in one.styles.items()}}
    clusters = Table(
        {
            "slices": "",
            "around one patient": "largest share nearest to one training patient",
            "real": "the same of as many held-out patients",
            "p": "share of draws that reach it, set and patients changing places",
            "p corrected": f"for {len(one.tests)} tests (Holm)",
            "patient": "",
        },
        [
            [
                name,
                number(c.share),
                number(c.real),
                number(c.p),
                number(one.corrected["cluster" if c is one.cluster else name]),
                c.patient,
            ]
            for name, c in around.items()
        ],
    )
    remarks = [
        "Slices are compared by descriptors of the copy detector, never with the patient whose "
        "mask they follow. Patients are the units of intervals.",
        "Styles: slices made in one vendor's style, the heart painted over, so that scanner and "
        "site remain; one test for each.",
        f"{len(one.tests)} tests were made. What is called a finding has p <= {LEVEL:g} when "
        "corrected for their number (Holm).",
    ]
    if one.texture is not None:
        remarks.append(
            "Texture: slices from masks of training patients lie nearer to these patients' own "
            "pictures than slices from other masks to theirs with an AUC of "
            f"{interval(*one.texture.auc)} (0.5: all resemblance is the mask's; p "
            f"{number(one.texture.p)})."
        )
    tables = [measures, clusters]
    return Section(title=one.name, words=[f"{words}."], tables=tables, remarks=remarks)
