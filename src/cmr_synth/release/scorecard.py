"""The scorecard of synthetic medical data: seven criteria, each with the figure that was measured.

Zamzmi et al. 2025, "Scorecard for synthetic medical data evaluation", Communications Engineering
4:130, doi 10.1038/s44172-025-00450-1. A criterion without a figure says so; none is ever guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cmr_synth.reports.numbers import number

SOURCE = "Zamzmi et al., Commun Eng 4:130, 2025, doi 10.1038/s44172-025-00450-1"
NONE = "not measured"


@dataclass(frozen=True)
class Criterion:
    """One of the seven.

    Parameters
    ----------
    name : str
    asks : str
        What it asks, in one sentence.
    found : tuple of str
        Figures, in words; `NONE` where there is none.
    where : str
        In which part of the evidence they stand.
    """

    name: str
    asks: str
    found: tuple[str, ...]
    where: str


def scorecard(facts: Mapping[str, Any]) -> list[Criterion]:
    """Fill the seven criteria in from the figures of a release.

    Parameters
    ----------
    facts : mapping
        As `finishing` writes them to `evidence.json`.
    """
    return [
        Criterion(
            "Congruence",
            "Do synthetic pictures lie where real ones lie?",
            _congruence(facts),
            "fidelity",
        ),
        Criterion(
            "Coverage",
            "Do they vary as real ones do, and cover what was asked for?",
            _coverage(facts),
            "fidelity, composition",
        ),
        Criterion(
            "Constraint",
            "Do they keep to anatomy and to their masks?",
            _constraint(facts),
            "adherence, anatomy",
        ),
        Criterion(
            "Completeness",
            "Is everything there that was asked for, and everything that is needed?",
            _completeness(facts),
            "composition",
        ),
        Criterion(
            "Compliance",
            "Are formats, marks, licences and privacy in order?",
            _compliance(facts),
            "privacy, licence",
        ),
        Criterion(
            "Comprehension",
            "Can a reader know what this is, and what it is not?",
            (
                "this datasheet, a record for every picture, Croissant metadata, intended use and "
                "limits; whether readers understand them has not been measured",
            ),
            "all of it",
        ),
        Criterion(
            "Consistency",
            "Do figures hold from part to part, and does it come out the same again?",
            _consistency(facts),
            "fidelity by vendor",
        ),
    ]


def _space(facts: Mapping[str, Any], who: str) -> Mapping[str, Any] | None:
    found = (facts.get("fidelity") or {}).get(who)
    return found if isinstance(found, Mapping) else None


def _congruence(facts: Mapping[str, Any]) -> tuple[str, ...]:
    own = _space(facts, "all")
    frechet = own and own.get("frechet")
    if not own or not frechet:
        return (NONE,)
    if frechet.get("ratio") is None:
        return (NONE,)
    return (
        f"{own['frechet_name']} in {own['space']}: {frechet['ratio']:.2f} of the distance between "
        f"real patients ({frechet['ratio_low']:.2f} to {frechet['ratio_high']:.2f}); 1 is as near "
        "as real patients are",
    )


def _coverage(facts: Mapping[str, Any]) -> tuple[str, ...]:
    said = []
    own = _space(facts, "all")
    for name in ("coverage", "recall"):
        if own and own["coverage"].get(name) is not None:
            real = number(own["real_coverage"].get(name), 2)
            said.append(f"{name} {own['coverage'][name]:.2f}, of real patients {real}")
    for what, words in facts["mix"].items():
        made = sum(one["made"] for one in words.values())
        said.append(f"{len(words)} {what} groups, {made} patients")
    return tuple(said)


def _constraint(facts: Mapping[str, Any]) -> tuple[str, ...]:
    said = []
    adherence = facts.get("adherence")
    if adherence:
        dice = ", ".join(f"{name} {one['mean']:.3f}" for name, one in adherence["dice"].items())
        said.append(
            f"{adherence['share_missed']:.1%} of slices miss their mask in some structure; Dice "
            f"against the mask: {dice}"
        )
    anatomy = facts["anatomy"]
    said.append(
        f"{anatomy['findings']} findings of implausible anatomy on {anatomy['slices']} slices"
    )
    return tuple(said)


def _completeness(facts: Mapping[str, Any]) -> tuple[str, ...]:
    said = [
        f"{facts['patients']} of {facts['patients_asked']} patients, {facts['pictures']} pictures, "
        f"{facts['slices']} slices, each with mask and record"
    ]
    for name, one in facts["function"].items():
        if "asked" in one:
            asked = one["asked"]
            said.append(
                f"{name}: {asked['within_tolerance']} of {asked['patients']} patients within the "
                "tolerance that was asked for"
            )
    return tuple(said)


def _compliance(facts: Mapping[str, Any]) -> tuple[str, ...]:
    privacy = facts["privacy"]
    epsilon = privacy["epsilon"]
    private = (
        "the model was trained without differential privacy"
        if epsilon is None
        else f"differential privacy of the model: epsilon {epsilon['epsilon']:g} at delta "
        f"{epsilon['delta']:g} for every {epsilon['unit']}"
    )
    return (
        f"privacy: {privacy['verdict']}",
        private,
        f"licence: {facts['licence']['words']}",
        "every file is marked as synthetic, hashed and signed for",
    )


def _consistency(facts: Mapping[str, Any]) -> tuple[str, ...]:
    said = []
    ratios = {
        who: one["frechet"]["ratio"]
        for who, one in (facts.get("fidelity") or {}).items()
        if who != "all" and isinstance(one, Mapping) and one.get("frechet")
    }
    if ratios:
        words = ", ".join(f"{who} {ratio:.2f}" for who, ratio in ratios.items())
        said.append(f"ratio to real patients by vendor: {words}")
    else:
        said.append(f"by vendor: {NONE}")
    said.append(
        "made again from its request with the same versions, every file has the same bytes; "
        "`release verify` makes pictures again from their records"
    )
    return tuple(said)
