"""What documents say of the bundled models, made from the cards alone.

`zoo_page` is the whole of docs/reference/zoo.md; `with_blocks` puts text between the markers
`<!-- cards: NAME begin -->` and `<!-- cards: NAME end -->` of README.md. A figure that a card does
not have is left out, and a column that no card has.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cmr_synth.generators.card import Card
from cmr_synth.generators.identity import identity_of

DEFAULT = "flow"
JUDGES = ("segmenter", "encoder", "copy-detector")  # families that make no pictures
COHORTS = {"acdc": "ACDC", "chla": "CHLA", "sunnybrook": "Sunnybrook", "autofd": "AutoFD"}
USUAL = "acdc"  # whose test patients models are measured on that have seen its training patients
VENDORS = {"siemens": "Siemens", "philips": "Philips", "ge": "GE", "canon": "Canon"}
MISSING = "–"
ZOO_COMMAND = "`python tools/measure_zoo.py flow ...`"
UTILITY_COMMAND = "`cmr-synth evaluate utility flow --new-hearts ...`"
PRIVACY_COMMAND = "`python tools/measure_privacy.py flow ...`"


@dataclass(frozen=True)
class Column:
    """One figure of every model.

    Parameters
    ----------
    title : str
    cell : function of a card to str or None
        None where the card does not have it.
    explained : str, optional
        A sentence for the list above the tables.
    """

    title: str
    cell: Callable[[Card], str | None]
    explained: str = ""


def zoo_page(cards: Sequence[Card]) -> str:
    """docs/reference/zoo.md: every card's figures, and the hashes."""
    makers = sorted(_makers(cards, usual=True), key=_unlikeness)
    groups = [[c for c in group if any(map(c.cell, makers))] for group in (QUALITY, PRIVACY, COST)]
    explained = [
        _wrapped(f"- **{column.title}**: {column.explained}", indent=2)
        for group in groups
        for column in group
    ]
    if not any(at(card, "fidelity", "ratio_null") for card in makers):
        explained.append(_wrapped(f"- {NO_NULL}", indent=2))
    tables = [_table([NAME, *group], makers) for group in groups if group]
    parts = [
        "# Every card's figures",
        _wrapped(
            f"{_on_what(makers)} The full figures are on the cards (`cmr-synth zoo show`). "
            "This page is made from them by"
        ),
        "```sh\npython tools/measure_zoo.py --slices prepared --raw raw --work runs/zoo\n"
        "python tools/measure_privacy.py --slices prepared --work runs/zoo\n```",
        "and by `make cards`. What a figure is: [metrics](metrics.md); where each was tried: "
        "[trust](../explanation/trust.md);\nprivacy: [the guide](../how-to/audit-privacy.md).",
        "\n".join(explained),
        "The models had different budgets, which their cards state.",
        *tables,
        *_every_vendor(makers),
        *_of_others(_makers(cards, usual=False)),
        *_enhanced(_makers(cards, "lge")),
        "## What the files are",
        _wrapped(
            "One hash stands for a whole model: its card (licence, limits, figures), its "
            "configuration, its weights and every further file. It is the SHA-256 of the "
            "card's fields as canonical JSON (RFC 8785), without those that have their "
            "default; the card names the SHA-256 of `config.json` and `weights.safetensors`, "
            "and the weights those of further files. `cmr-synth zoo verify` recomputes it and "
            "prints it; `zoo add --sha256` and `zoo pull --sha256` take nothing else. What is "
            "in the zoo is compared with it at every load. Whoever can change the whole "
            "package can change the hash in it too: compare with this page where you trust it."
        ),
        _table(FILES, sorted(cards, key=lambda card: card.name)),
    ]
    return "\n\n".join(parts) + "\n"


def with_blocks(text: str, cards: Sequence[Card]) -> str:
    """README.md with its blocks made anew.

    Raises
    ------
    ValueError
        If a block has no markers.
    """
    for name, made in readme_blocks(cards).items():
        begin, end = (f"<!-- cards: {name} {what} -->" for what in ("begin", "end"))
        if (text.count(begin), text.count(end)) != (1, 1):
            raise ValueError(f"README.md: needs {begin} and {end} once")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"
    return text


def readme_blocks(cards: Sequence[Card]) -> dict[str, str]:
    """Text of each block by its name."""
    (default,) = [card for card in cards if card.name == DEFAULT]
    makers = _makers(cards, usual=True)
    limits = [*_seen(default), *_told_apart(default), *_worth(default), *_private(makers)]
    return {
        "figures": "\n".join(_figures(default)),
        "limits": "\n".join(
            f"- {_wrapped(line, indent=2)}" for line in [*limits, *_found(default)]
        ),
    }


def _makers(
    cards: Sequence[Card], contrast: str = "cine", *, usual: bool | None = None
) -> list[Card]:
    """What makes pictures of a contrast; if `usual` is said, has seen ACDC or has not."""
    found = [
        card for card in cards if card.family not in JUDGES and card.conditions.contrast == contrast
    ]
    if usual is None:
        return found
    return [c for c in found if usual == any(use.name == USUAL for use in c.training.cohorts)]


def at(card: Card, kind: str, *path: str) -> Any:
    """A measured figure, None where the card does not have it."""
    found: Any = getattr(card.measured, kind)
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found


# Cells of the tables


def _interval(values: Any, digits: int, sign: str = "") -> str | None:
    """`value [low, high]`."""
    if not isinstance(values, (list, tuple)) or len(values) != 3 or None in values:
        return None
    value, low, high = (f"{v:{sign}.{digits}f}" for v in values)
    return f"{value} [{low}, {high}]"


def _ratio(card: Card) -> str | None:
    bounds = at(card, "fidelity", "ratio_interval")
    value = at(card, "fidelity", "ratio_to_floor")
    return None if value is None or not bounds else _interval([value, *bounds], 2)


def _beside(card: Card, kind: str, figure: str, real: str) -> str | None:
    """A figure, and that of real slices in brackets."""
    own, other = at(card, kind, figure), at(card, kind, real)
    return None if own is None or other is None else f"{own:.2f} ({other:.2f})"


def _unlikeness(card: Card) -> float:
    value = at(card, "fidelity", "ratio_to_floor")
    return float("inf") if value is None else float(value)


def _adherence(card: Card) -> str | None:
    ratios = at(card, "adherence", "ratio")
    return ratios and ", ".join(f"{v:.3f}" for v in ratios.values())


def _by_structure(card: Card, figure: str, intervals: str = "") -> str | None:
    """Figures of adherence, each with its structure and its interval."""
    bounds = at(card, "adherence", intervals) or {}
    found = [
        f"{name} {_interval([value, *bounds[name]], 3) if name in bounds else f'{value:.3f}'}"
        for name, value in (at(card, "adherence", figure) or {}).items()
    ]
    return ", ".join(found) or None


def _flagged(card: Card) -> str | None:
    flagged, of = at(card, "privacy", "neighbours", "flagged"), at(card, "privacy", "slices")
    return None if flagged is None or of is None else f"{flagged} of {of}"


def _near(card: Card) -> str | None:
    share = at(card, "privacy", "neighbours", "share_below_1_percent_point")
    return None if share is None else f"{100 * share:.1f} %"


def _authentic(card: Card) -> str | None:
    own = at(card, "privacy", "copying", "authenticity")
    real = at(card, "privacy", "copying", "authenticity_of_real_slices")
    return None if own is None or real is None else f"{own[0]:.3f} ({real:.3f})"


def _member(card: Card) -> str | None:
    words = at(card, "privacy", "membership", "words")
    found = re.search(r"AUC (-?[\d.]+ \[[^\]]*\])", words or "")
    return found and found[1]


def _every_vendor(makers: Sequence[Card]) -> list[str]:
    """A section for each model whose hearts were made in every vendor's style."""
    parts = []
    for card in makers:
        measured = at(card, "adherence", "every_vendor")
        if not measured:
            continue
        hearts = list(dict.fromkeys(heart for own in measured.values() for heart in own))
        head = ["Hearts", "Patients", *(f"{VENDORS.get(v, v)} LV, MYO, RV" for v in measured)]
        lines = [_line(head), _line(["---"] * len(head))]
        for heart in hearts:
            found = [own.get(heart, {}) for own in measured.values()]
            patients = max(one.get("patients", 0) for one in found)
            ratios = [
                ", ".join(f"{v:.3f}" for name, v in one.items() if name != "patients") or MISSING
                for one in found
            ]
            lines.append(_line([heart, str(patients), *ratios]))
        parts += [
            f"## `{card.name}`: every heart in every vendor's style",
            _wrapped(
                "Dice of the segmenter on synthetic slices over its Dice on the real slices of the "
                "same masks, whatever scanner these came from; none is drawn again where it misses."
            ),
            "\n".join(lines),
        ]
    return parts


def _patients(card: Card) -> str:
    return str(sum(use.patients for use in card.training.cohorts))


NAME = Column("Model", lambda card: f"`{card.name}`")


def _of_others(makers: Sequence[Card]) -> list[str]:
    """A section on models that have not seen ACDC, each measured on a cohort that it has seen."""
    if not makers:
        return []
    groups = [[c for c in group if any(map(c.cell, makers))] for group in (QUALITY, PRIVACY, COST)]
    return [
        "## Without a non-commercial clause",
        _wrapped(
            "These have seen data of open licences alone, and stand on test patients of these: "
            "their figures are not to be compared with those above."
        ),
        *(
            _wrapped(
                f"`{card.name}`: {card.licence}; on {at(card, 'fidelity', 'slices') or 'no'} "
                f"slices of {at(card, 'fidelity', 'patients') or 'no'} patients of "
                f"{COHORTS.get(card.training.cohorts[0].name, card.training.cohorts[0].name)}."
            )
            for card in makers
        ),
        *(_table([NAME, *group], makers) for group in groups if group),
    ]


def _enhanced(makers: Sequence[Card]) -> list[str]:
    """A section on models of late enhancement, whose patients and judge are other ones."""
    if not makers:
        return []
    groups = [[c for c in group if any(map(c.cell, makers))] for group in (ENHANCED, PRIVACY)]
    slices, patients = (at(makers[0], "fidelity", what) for what in ("slices", "patients"))
    known = slices is not None and patients is not None
    on = f"On {slices} slices of {patients} EMIDEC patients" if known else "On EMIDEC patients"
    return [
        "## Late enhancement",
        _wrapped(
            f"{on} that neither the model nor the segmenter that judges it has seen; the segmenter "
            "is `segmenter-lge`, by its own card. The encoder of the Frechet distance was trained "
            "on cine. `python tools/measure_zoo.py flow-lge --enhanced enhanced ...` measures."
        ),
        *(_table([NAME, *group], makers) for group in groups if group),
    ]


QUALITY = (
    Column(
        "Frechet ratio",
        _ratio,
        "distance to real slices in the features of the bundled encoder, over that of other real "
        "patients.",
    ),
    Column(
        "Null",
        lambda card: _interval(at(card, "fidelity", "ratio_null"), 2),
        "the same ratio with pictures of this very generator in the place of the real slices; "
        "1 is expected, whatever the generator.",
    ),
    Column(
        "Two-sample AUC",
        lambda card: _interval(at(card, "fidelity", "two_sample_auc"), 3),
        "of a network that tells synthetic from real slices; 0.5 is chance.",
    ),
    Column(
        "Adherence LV, MYO, RV",
        _adherence,
        "Dice of synthetic over Dice of real slices, by the bundled segmenter.",
    ),
    Column(
        "Synthetic only",
        lambda card: _interval(at(card, "utility", "arms", "synthetic", "acdc", "gained"), 3, "+"),
        "mean Dice, on ACDC, of a small U-Net trained on synthetic slices alone, less that of one "
        "trained on real slices; the number of trainings is on the card.",
    ),
)
ENHANCED = (
    *QUALITY[:3],
    Column("Adherence", lambda card: _by_structure(card, "ratio", "ratio_interval")),
    Column("Dice on real slices", lambda card: _by_structure(card, "dice_real")),
)
PRIVACY = (
    Column(
        "Too close",
        _flagged,
        "slices flagged as too near to a training patient, of any cohort.",
    ),
    Column(
        "Nearer than 1 %",
        _near,
        "share of slices that only 1 % of held-out patients' slices are as near as.",
    ),
    Column(
        "Authenticity (real)", _authentic, "share of authentic slices, and that of held-out ones."
    ),
    Column(
        "Membership AUC",
        _member,
        "training patients against others, by the attack that the card names; 0.5 is chance.",
    ),
)
COST = (
    Column(
        "Recall (real)",
        lambda card: _beside(card, "fidelity", "recall", "real_recall"),
        "share of real slices within the reach of synthetic ones, and of other real patients'; low "
        "after mode collapse.",
    ),
    Column(
        "Alike (real)",
        lambda card: _beside(card, "variety", "one_mask", "real_patients"),
        "MS-SSIM of pictures of one mask with different seeds, and of different real patients; 1 "
        "is always the same picture.",
    ),
    Column(
        "Seconds",
        lambda card: _interval(at(card, "speed", "seconds"), 2),
        "a slice on a processor core, the model warm: median, fastest and slowest, beside other "
        "work; `python benchmarks/speed.py` measures on yours.",
    ),
    Column(
        "Trained",
        lambda card: f"{card.training.images_seen:,} images, {card.training.minutes:.0f} min",
        "images seen by all stages, and minutes on the machine that the card names.",
    ),
)
FILES = (
    NAME,
    Column("Version", lambda card: card.version),
    Column("Patients it learned from", _patients),
    Column("Hash", lambda card: f"`{identity_of(card)}`"),
)


NO_NULL = (
    "Compare models by the Frechet ratio and not with 1: it was measured on counterparts that "
    "follow the masks of the very patients that they are compared with ([where figures were "
    "tried](../explanation/trust.md))."
)


def _table(columns: Sequence[Column], cards: Sequence[Card]) -> str:
    rows = [[column.cell(card) or MISSING for column in columns] for card in cards]
    heads = [column.title for column in columns]
    return "\n".join(_line(row) for row in [heads, ["---"] * len(heads), *rows])


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(row) + " |"


def _on_what(cards: Sequence[Card]) -> str:
    sets = {(at(c, "fidelity", "slices"), at(c, "fidelity", "patients")) for c in cards}
    if len(sets) == 1 and None not in min(sets):
        slices, patients = min(sets)
        return (
            f"On {slices} slices of {patients} ACDC patients that no bundled model, segmenter or "
            "encoder has seen; 95 % intervals by patient."
        )
    return "On patients that no bundled model, segmenter or encoder has seen; 95 % intervals."


# Blocks of README.md


def _figures(card: Card) -> list[str]:
    """The default model's figures as a table."""
    rows: list[tuple[str, str | None, str]] = []
    on = at(card, "fidelity", "patients")
    who = f", {on} ACDC test patients" if on else ""
    ratio, bounds = at(card, "adherence", "ratio"), at(card, "adherence", "ratio_interval")
    if ratio and bounds:
        parts = [_interval([ratio[k], *bounds[k]], 3) for k in ratio]
        rows.append(
            (
                f"adherence: Dice of {', '.join(ratio)} by the bundled segmenter on synthetic over "
                f"real slices{who}",
                ", ".join(part or MISSING for part in parts),
                ZOO_COMMAND,
            )
        )
    encoder = at(card, "fidelity", "encoder") or ""
    rows += [
        (
            f"Fréchet distance (bundled encoder {encoder[:8]}, not FID) to real test slices, over "
            "that of other real patients",
            _ratio(card),
            ZOO_COMMAND,
        ),
        (
            "the same ratio, pictures of the same generator in the place of the real slices",
            _interval(at(card, "fidelity", "ratio_null"), 2),
            ZOO_COMMAND,
        ),
        (
            "AUC of a network that tells synthetic from real slices of unseen patients",
            _interval(at(card, "fidelity", "two_sample_auc"), 3),
            ZOO_COMMAND,
        ),
    ]
    seeds = at(card, "utility", "seeds")
    trainings = f", {seeds} seed{'s' * (seeds != 1)}" if seeds else ""
    compared = {
        (f"*{arm}* less *real*", "cohort"): strata
        for arm, strata in (at(card, "utility", "arms") or {}).items()
    } | {
        (f"*{arm.replace(' less ', '* less *')}*", "cohort and pathology"): strata
        for arm, strata in (at(card, "utility", "new_anatomy") or {}).items()
    }
    for (arms, by), strata in compared.items():
        told = [
            f"{_cohort(name)} ({one['patients']}): {gained}"
            for name, one in strata.items()
            if (gained := _interval(one.get("gained"), 3, "+"))
        ]
        rows.append(
            (
                f"utility: mean Dice of a small U-Net trained on {arms}, by {by} of the test "
                f"patients (their number){trainings}",
                "; ".join(told) or None,
                UTILITY_COMMAND,
            )
        )
    held_out = at(card, "privacy", "held_out_patients")
    trained = at(card, "privacy", "training_patients")
    against = (
        f", {trained} training patients against {held_out} others" if trained and held_out else ""
    )
    members = at(card, "privacy", "membership", "persons")
    members = members or at(card, "privacy", "membership", "patients")
    percentile = at(card, "privacy", "membership", "images_alone", "percentile")
    attacked = f", {members[0]} training patients against {members[1]} others" if members else ""
    rows += [
        (f"slices too close to a training patient{against}", _flagged(card), PRIVACY_COMMAND),
        (f"membership{attacked}", at(card, "privacy", "membership", "words"), PRIVACY_COMMAND),
        (
            "its control: the pictures alone, without the model, told apart better than this share "
            "of other splits",
            None if percentile is None else f"{percentile:.0f} %",
            PRIVACY_COMMAND,
        ),
        (
            "false alarms: held-out patients who were flagged when each was left out in turn",
            _left_out(card),
            PRIVACY_COMMAND,
        ),
    ]
    lines = ["| figure | value | command |", "|---|---|---|"]
    before = None
    for what, value, by in rows:
        if value:
            lines.append(f"| {what} | {value} | {'the same' if by == before else by} |")
            before = by
    return lines


def _left_out(card: Card) -> str | None:
    found = at(card, "privacy", "neighbours", "held_out_patients_left_out")
    if not isinstance(found, dict) or not {"flagged", "patients"} <= found.keys():
        return None
    return f"{found['flagged']} of {found['patients']}"


def _seen(card: Card) -> list[str]:
    uses = [
        f"{_cohort(use.name)} ({VENDORS.get(use.vendor or '', 'several vendors')}, {use.patients} "
        "patients)"
        for use in card.training.cohorts
    ]
    return [
        f"The default `{card.name}` has seen {_listed(uses)}, {_patients(card)} people in all. "
        "Where a vendor comes from one cohort, what looks like a vendor may be a hospital, an age "
        "or a disease."
    ]


def _told_apart(card: Card) -> list[str]:
    auc = _interval(at(card, "fidelity", "two_sample_auc"), 3)
    if auc is None:
        return []
    return [
        f"A network tells the synthetic slices of `{card.name}` from real ones with an AUC of "
        f"{auc}, even where readers may not."
    ]


def _worth(card: Card) -> list[str]:
    lines = []
    for arm, by_cohort in (at(card, "utility", "arms") or {}).items():
        sides: dict[str, list[str]] = {}
        for name, one in by_cohort.items():
            if one.get("gained"):
                _, low, high = one["gained"]
                side = "gained" if low > 0 else "lost" if high < 0 else "neither"
                sides.setdefault(side, []).append(_cohort(name))
        if not ("synthetic" in arm or "new hearts" in arm) or not sides:
            continue
        said = [f"{k} Dice on {_listed(v)}" for k, v in sides.items() if k != "neither"]
        if "neither" in sides:
            said.append(
                f"made no difference on {_listed(sides['neither'])} that the interval shows"
            )
        lines.append(f"A small U-Net trained on *{arm}* instead of *real* {', '.join(said)}.")
    return lines


def _private(cards: Sequence[Card]) -> list[str]:
    flagged = {card.name: at(card, "privacy", "neighbours", "flagged") for card in cards}
    known = {name: count for name, count in flagged.items() if count is not None}
    lines = []
    if known and not any(known.values()):
        lines.append(
            "No copy of a patient was found among the slices of any bundled model"
            + (", of those audited: " + _listed([f"`{name}`" for name in known]))
            * (None in flagged.values())
            + "; the audit tells on each card which planted copies it finds."
        )
    elif known:
        some = [f"{count} of `{name}`" for name, count in known.items() if count]
        lines.append(f"Slices are too close to a training patient: {_listed(some)}.")
    attacked = sorted((auc, card.name) for card in cards if (auc := _member(card)))
    if attacked:
        told = [f"{auc} (`{name}`)" for auc, name in (attacked[0], attacked[-1])]
        lines.append(
            "Membership attacks tell training patients of the bundled models from others with an "
            f"AUC of {' to '.join(told)}; 0.5 is chance ([table](docs/reference/zoo.md))."
        )
    remembers = [
        f"`{card.name}`"
        for card in cards
        if (at(card, "privacy", "membership", "words") or "").endswith(": memory shown")
    ]
    if remembers:
        lines.append(
            f"Memory of the training patients is shown for {_listed(remembers)}: the attack "
            "declared beforehand, with the difficulty of slices taken out, tells them from others."
        )
    private = [card.name for card in cards if card.training.privacy]
    lines.append(
        f"Differentially private: {_listed(private)}."
        if private
        else "No bundled model is differentially private."
    )
    return lines


def _found(card: Card) -> list[str]:
    """What the audit of copying found on the default model, each with its figure."""
    findings = at(card, "privacy", "copying", "findings")
    if not findings:
        return []
    told = [f"{words}{_figure_of(words, card)}" for words in findings]
    return [f"Findings on the default `{card.name}` itself: {'; '.join(told)}."]


def _figure_of(finding: str, card: Card) -> str:
    style = re.search(r"style of (\w+)", finding)
    if style:
        p = at(card, "privacy", "copying", "style_p", style[1])
        return "" if p is None else f", p = {p:.3f}"
    for word, key, name in (
        ("(texture)", "texture_auc", "AUC "),
        ("(C_T)", "data_copying", ""),
        ("(diversity)", "diversity", ""),
        ("(authenticity)", "authenticity", ""),
    ):
        if word in finding and (value := _interval(at(card, "privacy", "copying", key), 2)):
            return f", {name}{value}"
    return ""


def _cohort(name: str) -> str:
    return COHORTS.get(name, name)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _wrapped(text: str, *, indent: int = 0) -> str:
    """Lines of at most 100 characters; nothing is broken inside code or an interval."""
    kept = re.sub(r"`[^`]*`|\[[^\]]*\]", lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(kept, 100 - indent, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * indent).join(lines).replace("\0", " ")
