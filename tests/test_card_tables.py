"""What README.md and docs/reference/zoo.md say of the bundled models is what their cards say."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from cmr_synth.generators import zoo
from cmr_synth.generators.card import NOT_MEASURED, Card
from cmr_synth.generators.identity import identity_of

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import card_tables

    return card_tables


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import bundled_cards

    return bundled_cards


def changed(card: Card, kind: str, **figures: object) -> Card:
    """The card with figures measured otherwise; None: taken away."""
    known = getattr(card.measured, kind)
    own = {**(known if isinstance(known, dict) else {}), **figures}
    own = {key: value for key, value in own.items() if value is not None}
    return card.model_copy(update={"measured": card.measured.model_copy(update={kind: own})})


def test_the_documents_are_what_the_cards_make(bundled: ModuleType) -> None:
    for path, text in bundled.documents().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `make cards`"


def test_the_default_s_privacy_findings_stand_in_the_readme(bundled: ModuleType) -> None:
    text = " ".join(bundled.README.read_text(encoding="utf-8").split())
    found = zoo.card_of(zoo.DEFAULT).measured.privacy
    assert isinstance(found, dict)
    for words in found["copying"]["findings"]:
        assert words in text
    for vendor, p in found["copying"]["style_p"].items():
        if any(f"style of {vendor} " in words for words in found["copying"]["findings"]):
            assert f"the style of {vendor} points to one patient, p = {p:.3f}" in text


def test_the_readme_names_the_models_of_which_memory_is_shown(bundled: ModuleType) -> None:
    text = " ".join(bundled.README.read_text(encoding="utf-8").split())
    named = re.search("Memory of the training patients is shown for ([^:]*):", text)
    shown = set()
    for card in bundled.bundled():
        privacy = card.measured.privacy
        if isinstance(privacy, dict) and "membership" in privacy:  # that of judges has none
            member = privacy["membership"]
            found = member["attacks"][member["declared"]]
            if found["auc"][1] > 0.5 and found["p"] <= 0.05:
                shown.add(card.name)
    assert set(re.findall("`([^`]*)`", named[1] if named else "")) == shown


def test_patients_are_people_and_their_number_is_one(bundled: ModuleType) -> None:
    for card in bundled.bundled():
        stated = sum(use.patients for use in card.training.cohorts)
        privacy = card.measured.privacy
        if isinstance(privacy, dict) and "training_patients" in privacy:
            assert privacy["training_patients"] == stated
        for limit in card.limits:
            assert all(int(n) == stated for n in re.findall(r"[Tt]rained on (\d+) patients", limit))


def test_no_limit_in_the_documents_contradicts_what_was_measured(bundled: ModuleType) -> None:
    known = {
        what
        for card in bundled.bundled()
        for what, found in card.measured.model_dump().items()
        if found != NOT_MEASURED
    }
    assert {"fidelity", "privacy"} <= known
    for path, text in bundled.documents().items():
        for sentence in re.split(r"(?<=[.;:])\s", text.lower()):
            if "not been measured" in sentence:
                assert not any(what in sentence for what in known), (path, sentence)


def test_a_figure_that_moves_moves_the_documents(tables: ModuleType, bundled: ModuleType) -> None:
    cards = {card.name: card for card in bundled.bundled()}

    def made(card: Card) -> str:
        every = [*(cards | {card.name: card}).values()]
        return "".join([tables.zoo_page(every), *tables.readme_blocks(every).values()])

    flow = cards["flow"]
    assert isinstance(flow.measured.privacy, dict)
    near, copying = flow.measured.privacy["neighbours"], flow.measured.privacy["copying"]
    before = made(flow)
    for other, words in [
        (changed(flow, "fidelity", ratio_to_floor=7.77), "7.77 [0"),
        (changed(flow, "fidelity", ratio_null=[1.01, 0.9, 1.12]), "1.01 [0.90, 1.12]"),
        (changed(flow, "fidelity", two_sample_auc=[0.5, 0.4, 0.6]), "0.500 [0.400, 0.600]"),
        (changed(flow, "adherence", ratio={"LV": 0.123, "MYO": 1, "RV": 1}), "0.123, 1.000"),
        (
            changed(flow, "privacy", neighbours={**near, "flagged": 3}),
            "close to a training patient: 3",
        ),
        (
            changed(
                flow,
                "privacy",
                copying={**copying, "findings": ["(texture)"], "texture_auc": [0.51, 0.41, 0.61]},
            ),
            "AUC 0.51 [0.41, 0.61]",
        ),
        (
            changed(
                flow,
                "adherence",
                every_vendor={
                    "ge": {"hcm ED": {"patients": 6, "LV": 0.98, "MYO": 0.9712}},
                    "philips": {"hcm ED": {"patients": 6, "LV": 0.5}},
                },
            ),
            "| hcm ED | 6 | 0.980, 0.971 | 0.500 |",
        ),
        (
            changed(
                flow,
                "utility",
                seeds=5,
                arms={"synthetic": {"acdc": {"patients": 20, "gained": [0.021, 0.01, 0.03]}}},
            ),
            "ACDC (20): +0.021 [+0.010, +0.030]",
        ),
        (
            changed(
                flow,
                "utility",
                seeds=5,
                new_anatomy={
                    "new hearts less synthetic": {
                        "acdc": {"patients": 20, "gained": [0.004, -0.01, 0.02]},
                        "hcm": {"patients": 7, "gained": [-0.03, -0.05, -0.01]},
                    }
                },
            ),
            "trained on *new hearts* less *synthetic*, by cohort and pathology of the test "
            "patients (their number), 5 seeds | ACDC (20): +0.004 [-0.010, +0.020]; hcm (7): -0.03",
        ),
        (
            changed(flow, "privacy", membership={"words": "AUC 0.999 [0.998, 1.000] of one"}),
            "0.999 [0.998, 1.000] (`flow`)",
        ),
        (
            changed(
                flow, "privacy", membership={"words": "", "images_alone": {"percentile": 63.2}}
            ),
            "| 63 % |",
        ),
        (
            changed(flow, "privacy", membership={"words": "AUC", "persons": [1234, 37]}),
            "membership, 1234 training patients against 37 others",
        ),
        (
            changed(
                flow,
                "privacy",
                neighbours={
                    **near,
                    "held_out_patients_left_out": {"flagged": 2, "patients": 38},
                },
            ),
            "2 of 38",
        ),
        (
            flow.model_copy(update={"licence": "CC0"}),
            identity_of(flow.model_copy(update={"licence": "CC0"})),
        ),
    ]:
        assert words not in before and words in made(other)


@pytest.mark.parametrize("kind", ["fidelity", "adherence", "utility", "privacy"])
def test_a_figure_that_is_missing_is_left_out(
    tables: ModuleType, bundled: ModuleType, kind: str
) -> None:
    cards = bundled.bundled()
    without = [
        card.model_copy(
            update={"measured": card.measured.model_copy(update={kind: "not measured"})}
        )
        for card in cards
    ]
    for made in (tables.zoo_page(without), *tables.readme_blocks(without).values()):
        assert "None" not in made and "not measured" not in made
    # one field after the other, on all cards
    fields = {key for card in cards for key in _fields(getattr(card.measured, kind))}
    for field in fields:
        some = [
            changed(card, kind, **{field: None})
            if isinstance(getattr(card.measured, kind), dict)
            else card
            for card in cards
        ]
        for made in (tables.zoo_page(some), *tables.readme_blocks(some).values()):
            assert "None" not in made


def _fields(measured: object) -> list[str]:
    return list(measured) if isinstance(measured, dict) else []


def test_a_readme_without_its_markers_is_refused(tables: ModuleType, bundled: ModuleType) -> None:
    with pytest.raises(ValueError, match="needs <!-- cards: figures begin --> and"):
        tables.with_blocks("# A page\n", bundled.bundled())
