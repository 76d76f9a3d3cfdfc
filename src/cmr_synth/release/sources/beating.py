"""Cines of a release: a heart at ED and ES that beats between the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cmr_synth.anatomy.beating import Plan
from cmr_synth.anatomy.labels import LV, scar_as_myocardium
from cmr_synth.anatomy.measurements import ed_and_es
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.sources.contract import CINE, Person
from cmr_synth.synthesis.beating import Beating, beat_mask, plan_like
from cmr_synth.synthesis.dialled import Upright

_ANY_EF = 0.6  # replaced by that between the two masks


def person_of(
    stills: Mapping[str, Scan],
    request: ReleaseRequest,
    *,
    ident: str,
    record: Mapping[str, Any],
    labels: str,
) -> Person:
    """A person with the phases that are asked for, or with one cine between them.

    Parameters
    ----------
    stills : dict of phase to Scan
        For a cine both ED and ES, on one grid.
    request : ReleaseRequest
        Whose `frames` and `heart_rate` count.
    ident : str
        Of the person.
    record, labels
        As in `Person`.

    Raises
    ------
    InputError
        If the heart cannot beat: no wall, or a larger LV at ES.
    """
    if request.frames is None:
        return Person(dict(stills), dict(record), labels)
    try:
        upright = Upright.of(stills["ED"])
        plan = plan_like(upright, stills["ES"], Plan(ef=_ANY_EF, frames=request.frames))
        *_, made = beat_mask(upright, plan, heart_rate=request.heart_rate)
    except InputError as error:
        raise InputError(f"{ident}: {error}") from error
    assert isinstance(made, Beating)  # the last thing that is yielded
    labelled = made.mask.array.astype(np.uint8, copy=False)
    cine = replace(made.mask.with_array(labelled), name=f"{ident}_{CINE}")
    return Person({CINE: cine}, {**record, "beat": made.record["beat"]}, labels)


def still_frames(mask: Scan) -> dict[str, int]:
    """Which frames of a cine are ED, where the LV is largest, and ES."""
    lv = (scar_as_myocardium(mask.array.astype(np.uint8, copy=False)) == LV).sum(axis=(1, 2, 3))
    found = ed_and_es(lv)
    assert found is not None  # it beats: the LV is drawn in every frame
    return {"ED": found[0], "ES": found[1]}
