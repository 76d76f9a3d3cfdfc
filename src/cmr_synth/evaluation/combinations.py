"""A model asked for contrast x pathology, those included that no training patient had together.

Every combination is asked for twice: on masks of held-out patients of the pathology, whatever
contrast they were scanned with, and from the two words alone. A segmenter says how well the first
follow their masks, a classifier what contrast all of them have, and the contours' shape what
pathology (`cmr_synth.evaluation.combination_judges`). The same judges are asked about real
held-out slices, which says how far their word goes: the bundled segmenter was trained on cine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.cohorts.slices import SliceSet, persons_of
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.combination_judges import ContrastJudge, ShapeJudge, middle_slices
from cmr_synth.evaluation.counterparts import made_for
from cmr_synth.evaluation.resampling import drawn, percentile_interval
from cmr_synth.generators.card import Card
from cmr_synth.generators.combinations import patients_with
from cmr_synth.generators.interface import Condition, Generator, Progress
from cmr_synth.judges.segmenter import Segmenter

DRAWS = 1000
WALL_AND_CAVITY = ("LV", "MYO")
Interval = tuple[float, float, float]
Combination = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What judges say of some pictures.

    Parameters
    ----------
    contrast, pathology : str
        Asked for, or of the real patients.
    seen : int
        Training patients who had both; 0: never seen in training.
    patients, pictures : int
        Held-out patients whose masks or slices these are; 0 patients: no mask was followed.
    dice : (value, low, high)
        Of the segmenter's contours with the masks, mean of cavity and wall; NaN without masks.
    told_contrast, told_pathology : (value, low, high)
        Share that the judges call what was asked for; NaN where they do not know the word.
    called : dict
        Share of the pictures by the pathology that they are called.
    """

    contrast: str
    pathology: str
    seen: int
    patients: int
    pictures: int
    dice: Interval
    told_contrast: Interval
    told_pathology: Interval
    called: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Combinations:
    """All answers about one model.

    Parameters
    ----------
    on_masks, from_words : tuple of Answers
        Of the combinations asked for.
    real : tuple of Answers
        The same judges about real held-out slices.
    """

    on_masks: tuple[Answers, ...]
    from_words: tuple[Answers, ...]
    real: tuple[Answers, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def combinations_asked(
    generator: Generator,
    card: Card,
    slices: SliceSet,
    *,
    asked: Sequence[Combination] = (),
    split: str = "test",
    pictures: int = 24,
    seed: int = 0,
    steps: int | None = None,
    segmenter: Segmenter | None = None,
) -> Iterator[Progress | Combinations]:
    """Ask a model for combinations and judges for what it made.

    Parameters
    ----------
    card : Card
        Says what was seen in training.
    slices : SliceSet
        With patients of every contrast.
    asked : sequence of (contrast, pathology)
        By default all that the model has words for.
    pictures : int
        Of each combination from words alone.

    Yields
    ------
    Progress or Combinations
        Progress in pictures, then the answers.

    Raises
    ------
    InputError
        If the model makes one contrast alone, knows a word not, or there are too few patients.
    """
    contrasts = tuple(generator.config.contrasts)
    if not contrasts:
        raise InputError(
            f"model {card.name!r} makes {card.conditions.contrast} alone; train one of several "
            "contrasts with the recipe latent-contrasts."
        )
    known = card.conditions.pathologies
    wanted = list(asked) or [(c, p) for c in contrasts for p in known]
    for contrast, pathology in wanted:
        for what, given, words in (
            ("contrast", contrast, contrasts),
            ("pathology", pathology, known),
        ):
            if given not in words:
                raise InputError(
                    f"{what} {given!r}: model {card.name!r} knows {', '.join(words) or 'none'}; "
                    "ask for one of them."
                )
    if pictures < 1:
        raise InputError(f"pictures: {pictures} given; ask for 1 or more.")
    asking = _Asking(
        card=card,
        slices=slices,
        index=middle_slices(slices, split, contrasts, per_person=2),
        segmenter=segmenter or Segmenter.load(),
        contrast_judge=ContrastJudge(slices, contrasts),
        shape_judge=ShapeJudge(slices, contrasts),
    )
    if not len(asking.index):
        raise InputError(
            f"the slice set has no middle slices of the {split} split; prepare more patients."
        )
    jobs = [(alone, one) for alone in (False, True) for one in wanted]
    total = sum(pictures if alone else len(asking.of(one[1])) for alone, one in jobs)
    found: dict[bool, list[Answers]] = {False: [], True: []}
    done = 0
    for alone, (contrast, pathology) in jobs:
        own = asking.of(pathology)
        conditions = (
            [Condition(contrast=contrast, pathology=pathology, z=0.5)] * pictures
            if alone
            else [asking.condition(i, contrast, pathology) for i in own]
        )
        made = [np.zeros((0, *generator.shape), np.float32)]
        for some in made_for(generator, conditions, seed=seed, steps=steps, first=done):
            made.append(some)
            yield Progress(done + sum(map(len, made)), total)
        done += len(conditions)
        answers = asking.answers(np.concatenate(made), None if alone else own, contrast, pathology)
        found[alone].append(answers)
    yield Combinations(
        on_masks=tuple(found[False]),
        from_words=tuple(found[True]),
        real=tuple(asking.of_real_slices()),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asking:
    """Held-out slices, and the judges."""

    card: Card
    slices: SliceSet
    index: NDArray[np.int64]
    segmenter: Segmenter
    contrast_judge: ContrastJudge
    shape_judge: ShapeJudge

    def of(self, pathology: str) -> NDArray[np.int64]:
        """Held-out slices of a pathology, of any contrast."""
        return np.array(
            [i for i in self.index if self.slices.rows[i].pathology == pathology], dtype=np.int64
        )

    def condition(self, i: int, contrast: str, pathology: str) -> Condition:
        """What shows the mask of a held-out slice in a combination."""
        row = self.slices.rows[i]
        known = self.card.conditions.vendors
        return Condition(
            mask=self.slices.crop(np.array([i]))[1][0],
            vendor=row.vendor if row.vendor in known else None,
            contrast=contrast,
            pathology=pathology,
            z=row.z,
        )

    def of_real_slices(self) -> Iterator[Answers]:
        """What the judges say of real held-out slices, by their own contrast and pathology."""
        kinds = [(self.slices.rows[i].contrast, self.slices.rows[i].pathology) for i in self.index]
        for contrast, pathology in dict.fromkeys(sorted(kinds)):
            own = self.index[[kind == (contrast, pathology) for kind in kinds]]
            yield self.answers(self.slices.crop(own)[0], own, contrast, pathology)

    def answers(
        self,
        pictures: NDArray[np.float32],
        index: NDArray[np.int64] | None,
        contrast: str,
        pathology: str,
    ) -> Answers:
        """What the judges say of pictures on the masks of some slices, or on none."""
        nothing = (float("nan"),) * 3
        seen = patients_with(self.card.training.combinations, contrast, pathology)
        about: dict[str, Any] = {"contrast": contrast, "pathology": pathology, "seen": seen}
        if not len(pictures):
            return Answers(
                **about, patients=0, pictures=0, dice=nothing, told_contrast=nothing,
                told_pathology=nothing, called={},
            )  # fmt: skip
        contours = self.segmenter.segment(pictures)
        called = self.shape_judge.pathology_of(contours)
        who = np.arange(len(pictures)).astype(str)
        dice = nothing
        if index is not None:
            who = persons_of([self.slices.rows[i] for i in index])
            masks = scar_as_myocardium(self.slices.crop(index)[1])
            scores = dice_by_patient(contours, masks, who)
            dice = _interval(np.mean([scores[name] for name in WALL_AND_CAVITY], axis=0))
        right = (self.contrast_judge.contrast_of(pictures) == contrast).astype(float)
        shaped = (called == pathology).astype(float)
        words = sorted(set(called.tolist()))
        return Answers(
            **about,
            patients=0 if index is None else len(set(who)),
            pictures=len(pictures),
            dice=dice,
            told_contrast=_interval(_by(who, right)),
            told_pathology=_interval(_by(who, shaped))
            if pathology in self.shape_judge.pathologies
            else nothing,
            called={word: float((called == word).mean()) for word in words},
        )


def _by(who: NDArray[np.str_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each patient; a picture that follows nobody stands for itself."""
    return np.array([values[who == one].mean() for one in np.unique(who)])


def _interval(values: NDArray[np.float64]) -> Interval:
    """Mean over patients with the 95 % interval of patients drawn anew."""
    values = values[np.isfinite(values)]
    if not len(values):
        return (float("nan"),) * 3
    rng = np.random.default_rng(0)
    low, high = percentile_interval(values[drawn(rng, len(values), (DRAWS, len(values)))].mean(1))
    return float(values.mean()), low, high
