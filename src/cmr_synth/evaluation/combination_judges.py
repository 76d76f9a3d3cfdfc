"""What real patients teach of contrast and pathology, for pictures of combinations of the two.

The contrast of a picture is told from its features: a logistic regression on those of the bundled
encoder. Pathology lives in the shape of the heart, so that it is told from what a segmenter
contours: a logistic regression on the areas of cavity and wall, their ratio and the thickness of
the wall. Both learn from training patients, and both are asked on held-out ones first, because
what they get wrong there they cannot be right about in a synthetic picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, scar_as_myocardium
from cmr_synth.cohorts.examination import CONTRASTS, PATHOLOGIES
from cmr_synth.cohorts.slices import SliceSet, persons_of
from cmr_synth.errors import InputError
from cmr_synth.judges.encoder import Encoder

MIDDLE = (0.25, 0.75)
"""Slice positions at which hearts are compared: near base and apex areas say little."""
NO_HEART = "no heart"
LEAST = 3
"""Training patients of a word, from which on a judge learns it."""
PER_PERSON = 4
"""Slices of a person that a judge learns from."""


def middle_slices(
    slices: SliceSet, split: str, contrasts: Sequence[str], *, per_person: int = PER_PERSON
) -> NDArray[np.int64]:
    """Slices near the middle of each person's heart, none at ES, those nearest to it first.

    LGE is taken in diastole; at ES every heart is small and thick.
    """
    index = [
        i
        for i in slices.where(split=split, contrast=contrasts)
        if slices.rows[i].phase != "ES" and MIDDLE[0] <= slices.rows[i].z <= MIDDLE[1]
    ]
    persons = persons_of(slices.rows)
    taken: dict[tuple[str, str], int] = {}
    chosen = []
    for i in sorted(index, key=lambda k: (abs(slices.rows[k].z - 0.5), k)):
        who = (str(persons[i]), slices.rows[i].contrast)
        taken[who] = taken.get(who, 0) + 1
        if taken[who] <= per_person:
            chosen.append(i)
    return np.array(sorted(chosen), dtype=np.int64)


class ContrastJudge:
    """Tells the contrast of pictures.

    Parameters
    ----------
    slices : SliceSet
    contrasts : sequence of str
        That it tells apart.
    encoder : Encoder, optional
        By default the bundled one.

    Raises
    ------
    InputError
        If there are too few training patients of one.
    """

    def __init__(
        self, slices: SliceSet, contrasts: Sequence[str], *, encoder: Encoder | None = None
    ):
        self.encoder = encoder or Encoder.load()
        index = middle_slices(slices, "train", contrasts)
        told = [slices.rows[i].contrast for i in index]
        persons = persons_of([slices.rows[i] for i in index])
        for one in contrasts:
            people = {p for p, c in zip(persons, told, strict=True) if c == one}
            if len(people) < LEAST:
                raise InputError(
                    f"{len(people)} training patients of the contrast {one!r} have a middle slice, "
                    f"and it takes {LEAST} to tell it; prepare a set with more "
                    f"({CONTRASTS[one]})."
                )
        self._fitted = _regression(self.encoder.features(slices.crop(index)[0]), told)

    def contrast_of(self, pictures: NDArray[np.float32]) -> NDArray[np.str_]:
        """The likeliest contrast of pictures (n, y, x) in [0, 1]."""
        return np.asarray(self._fitted.predict(self.encoder.features(pictures)), dtype=np.str_)


class ShapeJudge:
    """Tells the pathology of hearts from middle slices of their masks.

    Parameters
    ----------
    slices : SliceSet
    contrasts : sequence of str

    Attributes
    ----------
    pathologies : tuple of str
        That enough training patients have.

    Raises
    ------
    InputError
        If there are fewer than two.
    """

    def __init__(self, slices: SliceSet, contrasts: Sequence[str]):
        index = middle_slices(slices, "train", contrasts)
        shapes = shapes_of(slices.crop(index)[1], slices.spacing)
        told = np.array([slices.rows[i].pathology for i in index])
        persons = persons_of([slices.rows[i] for i in index])
        there = np.isfinite(shapes).all(axis=1)
        self.spacing = slices.spacing
        self.pathologies = tuple(
            p for p in PATHOLOGIES if len(set(persons[there & (told == p)])) >= LEAST
        )
        if len(self.pathologies) < 2:
            raise InputError(
                f"the slice set has {LEAST} training patients with LV and myocardium drawn of "
                f"{len(self.pathologies)} pathologies, and it takes two; prepare more patients."
            )
        taken = there & np.isin(told, self.pathologies)
        self._fitted = _regression(shapes[taken], told[taken].tolist())

    def pathology_of(self, labels: NDArray[np.uint8]) -> NDArray[np.str_]:
        """The likeliest pathology of contours (n, y, x), `NO_HEART` where cavity or wall lack."""
        shapes = shapes_of(labels, self.spacing)
        there = np.isfinite(shapes).all(axis=1)
        found = np.full(len(labels), NO_HEART, dtype=object)
        if there.any():
            found[there] = self._fitted.predict(shapes[there])
        return found.astype(np.str_)


def shapes_of(labels: NDArray[np.uint8], spacing: float) -> NDArray[np.float64]:
    """What a slice shows of a heart's shape, (n, 4); NaN where it shows no cavity or no wall.

    Areas of cavity and wall in mm2, cavity over wall, and the thickness of a ring of these areas
    in mm; scar is wall.
    """
    pixel = spacing**2
    known = scar_as_myocardium(labels)
    cavity, wall = (
        pixel * (known == structure).sum(axis=(1, 2)).astype(float) for structure in (LV, MYO)
    )
    empty = (cavity == 0) | (wall == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = cavity / wall
    ring = np.sqrt((cavity + wall) / np.pi) - np.sqrt(cavity / np.pi)
    shapes = np.stack([cavity, wall, ratio, ring], axis=1)
    shapes[empty] = np.nan
    return np.asarray(shapes)


def _regression(values: NDArray[np.float64], told: Sequence[str]) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
    )
    return made.fit(values, told)
