"""`benchmarks/volumes.py` on drawn hearts and a tiny model: every row of its tables is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import cmr_synth
from cmr_synth.cohorts.slices import write_slice_set
from tests.synthesis.test_volumes import write_model
from tests.training.conftest import drawn_stacks

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "volumes.py"
if not BENCHMARK.is_file():
    pytest.skip("benchmarks are no part of this source distribution", allow_module_level=True)


def test_real_coded_correlated_and_synthetic_volumes_are_measured(tmp_path, tiny_model):
    drawn = drawn_stacks(4, slices=5, side=80, spacing=3.0)
    rows = tuple(
        replace(row, split="validation" if row.patient == "p3" else "train", vendor="siemens")
        for row in drawn.rows
    )
    arrays = {"images": drawn.images, "labels": drawn.labels, "covered": drawn.covered}
    write_slice_set(tmp_path / "set", arrays, rows, drawn.about)
    model = write_model(tmp_path / "model")
    done = subprocess.run(
        [
            *(sys.executable, BENCHMARK, model, "--slices", tmp_path / "set", "--n", "3"),
            *("--cohort", "drawn", "--correlated", tiny_model),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(cmr_synth.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    counts = {cells[0].strip("| "): cells[1] for cells in lines}
    assert counts["real, validation"] == "1"
    assert counts["out of one latent"] == "0"  # it draws no hearts
    assert "plausible masks, first draws: 0 of 3" in done.stdout
    copies = next(cells for cells in lines if cells[0] == "| planted copies")
    assert float(copies[2]) > 0.9 and copies[1] == "3"
