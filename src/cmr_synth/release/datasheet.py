"""The datasheet of a release, described once: composition, provenance, evidence, scorecard, limits.

Its parts follow Gebru et al. 2021, "Datasheets for Datasets" (doi 10.1145/3458723).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

from cmr_synth.release.closeness import NOT_AUDITED
from cmr_synth.release.limits import INTENDED, LIMITS, NOT_FOR
from cmr_synth.release.scorecard import NONE, SOURCE, scorecard
from cmr_synth.reports.content import Content, Line, Section, Table
from cmr_synth.reports.numbers import beside, interval, share


def datasheet(facts: Mapping[str, Any]) -> Content:
    """Lay the figures of a release out.

    Parameters
    ----------
    facts : mapping
        As `finishing` writes them to `evidence.json`.
    """
    privacy = facts["privacy"]
    return Content(
        title=facts["title"],
        lead=f"Synthetic cardiac MR: nobody in it exists. Privacy: {privacy['verdict']}.",
        lines=[
            Line(name="Patients", value=facts["patients"], note=_left_out(facts)),
            Line(name="Pictures", value=facts["pictures"]),
            Line(name="Slices", value=facts["slices"]),
            Line(name="Privacy", value=privacy["verdict"]),
            Line(name="Licence", value=facts["licence"]["words"]),
        ],
        sections=[
            _composition(facts),
            _function(facts),
            _provenance(facts),
            _licence(facts),
            _adherence(facts),
            _fidelity(facts),
            _privacy(facts),
            _utility(facts),
            _scorecard(facts),
            Section(title="Intended use", remarks=[*INTENDED, *NOT_FOR]),
            Section(title="Limits", remarks=[*LIMITS, *facts["model"]["limits"]]),
        ],
        facts=[
            ("date", facts["date"]),
            ("made by", f"cmr-synth {facts['versions']['cmr_synth']}"),
            ("creator", facts["creator"] or "not stated"),
            ("contact", facts["contact"] or "not stated"),
            ("signed by", facts["signer"]),
        ],
        data=dict(facts),
    )


def footer_of(facts: Mapping[str, Any]) -> str:
    """What stands at the foot of every page."""
    audited = "" if facts["privacy"]["archive"] else f" {NOT_AUDITED}."
    return f"Synthetic: {facts['release']}, {facts['date']}.{audited}"


def _left_out(facts: Mapping[str, Any]) -> str:
    count = len(facts["withheld"])
    if not count:
        return "all that were asked for"
    return f"{count} of {facts['patients_asked']} left out: too close to a real patient"


def _composition(facts: Mapping[str, Any]) -> Section:
    rows = [
        [what, word, one["asked"], one["made"]]
        for what, words in facts["mix"].items()
        for word, one in words.items()
    ]
    return Section(
        title="Composition",
        words=[
            f"{facts['layout']}. Masks: {facts['masks']['words']}. Every patient has "
            f"{_phases(facts)}; patients.csv has a row for each, slices.csv a row "
            "for every slice."
        ],
        tables=[Table(["", "group", "patients asked for", "patients made"], rows)],
    )


def _phases(facts: Mapping[str, Any]) -> str:
    if facts["frames"] is None:
        return " and ".join(facts["phases"])
    return f"a cine of {facts['frames']} frames, from ED to ES and back"


def _function(facts: Mapping[str, Any]) -> Section:
    rows = []
    for name, one in facts["function"].items():
        asked = one.get("asked")
        met = f"{asked['within_tolerance']} of {asked['patients']}" if asked else "not asked for"
        rows.append([name, _spread(one.get("mask")), _spread(one.get("picture")), met])
    columns = {
        "measurement": "",
        "masks": "mean, standard deviation and range over patients",
        "pictures": "the same, as the segmenter reads it off the pictures",
        "within tolerance": "patients whose mask measures what was asked for",
    }
    words = [] if rows else [f"Function: {NONE}; it takes masks of ED and ES."]
    return Section(title="Function", words=words, tables=[Table(columns, rows)] if rows else [])


def _spread(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return NONE
    sd = "" if one["sd"] is None else f" ± {one['sd']:.1f}"
    return f"{one['mean']:.1f}{sd} ({one['range'][0]:.1f} to {one['range'][1]:.1f})"


def _provenance(facts: Mapping[str, Any]) -> Section:
    model = facts["model"]
    rows = [
        [use["title"], use["vendor"] or "several", use["patients"], use["slices"], use["licence"]]
        for use in model["training_data"]
    ]
    columns = ["learned from", "vendor", "patients", "slices", "licence"]
    return Section(
        title="Provenance",
        tables=[Table(columns, rows)] if rows else [],
        facts=[
            ("model", f"{model['name']} {model['version']}, {model['family']}"),
            ("model identity", model["identity"]),
            ("model SHA-256", model["sha256"]),
            ("request SHA-256", facts["request_sha256"]),
            ("versions", ", ".join(f"{k} {v}" for k, v in facts["versions"].items())),
        ],
    )


def _licence(facts: Mapping[str, Any]) -> Section:
    licence = facts["licence"]
    return Section(
        title="Licence",
        words=[licence["words"]],
        tables=[Table(["what", "licence"], [[k, v] for k, v in licence["from"].items()])],
        remarks=[f"Cite: {words}" for words in licence["citations"]],
    )


def _adherence(facts: Mapping[str, Any]) -> Section:
    found = facts["adherence"]
    if found is None:
        return Section(
            title="Adherence to the masks", words=[f"{NONE}: no judge of this contrast."]
        )
    lines = [
        Line(
            name=f"Dice, {name}",
            value=one["mean"],
            interval=(one["interval"][0], one["interval"][1]),
            note="segmenter against mask; mean over patients and its 95 % interval; on "
            f"{share(one['share_missed'], 1)} of slices it misses, of real ones "
            f"{share(one['share_missed_of_real'])}",
        )
        for name, one in found["dice"].items()
    ]
    lines += [
        Line(
            name="Slices that miss their mask",
            value=f"{found['missed']} of {found['slices']} ({share(found['share_missed'], 1)})",
            note="some structure is found less well than on 95 % of real slices",
        ),
        Line(name="Slices drawn again", value=found["drawn_again"], note="best of them kept"),
        Line(
            name="Findings of implausible anatomy",
            value=facts["anatomy"]["findings"],
            note=f"on {facts['anatomy']['slices']} slices of masks",
        ),
    ]
    return Section(title="Adherence to the masks", lines=lines)


def _fidelity(facts: Mapping[str, Any]) -> Section:
    found = facts["fidelity"]
    if found is None:
        return Section(
            title="Fidelity", words=[f"{NONE.capitalize()}: no real patients were given."]
        )
    rows, remarks = [], []
    for who, one in found.items():
        if isinstance(one, str):
            remarks.append(f"{who}: {one}")
            continue
        frechet = one["frechet"]
        ratio = NONE  # of slices or patients there are too few
        if frechet is not None:
            ratio = interval(frechet["ratio"], frechet["ratio_low"], frechet["ratio_high"], 2)
        shares = [
            beside(one["coverage"].get(name) or nan, one["real_coverage"].get(name) or nan)
            for name in ("precision", "recall")
        ]
        rows.append([who, one["slices"], one["patients"], ratio, *shares])
    columns = {
        "vendor": "",
        "slices": "on either side",
        "real patients": "held out",
        "distance, ratio to real": "Frechet distance in the cardiac encoder over that between real "
        "patients, with its 95 % interval over patients; 1 is as near as real patients are",
        "precision": "in brackets that of real patients",
        "recall": "in brackets that of real patients",
    }
    return Section(title="Fidelity", tables=[Table(columns, rows)] if rows else [], remarks=remarks)


def _privacy(facts: Mapping[str, Any]) -> Section:
    privacy = facts["privacy"]
    epsilon = privacy["epsilon"]
    lines = [
        Line(name="Verdict", value=privacy["verdict"]),
        Line(
            name="Differential privacy of the model",
            value="none"
            if epsilon is None
            else f"epsilon {epsilon['epsilon']:g}, delta {epsilon['delta']:g}",
            note="" if epsilon is None else f"for every {epsilon['unit']}",
        ),
        Line(name="Membership of the model", value=privacy["membership"], note="from its card"),
    ]
    archive = privacy["archive"]
    if archive is not None:
        lines += [
            Line(name="Slices too close to a patient", value=privacy["flagged"], note="still"),
            Line(
                name="Slices nearer than all but 1 % of held-out ones",
                value=share(privacy["share_below_1_percent_point"], 2)
                if privacy["share_below_1_percent_point"] is not None
                else NONE,
                note="1 % is what real patients have",
            ),
            Line(
                name="Patients made again",
                value=privacy["patients_made_again"],
                note=f"in {privacy['rounds']} rounds, because a slice was too close",
            ),
            Line(name="Patients left out", value=len(facts["withheld"])),
            Line(
                name="Archive",
                value=f"{archive['slices']} slices of {archive['patients']} patients",
                note=f"{archive['held_out_patients']} others held out; SHA-256 {archive['sha256']}",
            ),
        ]
    rows = []
    if privacy["certificate"]:
        for kind, row in privacy["certificate"]["found"].items():
            one = row["any"]
            rows.append([kind, one["planted"], _shares(one)])
    tables = [Table(["planted copies", "of them", "found, share"], rows)] if rows else []
    return Section(title="Privacy", lines=lines, tables=tables)


def _utility(facts: Mapping[str, Any]) -> Section:
    found = facts["utility"]
    if found is None or "synthetic" not in found:
        why = "it was not asked for" if found is None else found["why"]
        return Section(title="Utility", words=[f"{NONE.capitalize()}: {why}."])
    rows = [
        [structure, *(_dice(found[who].get(structure)) for who in ("synthetic", "real"))]
        for structure in ("LV", "MYO", "RV")
    ]
    columns = {
        "structure": "",
        "trained on this set": "Dice on real test patients, mean and 95 % interval over them",
        "trained on real patients": "the same segmenter, as many slices seen",
    }
    return Section(
        title="Utility",
        words=[
            f"A segmenter trained once on {found['images']} slices of each, tested on "
            f"{found['test_patients']} real patients; one training, so that its own spread is not "
            "in the interval."
        ],
        tables=[Table(columns, rows)],
    )


def _dice(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return NONE
    low, high = one["interval"]
    return interval(one["dice"], low, high, 3)


def _shares(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return interval(one["found"] / one["planted"], low, high, 2)


def _scorecard(facts: Mapping[str, Any]) -> Section:
    rows = [[one.name, one.asks, "; ".join(one.found), one.where] for one in scorecard(facts)]
    return Section(
        title="Scorecard",
        words=[f"The seven criteria of {SOURCE}, with the figures of this release."],
        tables=[Table(["criterion", "asks", "found", "where"], rows)],
    )
