"""Whatever is given, a user gets one line, code 1, and no partial output."""

from __future__ import annotations

import gzip
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from cmr_synth.anatomy.template import draw_slice, draw_stack

Damage = Callable[[Path], None]


def _remove(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _promise(n: int) -> Damage:
    def damage(path: Path) -> None:
        raw = bytearray(gzip.decompress(path.read_bytes()))
        raw[42:48] = np.array([n, n, 4], dtype="<i2").tobytes()  # dim[1] to dim[3]
        path.write_bytes(gzip.compress(bytes(raw)))

    return damage


def _text(path: Path) -> None:
    path.write_text("patient,phase\n1,ED\n" * 40)


def _spacing(value: float) -> Damage:
    """A spacing that cannot be, and no affine that could stand in for it."""

    def damage(path: Path) -> None:
        raw = bytearray(gzip.decompress(path.read_bytes()))
        raw[80:84] = np.array([value], dtype="<f4").tobytes()  # pixdim[1]
        raw[252:256] = bytes(4)  # qform_code, sform_code
        path.write_bytes(gzip.compress(bytes(raw)))

    return damage


def _labels(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(path: Path) -> None:
        labels = change(draw_slice()[None])
        nib.save(nib.Nifti1Image(labels.T, np.diag([-1.5, -1.5, 8, 1])), path)

    return damage


def _apart(labels: np.ndarray) -> np.ndarray:
    """A heart whose parts lie further apart than any heart's."""
    wide = np.zeros((1, 400, 400), np.uint8)
    wide[0, :128, :128] = labels[0]
    wide[0, -128:, -128:] = labels[0]
    return wide


BAD_MASKS: dict[str, tuple[Damage, str]] = {
    "no such file": (_remove, "no such file"),
    "truncated gzip": (_truncate, "truncated or damaged"),
    "more voxels than the file holds": (_promise(500), "header promises"),
    "absurd size": (_promise(32767), "heart.nii.gz"),
    "text file": (_text, "NIfTI"),
    "no whole numbers": (
        _labels(lambda labels: labels.astype(np.float32) * 0.7),
        "a mask holds whole numbers",
    ),
    "unknown numbers": (_labels(lambda labels: labels * 3), "found label"),
    "all background": (_labels(np.zeros_like), "the mask is empty"),
    "no convention to be told": (_labels(lambda m: (m == 1).astype(np.uint8)), "--labels acdc"),
    "larger than the field of view": (_labels(_apart), "larger than the model's field of view"),
    "zero spacing": (_spacing(0.0), "spacing"),
    "NaN spacing": (_spacing(float("nan")), "spacing"),
}


@pytest.mark.parametrize("kind", BAD_MASKS)
def test_a_bad_mask(run, mask: Path, tiny_model: Path, tmp_path: Path, kind: str) -> None:
    damage, words = BAD_MASKS[kind]
    damage(mask)
    out = tmp_path / "out"
    ended = run("synthesize", mask, "--vendor", "siemens", "--model", tiny_model, "--out", out)
    assert ended.code == 1
    assert not ended.out
    last = ended.err.splitlines()[-1]
    assert last.startswith("cmr-synth: ") and words in last and "heart.nii.gz" in last
    assert "Traceback" not in ended.err
    assert not out.exists()


def test_a_bad_mask_among_good_ones_stops_before_anything_is_made(
    run, mask: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = run("synthesize", mask, tmp_path / "nix.nii", "--model", tiny_model, "--out", out)
    assert ended.code == 1
    assert "nix.nii: no such file" in ended.line
    assert not out.exists()


def test_a_vendor_that_the_model_does_not_have(
    run, mask: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = run("synthesize", mask, "--vendor", "canon", "--model", tiny_model, "--out", out)
    assert ended.code == 1
    assert "vendor 'canon': model 'tiny' was trained with siemens, philips, ge" in ended.line
    assert not out.exists()


@pytest.mark.parametrize("verb", ["synthesize", "demo"])
def test_a_model_with_a_wrong_hash(
    run, mask: Path, tiny_model: Path, tmp_path: Path, verb: str
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_model, damaged)
    weights = damaged / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    out = tmp_path / "out"
    masks = [mask] if verb == "synthesize" else []
    ended = run(verb, *masks, "--model", damaged, "--out", out)
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert "has SHA-256" in last and "damaged or was exchanged" in last
    assert not out.exists()


def test_a_model_that_does_not_exist(run, mask: Path, tmp_path: Path) -> None:
    ended = run("synthesize", mask, "--model", "nix", "--out", tmp_path / "out")
    assert ended.code == 1
    assert "no model is called 'nix'" in ended.line


@pytest.mark.parametrize("verb", ["synthesize", "demo"])
def test_an_output_folder_that_is_a_file(
    run, mask: Path, tiny_model: Path, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out"
    masks = [mask] if verb == "synthesize" else []
    ended = run(verb, *masks, "--model", tiny_model, "--out", out)
    assert ended.code == 1
    assert "cannot be written" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("verb", ["synthesize", "demo"])
def test_a_full_output_folder(run, mask: Path, tiny_model: Path, tmp_path: Path, verb: str) -> None:
    """A limit on the size of files stands in for a full disk: both fail while writing."""
    resource = pytest.importorskip("resource", reason="no such limit on Windows")
    out = tmp_path / "new" / "out"
    masks = [mask] if verb == "synthesize" else []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        ended = run(verb, *masks, "--model", tiny_model, "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.code == 1
    assert "cannot be written" in ended.err.splitlines()[-1]
    assert ".partial" not in ended.err and "Traceback" not in ended.err
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run(
    mask: Path, tiny_model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cmr_synth.cli", "synthesize", str(mask), "--n", "100000"]
    command += ["--model", str(tiny_model), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        patience = time.monotonic() + 120
        while not list(out.glob(".partial-*/*.json")) and time.monotonic() < patience:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert not stdout
    assert stderr.splitlines()[-1].startswith("cmr-synth: interrupted")
    assert "Traceback" not in stderr
    assert not out.exists()


RECIPE = {
    "family": "flow",
    "images": 8,
    "batch_size": 4,
    "precision": "fp32",
    "model": {
        "channels": [8, 8],
        "attention": [False, False],
        "layers": 1,
        "head_width": 4,
        "groups": 4,
    },
}


def _write_patients(root: Path, *, empty: bool = False) -> Path:
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    for k in range(3):
        labels = draw_stack(slices=2, seed=k)
        image = np.array([0.2, 1.0, 0.4, 0.9], np.float32)[labels]
        for folder, array in (("images", image), ("labels", labels * (not empty))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array.T, affine), root / folder / f"p{k}.nii.gz")
    return root


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slice set of three drawn patients."""
    from cmr_synth.cohorts.prepare import prepare

    folder = tmp_path_factory.mktemp("prepared")
    patients = _write_patients(folder / "patients")
    for _ in prepare([("folder", patients)], folder / "slices"):
        pass
    return folder / "slices"


@pytest.fixture
def train(run, prepared: Path, tmp_path: Path):
    """`train(change)`: train the small recipe with changes into `tmp_path/out`."""

    def call(*options: str | Path, slices: Path = prepared, **change):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(RECIPE | change))
        return run("train", path, "--slices", slices, "--out", tmp_path / "out", *options)

    return call


def test_data_without_usable_slices(run, tmp_path: Path) -> None:
    patients = _write_patients(tmp_path / "patients", empty=True)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(RECIPE))
    out = tmp_path / "out"
    ended = run("train", tmp_path / "mine.yaml", "--data", f"folder={patients}", "--out", out)
    assert ended.code == 1
    assert "no slice" in ended.err.splitlines()[-1]
    assert not out.exists()


def test_a_vendor_that_the_recipe_does_not_have(train, prepared: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    shutil.copytree(prepared, strange)
    rows = (strange / "slices.csv").read_text().splitlines()
    place = rows[0].split(",").index("vendor")
    changed = [row.split(",") for row in rows]
    for row in changed[1:]:
        row[place] = "toshiba"
    (strange / "slices.csv").write_text("\n".join(",".join(row) for row in changed) + "\n")
    ended = train(slices=strange)
    assert ended.code == 1
    assert "vendor 'toshiba' of folder p" in ended.line and "the network knows" in ended.line
    assert not (tmp_path / "out").exists()


def test_a_changed_recipe_and_another_family_are_not_resumed(train, tmp_path: Path) -> None:
    assert train().code == 0
    state = tmp_path / "out" / "checkpoint" / "state.json"
    before = state.read_bytes()
    ended = train("--resume", learning_rate=1e-5)
    assert ended.code == 1
    assert "field 'learning_rate' of the recipe was 0.0004 and is 1e-05 now" in ended.line
    ended = train("--resume", family="segmenter", model={"filters": [4, 8, 8]})
    assert ended.code == 1
    assert "is of the family 'flow' and the recipe is of 'segmenter'" in ended.line
    assert state.read_bytes() == before


def test_a_loss_that_is_no_number(train, tmp_path: Path) -> None:
    ended = train(learning_rate=1e30, warmup_images=0)
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert "the loss of 'flow' is" in last and "learning rate lower than 1e+30" in last
    assert not (tmp_path / "out" / "weights.safetensors").exists()


def test_a_disk_that_is_full_at_the_checkpoint(train, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="no such limit on Windows")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        ended = train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert "checkpoint: cannot be written, there is no room: a checkpoint needs" in last
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out" / "checkpoint").exists()
    assert not list((tmp_path / "out").glob(".partial*"))
