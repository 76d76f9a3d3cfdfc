"""The report of membership attacks."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_synth.privacy.membership.attack import ATTACKS, REFERENCE, Membership
from cmr_synth.privacy.membership.figures import RATES, Figures
from cmr_synth.reports.content import Content, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number

LEAD = "Can it be told which patients a generator was trained on?"


def membership_content(found: Sequence[Membership]) -> Content:
    """Every attack on every model, and what it may rest on."""
    sections = [_section(one) for one in found]
    brief: list[str | Table] = []
    for one, section in zip(found, sections, strict=True):
        brief += [*([""] if brief else []), f"{one.name}: {one.verdict}", section.tables[0]]
    return Content(
        title="Privacy: membership",
        lead=LEAD,
        sections=sections,
        data={"models": [one.as_dict() for one in found]},
        brief=brief,
    )


def _section(one: Membership) -> Section:
    first = next(iter(one.attacks.values()))
    columns = {
        "attack": "",
        "AUC": "by patient, within cohorts; 0.5 is chance; 95 % interval over patients",
        "AUC by slice": "patients weighing the same",
        "p": "permutation of the patients' membership, one-sided",
    } | {f"found at {rate:.1%}": f"true positives at {rate:.1%} false" for rate in RATES}
    rows = [_row(name, figures) for name, figures in one.attacks.items()]
    rows.append(_row("control: images alone", one.images_alone))
    mean, low, high = one.between_members
    rows.append(["control: member against member", interval(mean, low, high), *[NONE] * 4])
    words = [
        f"{one.verdict[0].upper()}{one.verdict[1:]}.",
        f"{first.members} patients that it was trained on, {first.others} others.",
    ]
    remarks = [f"{name}: {what}." for name, what in ATTACKS.items()]
    if REFERENCE not in one.attacks:
        remarks.append(
            "No reference model was given; the attack that needs one (RMIA) was not run."
        )
    remarks += [
        "Images alone: a classifier that sees no model. Where it tells the groups apart, they "
        "differ by themselves.",
        "Member against member: the strongest attack between random groups of members, of the "
        "sizes compared here; mean and 95 % range. What lies in it may be chance.",
        f"One false positive among {first.others} patients is {1 / first.others:.1%}: rates of "
        "0.1 % rest on the few slices that lie farthest out.",
    ]
    choices = Table(("choice", "value"), list(one.choices.items()), "Every free choice")
    tables = [Table(columns, rows), choices]
    return Section(title=one.name, words=words, tables=tables, remarks=remarks)


def _row(name: str, one: Figures) -> list[str]:
    return [
        name,
        interval(*one.auc),
        number(one.slice_auc),
        number(one.p),
        *(interval(*one.rates[rate]) for rate in RATES),
    ]
