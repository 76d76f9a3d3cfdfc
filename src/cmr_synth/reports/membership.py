"""The report of membership attacks."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_synth.privacy.membership.attack import ATTACKS, WITHOUT_CALIBRATION, Membership
from cmr_synth.privacy.membership.figures import RATES, Figures, persons_needed
from cmr_synth.reports.content import Content, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number, significant

LEAD = "Can it be told which persons a generator was trained on?"


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
    first, alone = one.first, one.images_alone
    rates = [rate for rate in RATES if first.rates[rate] is not None]
    columns = {
        "attack": "",
        "AUC": "by person, within strata; 0.5 is chance; 95 % score interval",
        "p": "membership permuted among the persons of each stratum, one-sided",
        "p corrected": "for all secondary attacks (Holm)",
    } | {f"found at {rate:.1%}": f"true positives at {rate:.1%} false" for rate in rates}
    again = one.corrected
    rows = [
        _row(name if name in again else f"{name} (declared)", figures, again.get(name), rates)
        for name, figures in one.attacks.items()
    ]
    blank = [NONE] * len(rates)
    rows.append(["control: images alone", number(alone.auc), significant(alone.p, 2), NONE, *blank])
    mean, low, high = one.between_members
    between = NONE if mean != mean else interval(mean, low, high)  # NaN: too few members
    rows.append(["control: member against member", between, NONE, NONE, *blank])
    words = [
        f"{one.verdict[0].upper()}{one.verdict[1:]}.",
        f"{first.members} persons that it was trained on, {first.others} others; somebody who was "
        "examined twice is one.",
    ]
    if not one.is_calibrated:
        words.append(WITHOUT_CALIBRATION)
    remarks = [f"{name}: {ATTACKS[name]}." for name in one.attacks]
    remarks += [
        f"The verdict is by the attack declared beforehand, {one.declared}; the others are beside "
        "it, with p-values for as many.",
        f"Images alone: a classifier that sees no model. Its AUC of {number(alone.auc)} is above "
        f"that of {alone.percentile:.0f} % of {alone.splits} other splits of the same persons, of "
        f"which 95 % lie in {number(alone.null[0])} to {number(alone.null[1])}; 0.5 says nothing "
        "here, as the balanced split drives it down. "
        + (
            "The sides differ by themselves."
            if alone.differs
            else "The sides are not shown to differ by themselves."
        ),
        "Member against member: the declared attack between random groups of members, of the "
        "sizes compared here; mean and 95 % range. What lies in it may be chance.",
    ]
    remarks += [
        f"True positives at {rate:.1%} false ones need {persons_needed(rate)} others; there are "
        f"{first.others}."
        for rate in RATES
        if rate not in rates
    ]
    strata = Table(
        ("stratum", "trained on", "others"),
        [[name, str(m), str(n)] for name, (m, n) in one.strata.items()],
        "Persons compared, and among whom membership was permuted",
    )
    choices = Table(("choice", "value"), list(one.choices.items()), "Every free choice")
    tables = [Table(columns, rows), strata, choices]
    return Section(title=one.name, words=words, tables=tables, remarks=remarks)


def _row(name: str, one: Figures, again: float | None, rates: Sequence[float]) -> list[str]:
    found = [one.rates[rate] for rate in rates]
    return [
        name,
        interval(*one.auc),
        significant(one.p, 2),
        NONE if again is None else significant(again, 2),
        *(NONE if each is None else interval(*each) for each in found),
    ]
