"""The report of membership attacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cmr_synth.privacy.membership.attack import ATTACKS, REFERENCE, Membership
from cmr_synth.privacy.membership.figures import RATES, Figures
from cmr_synth.reports.document import Section, Table, interval, write_document

LEAD = "Can it be told which patients a generator was trained on?"


def write_membership(
    out: Path, found: Sequence[Membership]
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write page and JSON; returns the facts, lines for a terminal, and the files."""
    sections = [_section(one) for one in found]
    facts: dict[str, Any] = {"models": [one.as_dict() for one in found]}
    files = write_document(out, "Privacy: membership", LEAD, sections, facts)
    lines: list[str] = []
    for one, section in zip(found, sections, strict=True):
        lines += [*([""] if lines else []), f"{one.name}: {one.verdict}"]
        lines += section.tables[0].text()
    return facts, lines, files


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
    rows.append(["control: member against member", interval(mean, low, high), "–", "–", "–", "–"])
    words = [
        f"{one.verdict[0].upper()}{one.verdict[1:]}.",
        f"{first.members} patients that it was trained on, {first.others} others.",
    ]
    notes = [f"{name}: {what}." for name, what in ATTACKS.items()]
    if REFERENCE not in one.attacks:
        notes.append("No reference model was given; the attack that needs one (RMIA) was not run.")
    notes += [
        "Images alone: a classifier that sees no model. Where it tells the groups apart, they "
        "differ by themselves.",
        "Member against member: the strongest attack between random groups of members, of the "
        "sizes compared here; mean and 95 % range. What lies in it may be chance.",
        f"One false positive among {first.others} patients is {1 / first.others:.1%}: rates of "
        "0.1 % rest on the few slices that lie farthest out.",
    ]
    choices = Table(
        {"choice": "", "value": ""}, [[k, v] for k, v in one.choices.items()], "Every free choice"
    )
    return Section(one.name, words=words, tables=[Table(columns, rows), choices], notes=notes)


def _row(name: str, one: Figures) -> list[str]:
    return [
        name,
        interval(*one.auc),
        f"{one.slice_auc:.3f}",
        f"{one.p:.3f}",
        *(interval(*one.rates[rate]) for rate in RATES),
    ]
