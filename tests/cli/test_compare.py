"""`cmr-synth compare`, end to end: a model taken, two recipes trained, one table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceRow, write_slice_set
from cmr_synth.comparison.protocol import SHOWN

TINY_FLOW = {
    "family": "flow",
    "images": 8,
    "batch_size": 4,
    "precision": "fp32",
    "model": {
        "channels": [8, 8],
        "attention": [False, False],
        "head_width": 4,
        "groups": 4,
        "vendors": ["siemens", "philips", "ge"],
    },
}
TINY_AUTOENCODER = {
    "family": "autoencoder",
    "images": 8,
    "batch_size": 4,
    "precision": "fp32",
    "model": {"encoder": [8, 8], "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4},
    "loss": {"channels": 4, "layers": 1},
}
TINY_LATENT = {
    **TINY_FLOW,
    "family": "latent",
    "model": TINY_FLOW["model"],
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slice set of drawn hearts on disk: eight patients to train on, six to measure on."""
    folder = tmp_path_factory.mktemp("compare") / "prepared"
    write_drawn_slices(folder, patients=14, each=8)
    return folder


def write_drawn_slices(folder: Path, *, patients: int, each: int = 3) -> None:
    rng = np.random.default_rng(0)
    labels = np.stack(
        [
            draw_slice(shape=(160, 160), level=("basal", "mid", "apical")[k % 3], seed=k // each)
            for k in range(each * patients)
        ]
    )
    shades = np.array([60, 220, 90, 200])[labels] + rng.normal(0, 8, labels.shape)
    rows = [
        SliceRow(
            cohort="acdc",
            patient=f"p{k // each:02}",
            split="train" if k // each < patients - 6 else "test",
            vendor="siemens",
            phase="ED",
            pathology="",
            slice=k % each,
            z=(0.1, 0.5, 0.9)[k % 3],
            completed=False,
        )
        for k in range(each * patients)
    ]
    save_slice_set(folder, np.clip(shades, 0, 255).astype(np.uint8), labels, rows)


def save_slice_set(folder: Path, images, labels, rows) -> None:
    arrays = {
        "images": images,
        "labels": labels.astype(np.uint8),
        "covered": np.ones_like(labels, dtype=np.uint8),
    }
    about = {
        "spacing_mm": 1.5,
        "cohorts": {"acdc": {"title": "drawn", "licence": "CC0 1.0", "citation": "nobody"}},
    }
    write_slice_set(folder, arrays, rows, about)


def recipe(folder: Path, name: str, fields: dict) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(fields))
    return str(path)


@pytest.fixture
def recipes(tmp_path) -> tuple[str, str, str]:
    return (
        recipe(tmp_path, "tiny-flow", TINY_FLOW),
        recipe(tmp_path, "tiny-autoencoder", TINY_AUTOENCODER),
        recipe(tmp_path, "tiny-latent", TINY_LATENT),
    )


def test_recipes_are_trained_and_measured_in_one_table(run, prepared, recipes, tmp_path):
    flow, first, second = recipes
    out = tmp_path / "out"
    done = run("compare", flow, f"{first}+{second}", "--slices", prepared, "--images", "8", "--out",
               out, "--json")  # fmt: skip
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert [m["name"] for m in facts["models"]] == ["tiny-flow", "tiny-autoencoder+tiny-latent"]
    assert facts["protocol"]["patients"] == 6 and facts["protocol"]["slices"] == 48
    for model in facts["models"]:
        strata = [s for s in model["adherence"]["strata"] if s["by"] == "all"]
        assert {s["structure"] for s in strata} == {"LV", "MYO", "RV"}
        assert model["fidelity"]["hash"] == facts["protocol"]["encoder"]
        assert model["fidelity"]["kernel"]["value"] > model["fidelity"]["kernel_floor"]["value"]
        assert model["cost"]["seconds"] > 0 and model["cost"]["parameters"] > 1000
        assert model["images_seen"] == 8
        assert 0 <= model["fidelity"]["coverage"]["recall"] <= 1
    table = (out / "comparison.md").read_text()
    assert table.count("\n| ") == 3 and "tiny-autoencoder+tiny-latent (latent)" in table
    assert "<table>" in (out / "comparison.html").read_text()
    from PIL import Image

    assert Image.open(out / "sheet.png").size[0] > SHOWN * 128

    again = run("compare", flow, "--slices", prepared, "--images", "8", "--out", out)
    assert again.code == 1 and "holds a comparison already" in again.line
    resumed = run("compare", flow, "--slices", prepared, "--images", "8", "--out", out, "--resume")
    assert resumed.code == 0 and "was trained before" in resumed.err


def test_recipes_are_trained_on_few_patients_and_measured_on_all(run, prepared, recipes, tmp_path):
    out = tmp_path / "few"
    asked = ("--slices", prepared, "--images", "8", "--training-patients", "6", "--out", out)
    done = run("compare", recipes[0], *asked, "--json")
    assert done.code == 0, done.err
    (model,) = json.loads(done.out)["models"]
    card = yaml.safe_load((out / "models" / "tiny-flow" / "card.yaml").read_text())
    assert [use["patients"] for use in card["training"]["cohorts"]] == [6]
    loss = model["privacy_loss"]
    assert loss["low"] <= loss["value"] <= loss["high"]
    assert "Privacy loss" in (out / "comparison.md").read_text()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["flow", "--training-patients", "5"], "every model named is finished"),
        (["ddpm", "--train", "--images", "4", "--training-patients", "99"], "has 8 of acdc"),
        (
            ["autoencoder", "--images", "4"],
            "autoencoder: trains a network of the family autoencoder, which makes no images",
        ),
        (["nonsense", "--images", "4"], "nonsense: neither a model nor a recipe"),
        (["flow", "flow"], "named twice"),
        (["ddpm", "--train"], "give --minutes or --images"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, prepared, tmp_path, arguments, said):
    out = tmp_path / "out"
    done = run("compare", *arguments, "--slices", prepared, "--out", out)
    assert done.code == 1
    assert said in done.line
    assert not out.exists()


def test_too_few_held_out_patients_are_refused(run, recipes, tmp_path):
    write_drawn_slices(tmp_path / "few", patients=7)
    done = run("compare", recipes[0], "--slices", tmp_path / "few", "--images", "4", "--out",
               tmp_path / "out")  # fmt: skip
    assert done.code == 1
    assert "3 training slices of acdc for 18 test slices" in done.line
