"""`cohort` and `train`: from a folder of drawn patients to a model that `synthesize` accepts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.cli.conftest import write_patients

RECIPE = {
    "family": "flow",
    "images": 8,
    "batch_size": 4,
    "warmup_images": 4,
    "precision": "fp32",
    "model": {
        "channels": [8, 8],
        "attention": [False, False],
        "layers": 1,
        "head_width": 4,
        "groups": 4,
    },
}


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain folder of images and masks of three drawn patients."""
    return write_patients(
        tmp_path_factory.mktemp("patients"),
        lambda k, shape: np.random.default_rng(k).normal(0, 0.05, shape),
    )


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def test_a_private_training_says_its_epsilon(run, patients: Path, tmp_path: Path) -> None:
    privacy = {"epsilon": 30.0, "delta": 0.01, "unit": "patient", "images": 1, "patients": 3}
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump(RECIPE | {"images": 4, "batch_size": 1, "privacy": privacy})
    )
    slices = tmp_path / "slices"
    assert run("cohort", "prepare", f"folder={patients}", "--out", slices).code == 0
    rows = (slices / "slices.csv").read_text()
    for split in ("validation", "test"):  # of three patients, all are needed
        rows = rows.replace(f",{split},", ",train,")
    (slices / "slices.csv").write_text(rows)
    out = tmp_path / "out"
    ended = run("train", tmp_path / "mine.yaml", "--slices", slices, "--out", out)
    assert ended.code == 0, ended.err
    assert "differential privacy: epsilon" in ended.out and "at delta 0.01" in ended.out
    card = yaml.safe_load((out / "card.yaml").read_text())
    assert card["training"]["privacy"]["unit"] == "patient"
    assert card["training"]["privacy"]["epsilon"] <= 30


def test_a_training_is_averaged_over_another_width(run, patients: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"images": 64, "averages": [0.05, 0.1]}))
    out, wide = tmp_path / "out", tmp_path / "wide"
    assert run("train", path, "--data", f"folder={patients}", "--out", out).code == 0
    ended = run("average", out, "--width", "0.15", "--out", wide, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    shown = json.loads(run("zoo", "show", wide, "--json").out)
    assert shown["sha256"] == facts["sha256"]
    own = json.loads(run("zoo", "show", out, "--json").out)
    assert own["sha256"] != shown["sha256"] and own["training"] == shown["training"]
    assert run("zoo", "verify", wide).code == 0
    assert run("average", out, "--width", "0.15", "--out", wide).line.endswith("another folder.")
    ended = run("average", out, "--width", "0.4", "--out", tmp_path / "none")
    assert ended.code == 1 and "a relative width" in ended.line
    ended = run("average", tmp_path / "slices", "--width", "0.1", "--out", tmp_path / "none")
    assert ended.code == 1 and not (tmp_path / "none").exists()


def test_list_names_every_adapter(run) -> None:
    names = [c["name"] for c in json.loads(run("cohort", "list", "--json").out)["cohorts"]]
    assert {"acdc", "chla", "sunnybrook", "folder"} <= set(names)
    assert "acdc" in run("cohort", "list").out


def test_check_reports(run, patients: Path) -> None:
    facts = json.loads(run("cohort", "check", f"folder={patients}", "--json").out)
    (findings,) = facts["cohorts"].values()
    assert any("3 patients" in finding["message"] for finding in findings)
    (examinations,) = facts["examinations"].values()
    assert len({e["patient"] for e in examinations}) == 3


def test_check_writes_and_is_strict(run, patients: Path, tmp_path: Path) -> None:
    before = sorted(p.name for p in patients.rglob("*"))
    ended = run("cohort", "check", f"folder={patients}", "--out", tmp_path / "o", "--table")
    assert ended.code == 0 and "grey values" in ended.out
    assert {"cohort.html", "cohort.json", "sheets"} <= {p.name for p in (tmp_path / "o").iterdir()}
    assert len(list((tmp_path / "o" / "sheets" / "folder").iterdir())) == 3
    assert sorted(p.name for p in patients.rglob("*")) == before
    assert run("cohort", "check", f"folder={patients}", "--strict").code == 0
    own = tmp_path / "own"
    shutil.copytree(patients, own)
    (own / "cohort.xlsx").write_bytes(b"PK")
    ended = run("cohort", "check", f"folder={own}", "--strict")
    assert ended.code == 1 and "cohort.xlsx: is not read" in ended.out
    assert run("cohort", "check", f"folder={own}").code == 0
    ended = run("cohort", "prepare", f"folder={own}", "--out", tmp_path / "set", "--strict")
    assert ended.code == 1 and "1 files are left out" in ended.err
    assert not (tmp_path / "set").exists()


def test_normalisations_are_those_of_the_engine() -> None:
    from cmr_synth.cli.cohort import Normalisation
    from cmr_synth.imaging.normalise import AROUND_HEART, NORMALISATIONS

    assert {choice.value for choice in Normalisation} == {*NORMALISATIONS, AROUND_HEART}


def test_an_unknown_normalisation_lists_the_known_ones(run, tmp_path: Path) -> None:
    ended = run("cohort", "prepare", "folder=.", "--out", tmp_path / "o", "--normalisation", "nix")
    assert ended.code == 2 and "around-heart" in ended.err


def test_the_normalisation_is_recorded(run, patients: Path, tmp_path: Path) -> None:
    from cmr_synth.cohorts.slices import open_slice_set

    for chosen in ("percentile", "around-heart"):
        options = ("--no-complete", "--normalisation", chosen)
        out = tmp_path / chosen
        assert run("cohort", "prepare", f"folder={patients}", "--out", out, *options).code == 0
        assert json.loads((out / "slice_set.json").read_text())["normalisation"] == chosen
    first, second = (
        np.asarray(open_slice_set(tmp_path / n).images) for n in ("percentile", "around-heart")
    )
    assert not np.array_equal(first, second)


def test_prepare_writes_a_slice_set(run, patients: Path, tmp_path: Path) -> None:
    out = tmp_path / "slices"
    ended = run("cohort", "prepare", f"folder={patients}", "--out", out, "--no-complete", "--json")
    assert ended.code == 0
    assert sum(json.loads(ended.out)["slices"].values()) == 6
    assert (out / "slices.csv").is_file()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("folder", "NAME=PATH"),
        ("nix=.", "no cohort is called 'nix'"),
        ("folder=/no/such/folder", "no such folder"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "prepare"])
def test_a_source_that_cannot_be_read(
    run, tmp_path: Path, verb: str, source: str, words: str
) -> None:
    out = tmp_path / "out"
    options = ["--out", out] if verb == "prepare" else []
    ended = run("cohort", verb, source, *options)
    assert ended.code == 1
    assert words in ended.line
    assert not out.exists()


def test_a_trained_model_is_a_model_folder(
    run, patients: Path, recipe: Path, mask: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    ended = run("train", recipe, "--data", f"folder={patients}", "--out", out, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert facts["images_seen"] == 8 and facts["name"] == "mine"
    assert run("zoo", "verify", out).code == 0
    assert run("synthesize", mask, "--model", out, "--out", tmp_path / "images").code == 0

    again = run("train", recipe, "--data", f"folder={patients}", "--out", out)
    assert again.code == 1
    assert "holds a training already; continue it with --resume" in again.line
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump(RECIPE | {"images": 16, "name": "mine"}))
    ended = run("train", more, "--data", f"folder={patients}", "--out", out, "--resume", "--json")
    assert json.loads(ended.out)["images_seen"] == 16


def test_a_dry_run_prints_every_field_and_writes_nothing(run, recipe: Path) -> None:
    before = set(recipe.parent.iterdir())
    stated = yaml.safe_load(run("train", recipe, "--dry-run").out)
    assert stated["images"] == 8 and stated["learning_rate"] > 0
    assert stated["augmentation"]["rotation_degrees"] > 0
    assert set(recipe.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"family": "gan"},
            "field 'family': 'gan' is unknown; known are autoencoder, copy-detector,",
        ),
        ({"learning_rat": 1}, "field 'learning_rat'"),
        ({"images": 0}, "field 'images'"),
    ],
)
def test_a_wrong_recipe_is_one_line(run, recipe: Path, change: dict, words: str) -> None:
    recipe.write_text(yaml.safe_dump(RECIPE | change))
    ended = run("train", recipe, "--dry-run")
    assert ended.code == 1
    assert words in ended.line


def test_a_wrong_network_is_one_line(run, recipe: Path, patients: Path, tmp_path: Path) -> None:
    recipe.write_text(yaml.safe_dump(RECIPE | {"model": {"chanels": [8]}}))
    ended = run("train", recipe, "--data", f"folder={patients}", "--out", tmp_path / "model")
    assert ended.code == 1
    assert "recipe 'mine': field 'model.chanels': Extra inputs" in ended.line
    assert not (tmp_path / "model").exists()  # before the patients are prepared


def test_no_minutes_are_wrong_usage(run, recipe: Path, patients: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    for minutes in ("0", "-1", "nan"):
        ended = run(
            "train", recipe, "--data", f"folder={patients}", "--out", out, "--minutes", minutes
        )
        assert ended.code == 2 and "--minutes must be more than 0" in ended.err
    assert not out.exists()


def test_prepare_does_not_replace_something_else(run, patients: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    ended = run("cohort", "prepare", f"folder={patients}", "--out", tmp_path / "thesis")
    assert ended.code == 1 and "holds other files, which are not replaced" in ended.line
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_second_stage_starts_from_the_first(
    run, patients: Path, recipe: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert run("train", recipe, "--data", f"folder={patients}", "--out", one, "--json").code == 0
    weights = one / "weights-fp16.safetensors"
    still = tmp_path / "still.yaml"
    still.write_text(yaml.safe_dump(RECIPE | {"learning_rate": 1e-30, "images": 4}))
    more = ("--from", weights, "--slices", one / "slices", "--out", two, "--json")
    ended = run("train", still, *more)
    assert ended.code == 0, ended.err
    assert (two / weights.name).read_bytes() == weights.read_bytes()
    stated = json.loads((two / "config.json").read_text())["recipe"]
    assert stated["initialize_from"] == str(weights)


def test_a_first_stage_that_is_not_there_is_one_line(run, recipe: Path, tmp_path: Path) -> None:
    ended = run("train", recipe, "--dry-run", "--from", tmp_path / "no.safetensors")
    assert ended.code == 1
    assert "no.safetensors: no such file; give the weights of an earlier stage" in ended.line


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Call the command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cmr_synth.cli", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="gloo needs an extra library on Windows")
def test_processes_launched_on_cpus_train_together(
    run, patients: Path, recipe: Path, tmp_path: Path
) -> None:
    """The environment is that of `accelerate launch --cpu --num_processes 2`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    out = tmp_path / "model"
    running = [
        start(
            *("train", recipe, "--data", f"folder={patients}", "--out", out, "--json"),
            **world, RANK=rank, LOCAL_RANK=rank, ACCELERATE_USE_CPU="true",
        )
        for rank in "01"
    ]  # fmt: skip
    ended = [(*process.communicate(timeout=240), process.returncode) for process in running]
    assert [code for _, _, code in ended] == [0, 0], ended
    assert json.loads(ended[0][0])["images_seen"] == 8
    assert ended[1][0] == ""  # one of them writes the model and tells of it


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("times", [1, 4])
def test_an_interrupted_training_can_be_resumed(
    run, patients: Path, recipe: Path, tmp_path: Path, times: int
) -> None:
    """Once: the step at hand is kept. Again and again: the last checkpoint is."""
    stated = RECIPE | {"images": 100_000, "checkpoint_minutes": 1e-6}
    recipe.write_text(yaml.safe_dump(stated))
    out = tmp_path / "model"
    process = start("train", recipe, "--data", f"folder={patients}", "--out", out)
    try:
        patience = time.monotonic() + 120
        while not (out / "checkpoint" / "state.json").exists() and time.monotonic() < patience:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    if times == 1:  # more of them may also end the program while it says so
        assert process.returncode == 1
        assert errors.splitlines()[-1].startswith("cmr-synth: interrupted; continue with --resume")
        assert "Traceback" not in errors
    assert not list(out.glob(".partial*"))
    seen = json.loads((out / "checkpoint" / "state.json").read_text())["images_seen"]
    recipe.write_text(yaml.safe_dump(stated | {"images": seen + 4}))
    ended = run("train", recipe, "--slices", out / "slices", "--out", out, "--resume", "--json")
    assert json.loads(ended.out)["images_seen"] == seen + 4
