"""Drawn hearts to be measured, and raw data in a file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cmr_synth.anatomy.template import draw_slice
from tests.cohorts.conftest import write_h5

GREYS = np.array([0.3, 0.9, 0.2, 0.8])  # background, LV, myocardium, RV


def drawn(number: int) -> np.ndarray:
    """A heart in a round body, so that nothing ends at the edge of the picture."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    body = np.hypot(y, x) < 0.85
    return gaussian_filter(GREYS[draw_slice(level="mid", seed=number)] * body, 0.7)


@pytest.fixture(scope="session")
def hearts() -> torch.Tensor:
    """(2, 128, 128) magnitudes in 0 to 1."""
    return torch.from_numpy(np.stack([drawn(0), drawn(1)]).astype(np.float32))


@pytest.fixture
def write_raw() -> Callable[..., None]:
    """`write_raw(path, pixels, lines=)` writes an ISMRMRD file."""
    return write_h5
