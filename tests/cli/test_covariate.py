"""`cmr-synth covariate`: a scan at another body mass index, its marks, and what is refused."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.generators.covariate_gan.network import (
    FAMILY,
    CovariateGanConfig,
    CovariateGanNetwork,
)
from cmr_synth.networks.weights import save_weights, state_of

GREY = np.array([0.2, 0.8, 0.3, 0.75], np.float32)
KNOWN = {"name": "bmi", "mean": 25, "sd": 4, "low": 18, "high": 34, "patients": 75}


@pytest.fixture
def model(tmp_path):
    """A network as small as its parts allow, whose covariates show."""
    config = CovariateGanConfig(
        channels=(8, 8), attention=(False, False), head_width=4, groups=4, covariates=(KNOWN,)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = CovariateGanNetwork(config)
        torch.nn.init.normal_(network.unet.conv_out.weight, std=0.05)
    folder = tmp_path / "model"
    folder.mkdir()
    save_weights(folder / "weights.safetensors", state_of(network))
    about = {"family": FAMILY, "config": config.model_dump(mode="json")}
    (folder / "config.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def patient(write_mask, tmp_path):
    """A scan wider than the model's grid, with its mask, and ACDC's Info.cfg beside both."""
    labels = draw_stack(slices=3, shape=(160, 160))
    labels[0] = 0
    mask = write_mask(labels, "p1/p1_gt.nii.gz")
    pixels = 900 * GREY[labels] + np.arange(160, dtype=np.float32)
    path = mask.with_name("p1.nii.gz")
    nib.save(nib.Nifti1Image(pixels.T, nib.load(mask).affine), path)
    (path.parent / "Info.cfg").write_text("Height: 170.0\nWeight: 72.25\n")  # 25 kg/m2
    return path, mask


def test_a_scan_is_changed_where_the_heart_is_and_marked(run, patient, model, tmp_path):
    scan, mask = patient
    command = ("covariate", scan, "--mask", mask, "--model", model)
    ended = run(*command, "--covariate", "bmi=32", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "75 patients" in ended.err and "too few" in ended.err
    made = nib.load(tmp_path / "out" / "p1_bmi32.nii.gz")
    assert made.header["descrip"].tobytes().startswith(b"ALTERED image of a real patient")
    record = json.loads((tmp_path / "out" / "p1_bmi32.json").read_text())
    assert record["altered"] is True and record["synthetic"] is False
    assert record["covariates"]["now"]["bmi"] == pytest.approx(25.0)
    assert record["covariates"]["asked"]["bmi"] == 32.0
    assert record["changed"]["slices"] == [1, 2] and record["changed"]["mean_absolute"] > 0
    same = run(*command, "--covariate", "bmi=20", "--out", tmp_path / "less")
    assert same.code == 0
    more, less = (
        np.asarray(nib.load(tmp_path / f).dataobj).T
        for f in ("out/p1_bmi32.nii.gz", "less/p1_bmi20.nii.gz")
    )
    assert np.abs(more[1:] - less[1:]).max() > 1e-3
    np.testing.assert_array_equal(more[0], less[0])  # no heart there
    np.testing.assert_array_equal(more[:, :8], less[:, :8])  # beyond the model's grid


def test_beyond_the_training_it_says_how_far(run, patient, model, tmp_path):
    scan, mask = patient
    command = ("covariate", scan, "--mask", mask, "--model", model, "--out", tmp_path / "out")
    ended = run(*command, "--covariate", "bmi=42")
    assert ended.code == 0 and "8 kg/m2 (2.0 standard deviations) above all 75" in ended.err
    record = json.loads((tmp_path / "out" / "p1_bmi42.json").read_text())
    assert any("2.0 standard deviations" in note for note in record["notes"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--covariate", "bmi"), "--covariate 'bmi': write NAME=NUMBER"),
        (("--covariate", "bmi=much"), "--covariate 'bmi=much': write NAME=NUMBER"),
        (("--covariate", "bmi=30", "--covariate", "BMI=31"), "bmi is given twice"),
        (("--covariate", "age=70"), "covariate 'age': this model changes bmi"),
        (("--covariate", "bmi=3"), "body mass index 3 kg/m2 (asked for): give 5 to 100"),
        (("--covariate", "bmi=30", "--now", "bmi=900"), "body mass index 900 kg/m2 (now)"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_written(
    run, patient, model, tmp_path, options, says
):
    scan, mask = patient
    ended = run(
        "covariate", scan, "--mask", mask, "--model", model, *options, "--out", tmp_path / "out"
    )
    assert ended.code == 1 and says.lower() in ended.line.lower()
    assert not (tmp_path / "out").exists()


def test_whose_covariate_is_not_known_has_to_be_told(run, patient, model, tmp_path):
    scan, mask = patient
    (scan.parent / "Info.cfg").unlink()
    command = ("covariate", scan, "--mask", mask, "--model", model, "--covariate", "bmi=30")
    ended = run(*command, "--out", tmp_path / "out")
    assert ended.code == 1 and "what the person's body mass index is now is not known" in ended.line
    assert run(*command, "--now", "bmi=24", "--out", tmp_path / "out").code == 0
