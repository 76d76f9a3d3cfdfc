"""Late enhancement: masks with scar, models of one contrast, and how cine models take both."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import INFARCT, LV, MYO, NO_REFLOW, RV, UNLABELLED
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.conditioning import one_hot_mask, understood
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.imaging.scan import Scan
from cmr_synth.networks.weights import save_weights, state_of
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.families.spade_gan import SpadeGanTask
from cmr_synth.training.loop import train
from tests.conftest import STRUCTURES_OF, write_tiny_model
from tests.training.conftest import drawn_slices, recipe

LGE = Vocabulary(contrast="lge", structures=STRUCTURES_OF["lge"])
SMALL = {"channels": [32, 32], "attention": [False, True], "vendors": ["siemens", "ge"]}
SMALL_LGE = {**SMALL, "contrast": "lge", "structures": list(STRUCTURES_OF["lge"])}


def scarred() -> np.ndarray:
    """A slice with an infarct in a quarter of the wall, and no-reflow in its core."""
    labels = draw_slice(shape=(128, 128))
    rows, columns = np.nonzero(labels == LV)
    y, x = np.indices(labels.shape)
    quarter = (y > rows.mean()) & (x > columns.mean()) & (labels == MYO)
    labels[quarter] = INFARCT
    labels[quarter & (y > rows.mean() + 12)] = NO_REFLOW
    return labels


def stack(labels: np.ndarray) -> Scan:
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    return Scan(array=labels[None], spacing=(8.0, 1.5, 1.5), affine=affine, name="scar")


@pytest.fixture(scope="module")
def lge_model(tmp_path_factory: pytest.TempPathFactory) -> zoo.Model:
    folder = tmp_path_factory.mktemp("lge") / "tiny-lge"
    return zoo.load(write_tiny_model(folder, name="tiny-lge", contrast="lge"))


def made(mask: Scan, model: zoo.Model, **options) -> Synthetic:
    *_, last = synthesize(mask, model, Request(**options))
    assert isinstance(last, Synthetic)
    return last


def test_masks_of_late_enhancement_have_channels_for_scar() -> None:
    labels = torch.from_numpy(scarred()[None]).long()
    indicators = one_hot_mask(labels, LGE.classes)
    assert indicators.shape[1] == LGE.classes == 6
    assert all(indicators[0, label].any() for label in (INFARCT, NO_REFLOW))
    assert Vocabulary().classes == 4


def test_what_a_model_does_not_know_is_wall_or_open() -> None:
    labels = scarred()
    cine, lge = understood(labels, Vocabulary()), understood(labels, LGE)
    assert set(np.unique(cine)) == {0, LV, MYO, RV}
    assert ((cine == MYO) == np.isin(labels, (MYO, INFARCT, NO_REFLOW))).all()
    assert set(np.unique(lge)) == {LV, MYO, INFARCT, NO_REFLOW, UNLABELLED}


def test_the_picture_follows_the_scar(lge_model: zoo.Model, tiny_model: Path) -> None:
    healthy = draw_slice(shape=(128, 128))
    scar, none = (made(stack(labels), lge_model) for labels in (scarred(), healthy))
    assert np.abs(scar.scan.array - none.scan.array).max() > 1e-3
    assert scar.record["model"]["contrast"] == "lge"
    assert any("RV is left open" in note for note in scar.record["notes"])
    cine = zoo.load(tiny_model)
    as_wall, plain = (made(stack(labels), cine) for labels in (scarred(), healthy))
    np.testing.assert_array_equal(as_wall.scan.array, plain.scan.array)
    assert any("scar is taken for myocardium" in note for note in as_wall.record["notes"])


def test_a_model_of_another_contrast_refuses(lge_model: zoo.Model, tiny_model: Path) -> None:
    with pytest.raises(InputError, match="contrast 'lge': model 'tiny' makes cine"):
        made(stack(scarred()), zoo.load(tiny_model), contrast="lge")
    with pytest.raises(InputError, match="contrast 'cine': model 'tiny-lge' makes lge"):
        made(stack(scarred()), lge_model, contrast="cine")
    again = made(stack(scarred()), lge_model, contrast="lge", redraws=2)
    assert "check" not in again.record  # the bundled segmenter has seen no late enhancement
    assert Request.from_record(again.record).contrast == "lge"


def test_the_command_line_takes_emidec_s_numbers(tmp_path: Path, lge_model: zoo.Model) -> None:
    numbers = np.array([0, 1, 2, 0, 3, 4], np.uint8)[scarred()]  # EMIDEC's own, without an RV
    path = tmp_path / "scar.nii.gz"
    nib.save(nib.Nifti1Image(numbers[None].T, np.diag([-1.5, -1.5, 8.0, 1.0])), path)
    folder = write_tiny_model(tmp_path / "tiny-lge", name="tiny-lge", contrast="lge")
    command = [sys.executable, "-m", "cmr_synth.cli", "synthesize", str(path), "--model"]
    command += [
        str(folder),
        "--labels",
        "emidec",
        "--contrast",
        "LGE",
        "--out",
        str(tmp_path / "o"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (record,) = (json.loads(p.read_text()) for p in (tmp_path / "o").glob("*.json"))
    assert record["contrast"] == record["model"]["contrast"] == "lge" and record["mask"]["labels"]


def test_a_flow_of_late_enhancement_trains_on_its_own_slices(tmp_path: Path) -> None:
    slices = drawn_slices()
    labels = slices.labels.copy()
    labels[labels == RV] = UNLABELLED
    labels[:4][labels[:4] == MYO] = INFARCT
    rows = tuple(
        replace(row, contrast="lge" if i < 6 else "cine") for i, row in enumerate(slices.rows)
    )
    mixed = replace(slices, labels=labels, rows=rows)
    task = FlowTask(recipe(family="flow", model=SMALL_LGE))
    assert task.contrast == "lge"
    steps = list(train(task, task.recipe, mixed, tmp_path / "run"))
    assert steps[-1].images_seen == 16
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert config["contrast"] == "lge" and config["structures"] == SMALL_LGE["structures"]
    with pytest.raises(InputError, match="no train slices of any cohort with the contrast 'lge'"):
        next(train(task, task.recipe, slices, tmp_path / "other"))


def test_it_starts_from_a_flow_of_cine_and_does_the_same_at_first(tmp_path: Path) -> None:
    cine = FlowTask(recipe(family="flow", model=SMALL))
    path = tmp_path / "weights.safetensors"
    save_weights(path, state_of(cine.network), bits=16)
    grown = FlowTask(recipe(family="flow", model=SMALL_LGE, initialize_from=str(path)))
    torch.manual_seed(0)
    noisy, time = torch.randn(2, 1, 128, 128), torch.full((2,), 0.5)
    mask = one_hot_mask(torch.from_numpy(np.stack([draw_slice(shape=(128, 128))] * 2)).long())
    more = torch.cat([mask, torch.rand(2, 2, 128, 128)], dim=1)
    asked = [{"vendor": "ge"}, {}]
    with torch.no_grad():
        expected = cine.network.eval()(noisy, time, mask, asked)
        found = grown.network.eval()(noisy, time, more, asked)
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)


def test_a_family_of_cine_alone_says_so() -> None:
    with pytest.raises(InputError, match="'model.contrast': the family 'spade-gan' makes cine"):
        SpadeGanTask(recipe(family="spade-gan", model={"contrast": "lge"}))
    with pytest.raises(InputError, match="no shades for scar"):
        FlowTask(recipe(family="flow", model={**SMALL_LGE, "source": "condition"}))


def test_the_bundled_model_shows_scar_bright_in_a_dark_wall() -> None:
    model = zoo.load("flow-lge")
    labels = draw_slice(shape=(128, 128))
    rows, columns = np.nonzero(labels == LV)
    y, x = np.indices(labels.shape)
    lateral = (labels == MYO) & (x > columns.mean() + 3) & (np.abs(y - rows.mean()) < 12)
    scar = np.where(lateral, np.uint8(INFARCT), labels)
    with_scar, without = (
        np.mean([made(stack(one), model, seed=seed).scan.array[0] for seed in range(3)], axis=0)
        for one in (scar, labels)
    )
    remote = (labels == MYO) & (x < columns.mean())
    blood = labels == LV
    for picture in (with_scar, without):
        assert picture[remote].mean() < 0.75 * picture[blood].mean()
    assert with_scar[lateral].mean() > 1.3 * with_scar[remote].mean()
    assert with_scar[lateral].mean() > 1.3 * without[lateral].mean()
