"""`calibrate`: a model's pictures get the spectra of the patients it was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.ndimage import gaussian_filter

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.evaluation.realism.spectrum import log_power
from cmr_synth.evaluation.sample import real_sample
from cmr_synth.generators import zoo
from tests.cli.conftest import write_patients

RECIPE = {
    "family": "cvae",
    "images": 4,
    "batch_size": 2,
    "warmup_images": 2,
    "precision": "fp32",
    "model": {
        "channels": [8, 8, 8, 8],
        "full_channels": 8,
        "blocks": 1,
        "hidden": 8,
        "encoder": [8, 8, 8, 8],
    },
}


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn patients with grain."""

    def grain(k: int, shape: tuple[int, ...]) -> np.ndarray:
        return gaussian_filter(np.random.default_rng(k).normal(0, 0.2, shape), (0, 1, 1))

    return write_patients(tmp_path_factory.mktemp("patients"), grain)


@pytest.fixture
def slices(run, patients: Path, tmp_path: Path) -> Path:
    """A slice set that has them all in training."""
    out = tmp_path / "slices"
    assert run("cohort", "prepare", f"folder={patients}", "--out", out).code == 0
    rows = (out / "slices.csv").read_text()
    for split in ("validation", "test"):
        rows = rows.replace(f",{split},", ",train,")
    (out / "slices.csv").write_text(rows)
    return out


@pytest.fixture
def model(run, slices: Path, tmp_path: Path) -> Path:
    """A model that was hardly trained."""
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    ended = run("train", path, "--slices", slices, "--out", tmp_path / "model")
    assert ended.code == 0, ended.err
    return tmp_path / "model"


def test_its_pictures_come_nearer_to_the_spectra_of_training_patients(
    run, model: Path, slices: Path, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated"
    ended = run("calibrate", model, "--slices", slices, "--out", out, "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["patients"] == {"": 3} and told["slices"] == {"": 6}
    assert (out / "weights.safetensors").read_bytes() == (
        model / "weights.safetensors"
    ).read_bytes()
    real = real_sample(open_slice_set(slices), "train")
    wanted = log_power(real.pixels).mean(axis=0)
    off = []
    for folder in (model, out):
        made = np.concatenate(list(counterparts(zoo.load(folder).generator, real, seed=5)))
        off.append(np.abs(log_power(made).mean(axis=0) - wanted).mean())
    assert off[1] < 0.6 * off[0]
    again = run("calibrate", out, "--slices", slices, "--out", tmp_path / "again", "--json")
    assert json.loads(again.out)["gains"] == told["gains"]  # those it has are put aside


def test_what_cannot_be_calibrated_is_refused_in_a_line(
    run, model: Path, slices: Path, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated"
    assert run("calibrate", model, "--slices", slices, "--out", out).code == 0
    ended = run("calibrate", model, "--slices", slices, "--out", out)
    assert ended.code == 1 and ended.line.endswith("is there already; choose another folder.")
    ended = run("calibrate", "flow", "--slices", slices, "--out", tmp_path / "of-others")
    assert ended.code == 1 and "too few training patients of siemens" in ended.line
    assert "acdc" in ended.line
    card = yaml.safe_load((model / "card.yaml").read_text())
    card["training"]["privacy"] = {"epsilon": 5.0}
    (model / "card.yaml").write_text(yaml.safe_dump(card))
    ended = run("calibrate", model, "--slices", slices, "--out", tmp_path / "private")
    assert ended.code == 1 and "its epsilon would no longer hold" in ended.line
    kept = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert kept == ["calibrated", "model", "slices"]
