"""Surface distances against MONAI's, where the definitions agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.evaluation.adherence.surfaces import distances_by_slice

SPACING = (1.5, 1.25)


def channels(labels: np.ndarray):
    """(y, x) engine labels to (1, 3, y, x), one channel a structure."""
    return torch.from_numpy(np.stack([labels == n for n in STRUCTURES.values()])[None]).float()


@pytest.fixture(params=range(3))
def pair(request) -> tuple[np.ndarray, np.ndarray]:
    truth = draw_slice(level="mid", seed=request.param)
    return np.roll(draw_slice(level="mid", seed=request.param + 10), (2, -3), axis=(0, 1)), truth


def ours(pair, name: str) -> list[float]:
    found, truth = pair
    results = distances_by_slice(found[None], truth[None], SPACING)
    return [getattr(results[structure][0], name) for structure in STRUCTURES]


@pytest.mark.parametrize("percentile, name", [(None, "hd"), (95, "hd95_directed")])
def test_hausdorff_distances_are_those_of_monai(pair, percentile, name) -> None:
    from monai.metrics import compute_hausdorff_distance

    found, truth = map(channels, pair)
    theirs = compute_hausdorff_distance(
        found, truth, include_background=True, percentile=percentile, spacing=list(SPACING)
    )
    assert ours(pair, name) == pytest.approx(theirs[0].tolist(), rel=1e-6)  # float32 there


def test_the_average_distance_is_that_of_monai_weighted_by_the_outlines(pair) -> None:
    """MONAI gives one direction at a time; the pooled mean weighs each by its pixels."""
    from monai.metrics import compute_average_surface_distance
    from monai.metrics.utils import get_mask_edges

    found, truth = map(channels, pair)
    there, back = (
        compute_average_surface_distance(a, b, include_background=True, spacing=list(SPACING))[0]
        for a, b in ((found, truth), (truth, found))
    )
    counts = [
        [int(np.asarray(edge).sum()) for edge in get_mask_edges(f.bool(), t.bool(), crop=False)]
        for f, t in zip(found[0], truth[0], strict=True)
    ]
    pooled = [
        (float(a) * n + float(b) * m) / (n + m)
        for a, b, (n, m) in zip(there, back, counts, strict=True)
    ]
    assert ours(pair, "asd") == pytest.approx(pooled, rel=1e-6)
