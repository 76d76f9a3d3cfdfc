"""Resampling by matrices against scipy's, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cmr_synth.imaging.resampling import resample


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(
    ("scale", "offset"),
    [
        ((1.0, 1.0), (24.0, 10.0)),
        ((1.1, 0.93), (-20.3, 11.2)),
        ((0.5, 0.5), (3.3, -40.0)),
        ((2.3, 1.0), (0.1, 0.0)),
        ((1.5, 1.2), (500.0, -900.0)),
    ],
)
def test_it_is_scipys(order, scale, offset):
    planes = np.random.default_rng(0).random((2, 90, 71)).astype(np.float32)
    ours = resample(planes, scale, offset, (64, 80), order=order)
    for plane, made in zip(planes, ours, strict=True):
        sigma = [0.5 * np.sqrt(max(s * s - 1, 0)) for s in scale]
        smooth = ndimage.gaussian_filter(plane, sigma, mode="nearest")
        theirs = ndimage.affine_transform(
            smooth, np.asarray(scale), offset, (64, 80), order=order, mode="nearest"
        )
        # float32 products of some hundred terms
        np.testing.assert_allclose(made, theirs, atol=3e-6, rtol=0)


def test_any_other_order_is_refused():
    with pytest.raises(ValueError, match="order 1 or 3, not 2"):
        resample(np.zeros((4, 4)), (1, 1), (0, 0), (4, 4), order=2)
