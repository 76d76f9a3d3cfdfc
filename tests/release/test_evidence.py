"""Evidence: what is measured stands on the datasheet; what is not is said not to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cmr_synth.release.datasheet import datasheet
from cmr_synth.release.licence import licence_of
from cmr_synth.release.request import parse_request
from cmr_synth.release.scorecard import NONE, scorecard
from cmr_synth.reports.html import page


@pytest.fixture(scope="module")
def facts(small: Path) -> dict:
    return json.loads((small / "evidence.json").read_text())


def test_the_seven_criteria_are_there_and_none_is_guessed(facts):
    found = {one.name: one.found for one in scorecard(facts)}
    assert list(found) == [
        "Congruence", "Coverage", "Constraint", "Completeness", "Compliance", "Comprehension",
        "Consistency",
    ]  # fmt: skip
    assert found["Congruence"] == (NONE,)
    assert any("not audited" in words for words in found["Compliance"])
    assert any(words.startswith("3 of 3 patients, 6 pictures") for words in found["Completeness"])


def test_measured_fidelity_stands_by_vendor_and_the_rest_says_why(facts):
    frechet = {"ratio": 0.91, "ratio_low": 0.61, "ratio_high": 1.34}
    shares = {"precision": 0.56, "recall": 0.37, "coverage": 0.25}
    own = {"frechet_name": "Frechet distance", "space": "cardiac encoder", "slices": 391}
    own |= {"patients": 20, "frechet": frechet, "coverage": shares, "real_coverage": shares}
    fidelity = {
        "all": own,
        "siemens": own | {"frechet": None},
        "ge": "not measured: no real ge patients on both sides",
    }
    html = page(datasheet(facts | {"fidelity": fidelity}))
    assert "0.91 [0.61, 1.34]" in html and "no real ge patients on both sides" in html
    found = {one.name: one.found for one in scorecard(facts | {"fidelity": fidelity})}
    assert "0.91 of the distance between real patients" in found["Congruence"][0]


def test_function_is_held_against_what_was_asked(facts):
    function = {
        "lv_ef_percent": {
            "mask": {"patients": 3, "mean": 50.0, "sd": 9.0, "range": [40.0, 60.0]},
            "asked": {
                "patients": 3,
                "within_tolerance": 2,
                "mean_difference": 0.5,
                "largest_difference": 6.0,
                "tolerance": [5.0],
            },
        }
    }
    assert "2 of 3" in page(datasheet(facts | {"function": function}))


def test_the_narrowest_licence_counts(tiny_model: Path):
    from cmr_synth.generators import zoo

    card = zoo.card_of(tiny_model)
    assert licence_of(card, (), "")["url"].endswith("publicdomain/zero/1.0/")
    narrow = licence_of(card, ("CC BY-NC-SA 4.0",), "within the consortium")
    assert narrow["url"].endswith("by-nc-sa/4.0/")
    assert narrow["words"].endswith("within the consortium")


def test_the_request_in_a_release_is_the_one_that_made_it(small: Path, asked):
    text = (small / "request.yaml").read_text()
    again = parse_request(yaml.safe_load(text), name="request")
    assert again.plain() == asked().plain()


def test_sampled_hearts_of_the_bundled_model_measure_what_was_asked(asked, made, tmp_path: Path):
    """The default of a release, end to end: hearts of nobody by `flow-fast`."""
    request = asked(
        masks=None,
        model="flow-fast",
        patients=1,
        pathologies={"hcm": {"severity": [1, 1]}},
        vendors=["siemens"],
        function={"lv_ef_percent": {"from": 40, "to": 50, "tolerance": 2}},
        slices=4,
        spacing_mm=[20, 1.5, 1.5],
        shape=[128, 128],
        redraws=1,
    )
    found = made(request, tmp_path / "out").facts
    assert found["function"]["lv_ef_percent"]["asked"]["within_tolerance"] == 1
    assert found["adherence"]["dice"]["LV"]["mean"] > 0.6  # a heart where its mask is
    assert "no patient's mask" in found["masks"]["words"]
    assert found["licence"]["url"].endswith("by-nc-sa/4.0/")
