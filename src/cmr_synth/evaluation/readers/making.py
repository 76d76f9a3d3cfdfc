"""A reader study of a model, from real patients on disk to the folder for the readers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.evaluation.candidates import candidates
from cmr_synth.evaluation.events import Told, outcome
from cmr_synth.evaluation.readers.study import key_of, make_study
from cmr_synth.evaluation.setting import Setting

SEED = 2026
IMAGES = 60  # by default, half of them real


def study_of(
    candidate: str, setting: Setting, out: Path, *, images: int = IMAGES
) -> Iterator[Told | dict[str, Any]]:
    """Make counterparts of held-out slices, and a balanced, blinded study of both.

    Parameters
    ----------
    candidate : str
        A model of the zoo or its folder, or `NAME=PATH` of images and masks.
    setting : Setting
    out : Path
        A new folder; the key is written beside it.
    images : int
        Half of them real; even.

    Yields
    ------
    Event, Remark or dict
        At the end, folder, key, and numbers of pictures by kind and vendor.

    Raises
    ------
    InputError
        As `make_study`.
    """
    real = setting.held_out
    made = yield from outcome(candidates([candidate], setting))
    counts = make_study(out, real, made.sample, images=images, seed=setting.seed)
    yield {"folder": str(out), "key": str(key_of(out)), **counts}


def study_of_slices(
    candidate: str, slices: SliceSet, out: Path, *, images: int = IMAGES, seed: int = SEED
) -> Iterator[Told | dict[str, Any]]:
    """The study of the test patients of a slice set, see `study_of`."""
    return study_of(candidate, Setting(slices=slices, seed=seed), out, images=images)
