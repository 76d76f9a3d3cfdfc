"""Fixtures shared by every test: where the real data lie, and hearts drawn in code."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with the public research data; the test is skipped where it is absent."""
    beside_the_repository = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("CMR_SYNTH_DATA", beside_the_repository))
    if not root.is_dir():
        pytest.skip(f"no patient data at {root}; set CMR_SYNTH_DATA to the folder that holds acdc/")
    return root


@pytest.fixture
def heart() -> np.ndarray:
    """A normal mid-ventricular end-diastolic slice, (128, 128) uint8 engine labels at 1.5 mm."""
    return draw_slice(level="mid", phase="ED", anatomy="normal", seed=0)
