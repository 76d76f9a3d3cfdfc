"""Radiomics of the three structures as a feature space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.evaluation.realism.radiomics import FEATURES, radiomics
from cmr_synth.evaluation.sample import Sample

VERSION = "1"


class RadiomicsSpace:
    """Every feature of `radiomics.FEATURES` for LV, myocardium and RV, on the drawn structures.

    The units differ, so that distances are taken after standardising by other real patients. A
    structure that a slice does not show has no features; the mean of real slices stands for them,
    which neither adds to a distance nor hides one.
    """

    name = "radiomics"
    hash = f"version {VERSION}"
    frechet_name, kernel_name = "Frechet distance", "kernel distance"
    standardise = True

    def features(self, sample: Sample) -> NDArray[np.float64]:
        """(n, d) features in their own units; NaN where a structure is not shown."""
        rows = [
            [
                value
                for label in STRUCTURES.values()
                for value in radiomics(picture, drawn == label, sample.spacing).values()
            ]
            for picture, drawn in zip(sample.pixels, sample.labels, strict=True)
        ]
        return np.array(rows).reshape(len(sample), len(STRUCTURES) * len(FEATURES))

    def shares(self, sample: Sample) -> None:
        """It has no classes."""
        return None
