"""Requests: one clear line names the field at fault, and equal requests ask for equal people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.release.asked import apportioned, everyone
from cmr_synth.release.request import parse_request, read_request

LEAST = {"name": "some", "patients": 10}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patients": 0}, "field 'patients': .*greater than or equal to 1"),
        ({"patients": "many"}, "field 'patients': .*'many' given"),
        ({"patient": 3}, "field 'patient' is unknown; known are release, name"),
        ({"name": "no good"}, "field 'name'"),
        ({"vendors": ["toshiba"]}, "vendor 'toshiba' is unknown; known are siemens"),
        ({"pathologies": {"hcm": {"sahre": 1}}}, "field 'pathologies.hcm.sahre' is unknown"),
        ({"pathologies": {"hcm": 0}}, "field 'pathologies.hcm.share'"),
        ({"pathologies": {"hcm": {"severity": [2, 1]}}}, "pathologies.hcm.severity"),
        ({"function": {"ef": {"from": 20, "to": 70}}}, "measurement 'ef' is unknown"),
        ({"function": {"lv_ef_percent": {"from": 70, "to": 20}}}, "give from < to"),
        ({"function": {"lv_ef_percent": {"from": 20, "to": 170}}}, "more than 100 per cent"),
        (
            {"function": {"lv_ef_percent": {"from": 20, "to": 70}}, "phases": ["ED"]},
            "needs ED and ES",
        ),
        ({"masks": "mine"}, "field 'masks': .*sampled.*templates"),
        ({"masks": {"folder": "a", "cohort": "acdc=b"}}, "either folder"),
        ({"masks": {"labels": "acdc"}}, "either folder"),
        ({"spacing_mm": [1, 1, 1]}, "1.5 times as far apart"),
        ({"evidence": {"utility": True}}, "utility needs real test patients"),
        ({"seed": -1}, "field 'seed'"),
        ({"date": "yesterday"}, "field 'date'"),
        ({"format": "minc"}, "field 'format'"),
        ({"contact": "me"}, "contact is given without creator"),
    ],
)
def test_a_fault_is_one_line_that_names_the_field(changes, message):
    with pytest.raises(InputError, match=message) as refused:
        parse_request(LEAST | changes, name="request.yaml")
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).startswith("request.yaml: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "is a YAML mapping"),
        ("name: [", "not readable as YAML"),
        ("name: a\nname: b", "given twice"),
        ("name: a\npatients: .inf", "no number"),
    ],
)
def test_what_is_no_yaml_is_one_line(text, message, tmp_path: Path):
    path = tmp_path / "request.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        read_request(path)
    assert len(str(refused.value).splitlines()) == 1


def test_a_missing_file_is_one_line(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        read_request(tmp_path / "none.yaml")


def test_what_is_written_down_asks_for_the_same(tmp_path: Path):
    request = parse_request(
        LEAST
        | {
            "pathologies": {"hcm": {"share": 2, "severity": [0.5, 1.5]}, "normal": 1},
            "function": {"lv_ef_percent": {"from": 20, "to": 70, "shape": "normal"}},
            "vendors": {"ge": 0.2, "siemens": 0.8},
            "evidence": {"archive": "there"},
        },
        name="request",
    )
    path = tmp_path / "again.yaml"
    path.write_text(request.text())
    again = read_request(path)
    assert again.plain() == request.plain()
    assert everyone(again, ()) == everyone(request, ())
    assert again.archive == tmp_path / "there"  # counted from the request's own folder


def test_shares_become_whole_patients_and_vendors_cross_pathologies():
    request = parse_request(
        {
            "name": "some",
            "patients": 101,
            "pathologies": {"hcm": 1, "normal": 2},
            "vendors": {"siemens": 2, "ge": 1, "philips": 1},
        },
        name="request",
    )
    people = everyone(request, ())
    assert Counter(one.pathology for one in people) == {"hcm": 34, "normal": 67}
    by_vendor = Counter(one.vendor for one in people)
    assert by_vendor == {"siemens": 51, "ge": 25, "philips": 25}
    crossed = Counter((one.pathology, one.vendor) for one in people)
    assert crossed["hcm", "siemens"] in (16, 17, 18)  # neither predicts the other
    assert len({one.seed for one in people}) == 101


def test_a_distribution_is_met_by_few_patients_too():
    request = parse_request(
        {
            "name": "some",
            "patients": 10,
            "function": {"lv_ef_percent": {"from": 20, "to": 70}},
        },
        name="request",
    )
    values = np.sort([one.function["lv_ef_percent"] for one in everyone(request, ())])
    for k, value in enumerate(values):  # one in each tenth
        assert 20 + 5 * k <= value <= 25 + 5 * k


def test_another_seed_asks_for_others():
    first, second = (
        everyone(
            parse_request({"name": "a", "patients": 20, "seed": seed}, name="request"), ("ge",)
        )
        for seed in (1, 2)
    )
    assert not {one.seed for one in first} & {one.seed for one in second}


def test_parts_sum_to_the_whole():
    for count in range(30):
        assert sum(apportioned({"a": 1, "b": 1, "c": 1.5}, count).values()) == count
