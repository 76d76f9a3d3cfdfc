"""Figures of realism as a model card states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.metrics import load_metric, metrics

KEYS = {
    "frechet_ratio": ("ratio_to_floor", "ratio_of_real_patients"),
    "frechet": ("frechet", "floor_real_to_real"),
    "kernel": ("kernel_distance", "kernel_distance_real"),
}
"""What cards call a metric and its floor, where it is not the name and `real_` before it."""

PLAIN = ("frechet_ratio", "frechet", "precision", "recall")
"""Metrics whose value stands on a card without its interval."""


def card_facts(space: str, sha256: str, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Every metric of the table that was measured, rounded.

    Parameters
    ----------
    space, sha256 : str
        Name of the feature space that cards state, and what identifies it.
    estimates : mapping of name to Estimate
        In this space, and of pictures.

    Returns
    -------
    dict
        By metric, its value with the interval; after it, those of its null and floor.
    """
    facts: dict[str, Any] = {"features": space, "encoder": sha256}
    for name in metrics():
        if name in estimates:
            facts.update(_of(name, estimates[name], load_metric(name).digits))
    return facts


def _of(name: str, one: Estimate, digits: int) -> dict[str, Any]:
    key, floor = KEYS.get(name, (name, f"real_{name}"))
    value, low, high = (round(v, digits) for v in (one.value, one.low, one.high))
    facts: dict[str, Any] = {key: value if name in PLAIN else [value, low, high]}
    if name == "frechet_ratio":
        facts["ratio_interval"] = [low, high]
    if np.isfinite(one.null):
        key = "ratio_null" if name == "frechet_ratio" else f"null_{name}"
        facts[key] = [round(v, digits) for v in (one.null, one.null_low, one.null_high)]
    if np.isfinite(one.floor):
        spread = [v for v in (one.floor_low, one.floor_high) if np.isfinite(v)]
        rounded = [round(v, digits) for v in (one.floor, *spread)]
        facts[floor] = rounded if spread else rounded[0]
    return facts
