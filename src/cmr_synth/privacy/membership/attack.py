"""The attacks on one model, one of them declared beforehand, and the controls beside them.

Members are persons that a model was trained on; the others are held out from it. The verdict is
the declared attack's alone, whatever the others find: the best of several is chance more often
than any one of them.
"""

from __future__ import annotations

from collections.abc import Generator as ProgressThen
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.resampling import corrected, percentile_interval
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.privacy.membership.difficulty import calibrated
from cmr_synth.privacy.membership.errors import BAND
from cmr_synth.privacy.membership.figures import Figures, Pairs, figures
from cmr_synth.privacy.membership.images_alone import ImagesAlone, images_alone
from cmr_synth.privacy.membership.measure import LOSS, Errors, measured
from cmr_synth.privacy.membership.probes import probe_of
from cmr_synth.privacy.membership.references import Difficulty, References
from cmr_synth.privacy.membership.units import Units, units_of

Found = TypeVar("Found")
CALIBRATED, CALIBRATED_RECONSTRUCTION = "calibrated loss", "calibrated reconstruction"
BY_MODEL = "loss against a reference model"
ATTACKS = {
    CALIBRATED: "the model's own error, less what that of a reference that has not seen the person "
    "lets expect; the loss, as it is what training made small, and every family has one",
    CALIBRATED_RECONSTRUCTION: "the same with the reconstruction error",
    BY_MODEL: "the same with the loss of the reference model that was given",
    LOSS: "the model's own error, in which the difficulty of slices counts",
    "reconstruction": "L2 and 1-SSIM between a slice and its reconstruction; difficulty counts",
    "frequency-calibrated": f"the same in the band of {BAND[0]:.0%} to {BAND[1]:.0%} of the radius "
    "in Fourier space; difficulty counts",
}
WITHOUT_CALIBRATION = (
    "Difficulty is not calibrated: slices of one side may be easier for any model, seen or not, "
    "and nothing here tells that from memory. Train references (--references), or name a model "
    "that was trained on neither side (--reference)."
)
LEVEL = 0.05
SPLITS = 40
"""Random groups of members of the member-versus-member arm."""


@dataclass(frozen=True, eq=False)
class Membership:
    """What attacks on a model found.

    Parameters
    ----------
    name : str
    sha256 : str or None
    declared : str
        The attack that the verdict is by.
    attacks : dict of name to Figures
        The declared one first.
    images_alone : ImagesAlone
        What tells the two sides apart without any model.
    between_members : (mean, low, high)
        AUC of the declared attack between random groups of members, as many in one as there are
        others: what chance alone does. NaN where members are too few.
    strata : dict of name to (members, others)
        Persons among whom pairs are compared and membership is permuted.
    choices : dict of str to text
        Every free choice.
    """

    name: str
    sha256: str | None
    declared: str
    attacks: dict[str, Figures]
    images_alone: ImagesAlone
    between_members: tuple[float, float, float]
    strata: dict[str, tuple[int, int]]
    choices: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> Figures:
        """Of the declared attack."""
        return self.attacks[self.declared]

    @property
    def is_calibrated(self) -> bool:
        """Whether the declared attack takes difficulty out."""
        return self.declared != LOSS

    @property
    def corrected(self) -> dict[str, float]:
        """P-values of the secondary attacks, for as many as there are."""
        return corrected({k: one.p for k, one in self.attacks.items() if k != self.declared})

    @property
    def found(self) -> bool:
        """Whether the declared attack shows memory."""
        first = self.first
        return self.is_calibrated and first.auc[1] > 0.5 and first.p <= LEVEL

    @property
    def verdict(self) -> str:
        """In plain words."""
        value, low, high = self.first.auc
        said = f"AUC {value:.2f} [{low:.2f}, {high:.2f}], p {self.first.p:.2g}, by {self.declared}"
        if not self.is_calibrated:
            return f"memory cannot be told from slices that are easy for any model: {said}"
        if not self.found:
            return f"not shown that persons are told apart, up to an AUC of {high:.2f}: {said}"
        words = f"persons that it was trained on are told from others: {said}"
        if self.images_alone.differs:
            words += "; the sides differ by their images alone, which may be a part of it"
        return words

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        again = self.corrected
        return {
            "name": self.name,
            "sha256": self.sha256,
            "verdict": self.verdict,
            "memory_shown": self.found,
            "difficulty_calibrated": self.is_calibrated,
            "declared": self.declared,
            "attacks": {
                name: one.as_dict()
                | ({"p_corrected": round(again[name], 5)} if name in again else {})
                for name, one in self.attacks.items()
            },
            "control_arms": {
                "images alone": self.images_alone.as_dict(),
                "member against member": [
                    None if np.isnan(v) else round(v, 4) for v in self.between_members
                ],
            },
            "strata": {name: list(pair) for name, pair in self.strata.items()},
            "choices": self.choices,
        }


def spread_over(sample: Sample, most: int) -> Sample:
    """So many slices of each person at most, evenly spread."""
    kept: list[int] = []
    for person in np.unique(sample.persons):
        rows = np.flatnonzero(sample.persons == person)
        places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
        kept += rows[np.unique(places)].tolist()
    return sample.take(np.array(sorted(kept)))


def attack(
    generator: Generator,
    members: Sample,
    others: Sample,
    *,
    name: str,
    sha256: str | None = None,
    references: References | None = None,
    reference: Generator | None = None,
    draws: int = 1,
    seed: int = 2026,
    batch: int = 8,
) -> Iterator[Progress | Membership]:
    """Run every attack.

    Parameters
    ----------
    generator : Generator
    members, others : Sample
        Slices of persons that the model was trained on, and of others.
    references : References, optional
        A pair trained on halves of these persons, by which difficulty is calibrated.
    reference : Generator, optional
        A model trained on neither side. Without a pair, difficulty is calibrated by it.
    draws : int
        Of the noise, at each level.

    Yields
    ------
    Progress or Membership
        Progress of one model after another.

    Raises
    ------
    InputError
        If a person is on both sides, or there are too few.
    """
    both, units = units_of(members, others)
    known = second = None
    if references is not None:
        known = yield from _outcome(
            references.difficulty(both, draws=draws, seed=seed, batch=batch)
        )
    own = yield from _outcome(measured(generator, both, draws=draws, seed=seed, batch=batch))
    if reference is not None:
        second = yield from _outcome(measured(reference, both, draws=draws, seed=seed, batch=batch))
    scores = scores_of(own, units, known=known, second=second)
    declared = next(iter(scores))
    results = {
        key: figures(value, units.member, units.persons, units.strata, seed=seed)
        for key, value in scores.items()
    }
    first = results[declared]
    taken = "trained here on halves of these persons" if references is not None else "none"
    yield Membership(
        name,
        sha256,
        declared,
        results,
        images_alone(both.pixels, units, seed=seed),
        _between(scores[declared], units, seed),
        {key: pair for key, pair in units.counts().items() if min(pair)},
        {
            "slices": f"{len(members)} of {first.members} persons trained on, "
            f"{len(others)} of {first.others} others",
            "left out": _left_out(units),
            "reconstruction": probe_of(generator).words,
            "draws of noise": str(draws),
            "band": f"{BAND[0]:.0%} to {BAND[1]:.0%} of the radius, 1 being the Nyquist frequency",
            "SSIM": "Gaussian window of 11 pixels, sigma 1.5, range 1",
            "combination": "calibrated attacks: mean logarithm over levels; the others: levels, "
            "and L2 with 1-SSIM, each brought to mean 0 and deviation 1, then added",
            "masks": "the slices' own" if "mask" in generator.takes else "the model takes none",
            "references": taken,
            "reference model": "none" if reference is None else probe_of(reference).words,
            "pairs": "persons of one stratum, by the mean score of their slices",
            "seed": str(seed),
        },
    )


def scores_of(
    own: Errors,
    units: Units,
    *,
    known: Difficulty | None = None,
    second: Errors | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Scores of every attack that can be made, the declared one first.

    Parameters
    ----------
    own : Errors
        Of the attacked model.
    units : Units
    known : Difficulty, optional
        By a trained pair.
    second : Errors, optional
        Of a model trained on neither side.
    """
    found: dict[str, NDArray[np.float64]] = {}
    if known is not None:
        # the two references differ, too: what is compared with one stays beside it
        groups = np.array([f"{c} {h}" for c, h in zip(units.cohorts, known.half, strict=True)])
        for key, kinds in ((CALIBRATED, (LOSS,)), (CALIBRATED_RECONSTRUCTION, ("L2", "1-SSIM"))):
            found[key] = calibrated(
                own.logarithm(*kinds),
                known.unseen.logarithm(*kinds),
                groups,
                persons=units.persons,
                instrument=known.seen.logarithm(*kinds),
            )
    if second is not None:
        found[BY_MODEL] = calibrated(
            own.logarithm(LOSS), second.logarithm(LOSS), units.cohorts, persons=units.persons
        )
    return found | {
        LOSS: -own.standard(LOSS),
        "reconstruction": -own.standard("L2", "1-SSIM"),
        "frequency-calibrated": -own.standard("band L2", "band 1-SSIM"),
    }


def _outcome(events: Iterator[Progress | Found]) -> ProgressThen[Progress, None, Found]:
    """Pass progress on, and return what comes of it."""
    found: Found | None = None
    for event in events:
        if isinstance(event, Progress):
            yield event
        else:
            found = event
    assert found is not None
    return found


def _left_out(units: Units) -> str:
    """Persons with nobody to be compared with."""
    alone = {name: max(pair) for name, pair in units.counts().items() if not min(pair)}
    return ", ".join(f"{count} of {name}" for name, count in alone.items()) or "nobody"


def _between(scores: NDArray[np.float64], units: Units, seed: int) -> tuple[float, float, float]:
    """AUC between random groups of members, as many of each stratum as there are others."""
    pairs = Pairs.of(scores, units.member, units.persons, units.strata)
    who = pairs.member
    inside = Pairs(pairs.scores[who], np.ones(int(who.sum()), bool), pairs.strata[who])
    rng = np.random.default_rng(seed)
    labels = np.ones((SPLITS, len(inside.scores)), bool)
    for stratum in np.unique(inside.strata):
        rows = np.flatnonzero(inside.strata == stratum)
        wanted = int((~who & (pairs.strata == stratum)).sum())
        for k in range(SPLITS):
            labels[k, rng.permutation(rows)[: min(wanted, len(rows) // 2)]] = False
    if labels.all():
        return (float("nan"),) * 3
    found = inside.auc(labels)
    return float(found.mean()), *percentile_interval(found)
