"""How often readers were right, with intervals over readers and patients drawn anew together.

Answers of several readers on one image are no independent trials: an image is hard for all, a
reader is good at all. Pooled into one binomial share, five readers have intervals of 95 % that hold
the truth in about 80 % of studies. Readers and patients are therefore drawn anew, each alone and
both crossed: see `cmr_synth.evaluation.crossed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.crossed import Spread
from cmr_synth.evaluation.readers.statistics import d_prime, wilson_interval

DRAWS = 2000
NAN = float("nan")
REAL, SYNTHETIC = CALLS = ("real", "synthetic")


@dataclass(frozen=True)
class Reading:
    """One reader's answer on one image, beside what the image is.

    Parameters
    ----------
    reader, patient : str
        A synthetic image is of the patient whose mask it follows.
    kind, call : "real" or "synthetic"
        What it is, and what the reader said.
    quality : int
    """

    reader: str
    patient: str
    kind: str
    call: str
    quality: int


@dataclass(frozen=True)
class Calls:
    """How often readers were right.

    Parameters
    ----------
    of : str
        Reader, vendor, or "all".
    readers, patients, images, right : int
        An image counts once for each reader who saw it.
    accuracy, low, high : float
        Share of images called rightly; 0.5 is guessing. All intervals are of 95 %, readers and
        patients drawn anew. With one reader patients alone are drawn: the interval then says what
        this reader would do on other images, and nothing of other readers.
    sensitivity, sensitivity_low, sensitivity_high : float
        Share of synthetic images called synthetic; NaN without any.
    specificity, specificity_low, specificity_high : float
        Share of real images called real; NaN without any.
    d_prime, d_prime_low, d_prime_high : float
        NaN without images of one kind; the interval also where all images of a kind were called
        alike, so that no draw differs.
    quality_real, quality_synthetic : float
        Mean from 1 to 5; NaN without images.
    """

    of: str
    readers: int
    patients: int
    images: int
    right: int
    accuracy: float
    low: float
    high: float
    sensitivity: float
    sensitivity_low: float
    sensitivity_high: float
    specificity: float
    specificity_low: float
    specificity_high: float
    d_prime: float
    d_prime_low: float
    d_prime_high: float
    quality_real: float
    quality_synthetic: float


def calls_of(of: str, readings: Sequence[Reading], *, draws: int = DRAWS, seed: int = 0) -> Calls:
    """Score some readings.

    Parameters
    ----------
    of : str
        What they are called.
    readings : sequence of Reading
        At least one. Readers need not have seen the same images.
    draws : int
        Of the bootstrap.
    seed : int
    """
    readers = sorted({one.reader for one in readings})
    kinds = {kind: _Kind.of(kind, readers, readings) for kind in CALLS}
    patients = {kind: found.seen.shape[1] for kind, found in kinds.items()}
    once = _Draws(np.ones((1, len(readers))), {k: np.ones((1, n)) for k, n in patients.items()})
    drawn = _drawn(np.random.default_rng(seed), len(readers), patients, draws)
    found, experiments = _Counts.of(kinds, once), [_Counts.of(kinds, one) for one in drawn]
    people = len({one.patient for one in readings})

    def interval(figure: Callable[[_Counts], NDArray[np.float64]], people: int) -> Ends:
        value = float(figure(found)[0])
        spread = Spread(*(figure(one) for one in experiments))
        return value, *spread.interval(value, len(readers), people)

    def share(figure: Callable[[_Counts], NDArray[np.float64]], people: int) -> Ends:
        value, low, high = interval(figure, people)
        if value in (0, 1):  # no draw differs
            return value, *wilson_interval(people if value else 0, people)
        return value, max(low, 0.0), min(high, 1.0)

    alike = found.hits[0] in (0, found.made[0]) and found.alarms[0] in (0, found.real[0])
    detected = interval(_Counts.d_prime, min(patients.values()))
    return Calls(
        of,
        len(readers),
        people,
        int((found.made + found.real)[0]),
        int((found.hits + found.real - found.alarms)[0]),
        *share(_Counts.accuracy, people),
        *share(_Counts.sensitivity, patients[SYNTHETIC]),
        *share(_Counts.specificity, patients[REAL]),
        *(detected if not alike else (detected[0], NAN, NAN)),
        *(kinds[kind].quality for kind in CALLS),
    )


Ends = tuple[float, float, float]
"""A value and the ends of its interval."""


@dataclass(frozen=True, eq=False)
class _Draws:
    """How often each reader is drawn, (draws, readers), and each patient of a kind."""

    readers: NDArray[np.number]
    patients: Mapping[str, NDArray[np.number]]


def _drawn(
    rng: np.random.Generator, readers: int, patients: dict[str, int], draws: int
) -> tuple[_Draws, _Draws, _Draws]:
    """Readers alone, patients alone, and both."""

    def weights(count: int) -> NDArray[np.int64]:
        if not count:
            return np.zeros((draws, 0), np.int64)
        return rng.multinomial(count, np.full(count, 1 / count), draws)

    of_readers = weights(readers)
    of_patients = {kind: weights(count) for kind, count in patients.items()}
    same = {kind: np.ones_like(weight) for kind, weight in of_patients.items()}
    return (
        _Draws(of_readers, same),
        _Draws(np.ones_like(of_readers), of_patients),
        _Draws(of_readers, of_patients),
    )


@dataclass(frozen=True, eq=False)
class _Kind:
    """Images read and called synthetic by each reader of each patient, (readers, patients)."""

    seen: NDArray[np.float64]
    said: NDArray[np.float64]
    quality: float

    @classmethod
    def of(cls, kind: str, readers: Sequence[str], readings: Sequence[Reading]) -> _Kind:
        own = [one for one in readings if one.kind == kind]
        patients = {name: k for k, name in enumerate(sorted({one.patient for one in own}))}
        reader = {name: k for k, name in enumerate(readers)}
        seen, said = np.zeros((2, len(readers), len(patients)))
        for one in own:
            at = reader[one.reader], patients[one.patient]
            seen[at] += 1
            said[at] += one.call == SYNTHETIC
        quality = float(np.mean([one.quality for one in own])) if own else NAN
        return cls(seen, said, quality)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Images of each kind read, and those called synthetic, (draws,) each."""

    made: NDArray[np.float64]
    hits: NDArray[np.float64]
    real: NDArray[np.float64]
    alarms: NDArray[np.float64]

    @classmethod
    def of(cls, kinds: dict[str, _Kind], draws: _Draws) -> _Counts:
        return cls(
            *(
                ((draws.readers @ counts) * draws.patients[kind]).sum(axis=1)
                for kind in (SYNTHETIC, REAL)
                for counts in (kinds[kind].seen, kinds[kind].said)
            )
        )

    def accuracy(self) -> NDArray[np.float64]:
        return _ratio(self.hits + self.real - self.alarms, self.made + self.real)

    def sensitivity(self) -> NDArray[np.float64]:
        return _ratio(self.hits, self.made)

    def specificity(self) -> NDArray[np.float64]:
        return _ratio(self.real - self.alarms, self.real)

    def d_prime(self) -> NDArray[np.float64]:
        return d_prime(self.hits, self.made, self.alarms, self.real)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN of nothing: a draw may have readers of other images only."""
    return np.divide(part, whole, out=np.full(len(whole), NAN), where=whole > 0)
