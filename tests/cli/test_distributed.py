"""Two processes under `accelerate launch`: the files of one, and whatever ends one ends both."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest
import yaml

from cmr_synth.anatomy.template import draw_slice, draw_stack

from .test_audit import drawn_patients

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="gloo needs an extra library on Windows"
)

# `accelerate launch --cpu` starts one process only, unless through MPI
LAUNCH = (
    "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
    "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
    "--main_process_port", "0", "--module",
)  # fmt: skip
BOUND_S = 90.0  # for processes that are left over to end, on a machine that does much else
RECIPE = {
    "family": "flow",
    "images": 96,
    "batch_size": 4,
    "warmup_images": 4,
    "precision": "fp32",
    "checkpoint_minutes": 1e-6,  # after every step
    "model": {
        "channels": [8, 8],
        "attention": [False, False],
        "layers": 1,
        "head_width": 4,
        "groups": 4,
    },
}


@contextmanager
def started(*arguments: str | Path, launched: bool = True) -> Iterator[subprocess.Popen[str]]:
    """The command line on two processes, or on one with as many threads."""
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *(LAUNCH if launched else ("-m",)), "cmr_synth.cli", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ended(*arguments: str | Path, launched: bool = True) -> str:
    """What it prints, once it has ended well."""
    with started(*arguments, launched=launched) as process:
        stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    return stdout


def ended_by(act: Callable[[subprocess.Popen[str]], None], ready: Callable[[], bool], *arguments):
    """Act on it when ready; the lines that the program itself then says last."""
    with started(*arguments) as process:
        patience = time.monotonic() + 120
        while not ready() and time.monotonic() < patience:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        act(process)
        stdout, stderr = process.communicate(timeout=BOUND_S)
    assert process.returncode != 0
    assert not stdout
    assert "gloo" not in stderr and "Connection closed" not in stderr
    return [line for line in stderr.splitlines() if line.startswith("cmr-synth: ")]


def kill_one(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the process of rank 1."""
    workers = psutil.Process(process.pid).children()
    next(worker for worker in workers if worker.environ().get("RANK") == "1").kill()


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """As a terminal does: everything in the foreground gets it."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Slices and stacks of two slices in turn."""
    folder = tmp_path / "masks"
    folder.mkdir()
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    for k in range(5):
        labels = draw_stack(slices=2, seed=k) if k % 2 else draw_slice(seed=k)[None]
        nib.save(nib.Nifti1Image(labels.T, affine), folder / f"m{k}.nii.gz")  # (z, y, x) -> (x, ..)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file, sidecars without the time they were made at."""
    found = {}
    for path in folder.iterdir():
        if path.is_dir():
            continue
        found[path.name] = path.read_bytes()
        if path.suffix == ".json":
            stated = {k: v for k, v in json.loads(path.read_text()).items() if k != "created"}
            found[path.name] = json.dumps(stated).encode()
    return found


def test_a_batch_on_two_processes_killed_and_resumed_is_that_of_one(
    masks: Path, tiny_model: Path, tmp_path: Path
) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    command = ("synthesize", masks, "--model", tiny_model, "--n", "2", "--steps", "30", "--json")
    said = ended_by(kill_one, lambda: bool(list(two.glob("*.json"))), *command, "--out", two)
    assert "files" not in " ".join(said)
    before = content(two)
    stems = {name.partition(".")[0] for name in before}
    assert 2 <= len(stems) < 10 and len(before) == 2 * len(stems)  # whole masks, not all

    facts = json.loads(ended(*command, "--out", two, "--resume"))  # told once, by one of them
    ended(*command, "--out", one, launched=False)
    alone = content(one)
    assert len(alone) == 20
    assert content(two) == alone
    assert before.items() <= alone.items()
    assert [Path(file).name for file in facts["files"]] == sorted(
        name for name in alone if name.endswith(".nii.gz")
    )


def test_a_bad_mask_ends_all_with_one_line(masks: Path, tiny_model: Path, tmp_path: Path) -> None:
    (masks / "m3.nii.gz").write_text("no mask")
    out = tmp_path / "out"
    with started("synthesize", masks, "--model", tiny_model, "--out", out) as process:
        stdout, stderr = process.communicate(timeout=BOUND_S)
    assert process.returncode != 0 and not stdout
    (line,) = (line for line in stderr.splitlines() if line.startswith("cmr-synth: "))
    assert "m3.nii.gz" in line
    assert not out.exists()


def test_a_training_on_two_processes_stopped_killed_and_resumed_is_the_same(
    masks: Path, tmp_path: Path
) -> None:
    data, recipe = tmp_path / "data", tmp_path / "mine.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    (data / "images").mkdir(parents=True)
    masks.rename(data / "labels")
    for path in (data / "labels").iterdir():
        mask = nib.load(path)
        image = np.array([0.2, 1.0, 0.4, 0.9], np.float32)[np.asarray(mask.dataobj)]
        nib.save(nib.Nifti1Image(image, mask.affine), data / "images" / path.name)
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    state = parts / "checkpoint" / "state.json"

    def seen_more_than(images: int) -> Callable[[], bool]:
        def ready() -> bool:
            with contextlib.suppress(OSError, ValueError):
                return json.loads(state.read_text())["images_seen"] > images
            return False

        return ready

    command = ("train", recipe, "--data", f"folder={data}", "--out", parts)
    said = ended_by(press_ctrl_c, seen_more_than(8), *command)
    assert [line for line in said if "interrupted; continue with --resume" in line] == said[-1:]
    stopped = json.loads(state.read_text())["images_seen"]

    command = ("train", recipe, "--slices", parts / "slices", "--json")
    ended_by(kill_one, seen_more_than(stopped + 8), *command, "--out", parts, "--resume")
    assert stopped < json.loads(state.read_text())["images_seen"] < 96
    assert json.loads(ended(*command, "--out", parts, "--resume"))["images_seen"] == 96
    ended(*command, "--out", whole)
    assert (parts / "weights.safetensors").read_bytes() == (
        whole / "weights.safetensors"
    ).read_bytes()
    assert not list(parts.glob(".partial*"))


def test_an_archive_of_two_processes_is_that_of_one(tmp_path: Path) -> None:
    prepared, two, one = (tmp_path / name for name in ("prepared", "two", "one"))
    drawn_patients(prepared, training=100, held_out=6)  # more than one part
    command = ("archive", "build", "--slices", prepared, "--json")
    facts = json.loads(ended(*command, "--out", two))
    ended(*command, "--out", one, launched=False)
    assert facts["patients"] == 100 and facts["held_out_patients"] == 6
    for name in ("whole", "windows", "pca", "held-out-views"):
        a, b = (np.load(folder / f"{name}.npy").astype(np.float32) for folder in (two, one))
        np.testing.assert_allclose(a, b, atol=2e-3)  # half precision, other batches
    assert (two / "pixels.npy").read_bytes() == (one / "pixels.npy").read_bytes()
    assert (two / "slices.csv").read_text() == (one / "slices.csv").read_text()
    assert not list(tmp_path.glob(".partial*"))
