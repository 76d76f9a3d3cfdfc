"""Kernel and Frechet distance against torchmetrics; precision and coverage against prdc."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from cmr_synth.evaluation.realism.coverage import coverage
from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.realism.kernel import kernel_distance


@pytest.fixture
def sets() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0.3, 1.1, (60, 8)), rng.normal(size=(60, 8))


def test_the_kernel_distance_is_torchmetrics_kid_of_whole_sets(sets) -> None:
    a, b = sets
    tensors = [torch.from_numpy(x) for x in sets]
    theirs = float(poly_mmd(*tensors, degree=3, gamma=None, coef=1.0))
    each = np.arange(len(a)).astype(str)
    ours = kernel_distance(a, b, each, np.char.add("b", each)).value
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_the_frechet_distance_is_that_of_torchmetrics(sets) -> None:
    moments = [(torch.from_numpy(x.mean(axis=0)), torch.from_numpy(np.cov(x.T))) for x in sets]
    theirs = float(_compute_fid(moments[0][0], moments[0][1], moments[1][0], moments[1][1]))
    assert frechet_distance(*sets) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("neighbours", [3, 5])
def test_precision_recall_density_and_coverage_are_those_of_prdc(sets, neighbours) -> None:
    made, real = sets
    theirs = compute_prdc(real_features=real, fake_features=made, nearest_k=neighbours)
    ours = coverage(real, made, neighbours=neighbours)
    for name, value in theirs.items():
        assert getattr(ours, name) == pytest.approx(value), name
