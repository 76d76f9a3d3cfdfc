"""`cmr-synth sample-masks`: hearts on disk, a table and a sheet, or one line."""

import csv
import json

import pytest
from PIL import Image

from cmr_synth.cli.sample_masks import sample_masks  # noqa: F401  a verb without heavy imports


def test_hearts_with_table_sheet_and_facts(run, tmp_path):
    out = tmp_path / "hearts"
    asked = ("--n", "2", "--pathology", "dcm", "--ef", "25", "--spacing", "2x2x10")
    ended = run("sample-masks", *asked, "--out", out, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert facts["hearts"] == 2 and facts["pathologies"] == {"dcm": 2} and facts["redrawn"] == 0
    assert len(facts["files"]) == 4 and all((out / f).exists() for f in facts["files"])
    with (out / "hearts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["heart"] for row in rows] == ["heart0000", "heart0001"]
    assert all(abs(float(row["lv_ef"]) - 0.25) < 0.02 for row in rows)
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.height > 4 * 96


def test_one_phase_alone(run, tmp_path):
    ended = run(
        "sample-masks", "--phase", "ES", "--spacing", "2x2x12", "--seed", "1", "--out", tmp_path
    )
    assert ended.code == 0
    assert [p.name for p in tmp_path.glob("*.nii.gz")] == ["heart0000_ES.nii.gz"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--pathology", "flu"), "no pathology 'flu'"),
        (("--ef", "90"), "ef of 90%: give 5% to 85%"),
        (("--pathology", "hcm", "--severity", "7"), "severity 7"),
        (("--severity", "0.5"), "severity 0.5 of what"),
        (("--n", "0"), "0 hearts"),
        (("--spacing", "thin"), "spacing 'thin'"),
        (("--slices", "1"), "--slices 1: a whole heart takes"),
        (("--model", "nowhere"), "has card.yaml and shapes.safetensors"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(run, tmp_path, arguments, says):
    out = tmp_path / "hearts"
    ended = run("sample-masks", *arguments, "--out", out)
    assert ended.code == 1
    assert says in ended.line
    assert not out.exists()
