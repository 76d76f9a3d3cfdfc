"""Benchmarks in a fresh clone: real slices are found or made, or one line says there are none."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cmr_synth
from cmr_synth.cohorts.slices import ABOUT, open_slice_set

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("benchmarks are no part of this source distribution", allow_module_level=True)


@pytest.fixture
def find_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`find_slices` in an empty folder."""
    spec = importlib.util.spec_from_file_location("_slices", BENCHMARKS / "_slices.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    return module.find_slices


@pytest.mark.parametrize(
    "name",
    [
        "quality",
        "compare",
        "privacy",
        "copy_detection",
        "auc_scale",
        "cohort_check",
        "shapes",
        "one_budget",
    ],
)
def test_without_patient_data_one_line_says_so(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "CMR_SYNTH_DATA": str(tmp_path),
            "PYTHONPATH": str(Path(cmr_synth.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("no patient data")
    assert "CMR_SYNTH_DATA" in line
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize("folder", ["prepared", "prepared/benchmark"])
def test_a_slice_set_that_is_there_is_used(find_slices, folder: str) -> None:
    Path(folder).mkdir(parents=True)
    (Path(folder) / ABOUT).write_text("{}")
    assert find_slices() == Path(folder)


def test_one_is_made_once_from_patient_data(
    find_slices, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = Path("acdc") / "training" / "patient001"
    shutil.copytree(data_root / patient, Path("data") / patient)
    monkeypatch.setenv("CMR_SYNTH_DATA", "data")
    made = find_slices()
    assert len(open_slice_set(made)) > 10
    before = (made / ABOUT).stat().st_mtime_ns
    assert find_slices() == made
    assert (made / ABOUT).stat().st_mtime_ns == before
