"""Age, height, weight and body mass index: from a cohort's files and tables to the slice set."""

from __future__ import annotations

import re

import pytest

from cmr_synth.cohorts.covariates import stated, with_bmi
from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.errors import InputError


def test_what_is_no_number_or_nobody_s_states_nothing():
    assert stated({"Height": "184.0", "Weight": "95", "Age": "61"}) == {
        "height": 184.0, "weight": 95.0, "age": 61.0
    }  # fmt: skip
    assert stated({"Height": "1.84", "Weight": "n/a", "Age": "-1"}) == {}
    assert with_bmi({"height": 200.0, "weight": 80.0})["bmi"] == pytest.approx(20.0)
    assert "bmi" not in with_bmi({"height": 184.0}) and "bmi" not in with_bmi({"weight": 80.0})
    assert "bmi" not in with_bmi({"height": 30.0, "weight": 350.0})  # nobody has one of 3889


@pytest.fixture
def acdc(tmp_path, layouts):
    """Patients in ACDC's layout, the first with height and weight."""
    root = tmp_path / "acdc"
    root.mkdir()
    layouts["acdc"](root)
    first = min(root.glob("patient*"))
    info = first / "Info.cfg"
    rest = re.sub(r"(?m)^(Height|Weight):.*\n?", "", info.read_text())
    info.write_text(f"{rest.rstrip()}\nHeight: 184.0\nWeight: 95.0\n")
    return root, first.name


def rows_of(root, out):
    list(prepare([("acdc", root)], out))
    return open_slice_set(out).rows


def test_height_and_weight_of_info_cfg_reach_the_slice_set(acdc, tmp_path):
    root, first = acdc
    own = [row for row in rows_of(root, tmp_path / "set") if row.patient == first]
    assert own and all(row.height == 184.0 and row.weight == 95.0 for row in own)
    assert own[0].age is None
    assert own[0].covariates["bmi"] == pytest.approx(95 / 1.84**2)


def test_the_table_of_patients_goes_before(acdc, tmp_path):
    root, first = acdc
    (root / "cohort.csv").write_text(f"patient,age,weight\n{first},61,80\n")
    own = [row for row in rows_of(root, tmp_path / "set") if row.patient == first]
    assert (own[0].age, own[0].height, own[0].weight) == (61.0, 184.0, 80.0)
    (root / "cohort.csv").write_text(f"patient,height\n{first},1.84\n")
    with pytest.raises(InputError, match="line 2: height '1.84' is not from 30 to 250 cm"):
        rows_of(root, tmp_path / "other")
