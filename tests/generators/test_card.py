"""Cards: written and read back, refused when wrong, drafted from a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.card import NOT_MEASURED, Card, draft_card, read_card, write_card


def test_a_card_survives_the_file(tiny_model: Path, tmp_path: Path) -> None:
    card = read_card(tiny_model / "card.yaml")
    write_card(card, tmp_path / "card.yaml")
    assert read_card(tmp_path / "card.yaml") == card
    assert card.measured.privacy == NOT_MEASURED


@pytest.mark.parametrize("entry", zoo.entries(), ids=lambda entry: entry.name)
def test_no_limit_contradicts_what_was_measured(entry: zoo.Entry) -> None:
    card = zoo.card_of(entry)
    for what, found in card.measured.model_dump().items():
        if found != NOT_MEASURED:
            said = [limit for limit in card.limits if what in limit.lower()]
            assert not any("not been measured" in limit for limit in said), said


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("family: flow", "family: flow\ncolour: blue", "field 'colour'"),
        ("name: tiny", "name: ../tiny", "field 'name'"),
        ("spacing_mm: 3.0", "spacing_mm: 0", "field 'grid.spacing_mm'"),
        ("licence: CC0 1.0", "", "field 'licence'"),
        ("name: tiny", "name: [", "not a readable card"),
    ],
)
def test_a_wrong_card_is_one_line_that_names_the_field(
    own_tiny_model: Path, old: str, new: str, message: str
) -> None:
    path = own_tiny_model / "card.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        read_card(path)
    assert "\n" not in str(caught.value)


def test_a_missing_card_says_what_a_model_folder_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a model folder holds"):
        read_card(tmp_path / "card.yaml")


def test_a_card_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("- one\n- two\n")
    with pytest.raises(InputError, match="YAML mapping"):
        read_card(tmp_path / "card.yaml")


def row(patient: str, split: str, vendor: str, phase: str) -> SliceRow:
    return SliceRow(
        cohort="acdc",
        patient=patient,
        split=split,
        vendor=vendor,
        phase=phase,
        pathology="dcm",
        slice=0,
        z=0.5,
        completed=patient == "b",
    )


ROWS = (
    row("a", "train", "siemens", "ED"),
    row("a", "train", "siemens", "ED"),
    row("b", "train", "siemens", "ED"),
    row("c", "test", "ge", "ES"),
    row("patient074", "train", "siemens", "ED"),
    row("patient076", "train", "siemens", "ED"),  # the same person, who counts once
)


def slice_set(rows: tuple[SliceRow, ...]) -> SliceSet:
    empty = np.zeros((len(rows), 8, 8), np.uint8)
    facts = {"title": "A", "licence": "CC BY 4.0", "citation": "Somebody 2018"}
    return SliceSet(empty, empty, empty, rows, {"spacing_mm": 1.5, "cohorts": {"acdc": facts}})


def draft_of(folder: Path, recipe: dict[str, Any]) -> Card:
    path = folder / "config.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "recipe": recipe, "images_seen": 64, "minutes": 0.5}))
    return draft_card(folder, slice_set(ROWS))


def test_a_draft_counts_training_patients_and_lists_only_what_was_trained(
    own_tiny_model: Path,
) -> None:
    card = draft_of(own_tiny_model, {"name": "mine"})
    assert card.name == "mine"
    (use,) = card.training.cohorts
    assert (use.patients, use.slices, use.vendor) == (3, 5, "siemens")
    assert "1 slices" in use.labels
    assert card.conditions.vendors == ("siemens",)
    assert card.conditions.phases == ("ED",)
    assert card.conditions.pathologies == ("dcm",)
    assert "CC BY 4.0" in card.licence
    assert card.grid.shape == (64, 64)


@pytest.mark.parametrize(
    ("loss", "steps"), [({}, 16), ({"adversarial": {"weight": 1.0, "steps": 6}}, 6)]
)
def test_a_flow_has_the_steps_that_its_stage_needs(
    own_tiny_model: Path, loss: dict[str, Any], steps: int
) -> None:
    """Four, the family's own, are for what a few-step stage has straightened."""
    assert draft_of(own_tiny_model, {"name": "mine", "loss": loss}).default_steps == steps


def test_a_draft_without_configuration_is_one_line(tmp_path: Path) -> None:
    empty = np.zeros((0, 8, 8), np.uint8)
    slices = SliceSet(empty, empty, empty, (), {"spacing_mm": 1.5, "cohorts": {}})
    with pytest.raises(InputError, match=r"config\.json: not a readable model configuration"):
        draft_card(tmp_path, slices)
