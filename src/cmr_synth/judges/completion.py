"""Completing partly labelled slices with the bundled segmenter, where slice sets are prepared."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cmr_synth.judges.segmenter import Segmenter


def completed(
    images: NDArray[np.float32], labels: NDArray[np.uint8], may_hide: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The segmenter's completion; loaded only when a cohort has something to complete.

    A function of a module, since worker processes get it by its name. See `Segmenter.complete`.
    """
    return _segmenter().complete(images, labels, may_hide)


@cache
def _segmenter() -> Segmenter:
    from cmr_synth.judges.segmenter import Segmenter

    return Segmenter.load()
