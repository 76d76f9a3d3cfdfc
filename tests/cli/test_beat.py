"""`cmr-synth beat` and `cmr-synth request`: from one mask to a cine, or to a function."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack


@pytest.fixture
def stack(write_mask) -> Path:
    return write_mask(draw_stack(seed=1, slices=4, shape=(88, 88)), "p1/ed.nii.gz")


def test_a_mask_becomes_a_cine_with_its_record(run, stack, tmp_path):
    out = tmp_path / "out"
    done = run("beat", stack, "--ef", "40", "--frames", "6", "--heart-rate", "75", "--out", out)
    assert done.code == 0 and "EF 40" in done.out.replace("39.9", "40").replace("40.1", "40")
    image = nib.load(out / "ed_beat_mask.nii.gz")
    assert image.shape == (88, 88, 4, 6)
    assert image.header.get_zooms()[3] == pytest.approx(60 / 75 / 6)
    assert np.array_equal(np.asarray(image.dataobj)[..., 0], np.asarray(nib.load(stack).dataobj))
    record = json.loads((out / "ed_beat_mask.json").read_text())
    assert record["measured"]["lv_ef"] == pytest.approx(0.4, abs=0.01)
    assert record["measured"]["mass_within"] < 0.03
    assert record["altered"] is True and record["synthetic"] is False


def test_a_mask_at_end_systole_says_how_much_it_ejects(run, stack, write_mask, tmp_path):
    es = write_mask(draw_stack(seed=1, slices=4, shape=(88, 88), phase="ES"), "p1/es.nii.gz")
    done = run("beat", stack, "--es", es, "--frames", "4", "--json", "--out", tmp_path / "out")
    record = json.loads(done.out)
    before, after = (np.sum(np.asarray(nib.load(path).dataobj) == 1) for path in (stack, es))
    assert record["measured"]["lv_ef"] == pytest.approx(1 - after / before, abs=0.015)


def test_a_function_is_reached_and_indexed(run, stack, tmp_path):
    (stack.parent / "Info.cfg").write_text("ED: 1\nHeight: 180.0\nWeight: 80.0\n")
    out = tmp_path / "out"
    done = run("request", stack, "--edv", "45", "--indexed", "--ef", "35", "--out", out)
    assert done.code == 0 and "mL/m2" in done.out
    record = json.loads((out / "ed_requested.json").read_text())
    assert record["measured"]["edv_ml"] == pytest.approx(90, rel=0.02)
    assert record["measured"]["ef"] == pytest.approx(0.35, abs=0.01)
    assert record["indexed"]["edv_ml"] == pytest.approx(45, rel=0.02)
    assert {p.name for p in out.iterdir()} == {*record["files"].values(), "ed_requested.json"}
    assert nib.load(out / record["files"]["ES"]).shape == (88, 88, 4)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["beat", "--ef", "95"], "EF 95 % is out of range; give 5 to 85 %"),
        (["beat", "--heart-rate", "500"], "heart rate 500; give 30 to 200"),
        (["request", "--edv", "100", "--esv", "140"], "ESV 140 mL is not below its EDV 100 mL"),
        (["request"], "no function is asked for"),
        (["request", "--edv", "80", "--indexed"], "needs the body surface; give --height"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_leaves_nothing(run, stack, tmp_path, words, told):
    verb, *options = words
    done = run(verb, stack, *options, "--out", tmp_path / "out")
    assert done.code == 1 and told in done.line
    assert not (tmp_path / "out").exists()
