"""Whether synthetic slices have the fine detail and the grain of real ones, by radial frequency.

Generators that average lose the finest detail, and networks with a regular grid add a grain of
their own; both stand in the power spectrum, where no training is needed to see them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.contract import Declared, NotMeasured, Truths
from cmr_synth.evaluation.realism.estimate import NAN, Estimate
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.resampling import drawn, drawn_weights, percentile_interval
from cmr_synth.evaluation.sample import Sample

SPECTRUM = "Spectrum"
"""Section of the report."""
RINGS = 31
THIRDS = dict(zip(("low", "middle", "fine"), np.array_split(np.arange(RINGS), 3), strict=True))
"""Rings of each third, from the coarsest structure to the finest."""
LEAST_SIDE = 64  # pixels: below, a ring may hold no frequency
FOLDS = 5
STRENGTH = 100.0  # of the fit against the penalty, for a mean loss: C of scikit-learn is this / n
DRAWS = 1000
BLOCK = 256  # slices at a time

Spectra = NDArray[np.float64]


def log_power(pixels: NDArray[np.floating]) -> Spectra:
    """Logarithm of the mean power in rings of radial frequency, up to the finest along an axis.

    Parameters
    ----------
    pixels : (n, y, x) array
        Each slice has its mean taken out and a Hann window laid over it, so that its borders are no
        edges.

    Returns
    -------
    (n, 31) array
        From 0 to 0.5 cycles a pixel.
    """
    y, x = pixels.shape[1:]
    if min(y, x) < LEAST_SIDE:
        raise NotMeasured(
            f"no spectrum: pictures of {x} x {y} pixels have too few frequencies for {RINGS} "
            f"rings, which need {LEAST_SIDE} x {LEAST_SIDE}"
        )
    window = np.hanning(y)[:, None] * np.hanning(x)[None]
    radius = np.hypot(np.fft.fftfreq(y)[:, None], np.fft.rfftfreq(x)[None])
    ring = np.ceil(radius * 2 * RINGS).astype(int) - 1  # -1 is the mean, corners lie beyond
    inside = (ring >= 0) & (ring < RINGS)
    members = (ring[inside][:, None] == np.arange(RINGS)[None]).astype(np.float64)
    members /= members.sum(axis=0)
    found = []
    for first in range(0, len(pixels), BLOCK):
        part = np.asarray(pixels[first : first + BLOCK], np.float64)
        mean = (part * window).sum(axis=(1, 2), keepdims=True) / window.sum()
        power = np.abs(np.fft.rfft2((part - mean) * window)) ** 2
        found.append(power[:, inside] @ members)
    return np.log(np.maximum(np.concatenate(found), 1e-20))


def _spectra(sets: Sets) -> tuple[Spectra, Spectra, Spectra]:
    made, real, more = (log_power(s.pixels) for s in (sets.synthetic, sets.held_out, sets.other))
    return made, real, more


def _amplitude(third: str) -> Callable[[Sets], Estimate]:
    """Synthetic over real: the geometric mean over rings, slices of a patient, and patients."""

    def measure(sets: Sets) -> Estimate:
        made, real, more = (of[:, THIRDS[third]].mean(axis=1) / 2 for of in sets.once(_spectra))
        names, of_made, of_real = _by_patient(sets, made, real)
        rng = np.random.default_rng(sets.seed)
        chosen = drawn(rng, len(names), (DRAWS, len(names)))
        ratios = np.exp(_means(of_made[chosen]) - _means(of_real[chosen]))
        others = patient_means(more, sets.other.patients)
        return Estimate(
            float(np.exp(np.nanmean(of_made) - np.nanmean(of_real))),
            *percentile_interval(ratios),
            float(np.exp(others.mean() - np.nanmean(of_real))),
            sets.patients,
        )

    return measure


def _by_patient(
    sets: Sets, made: NDArray[np.float64], real: NDArray[np.float64]
) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]]:
    """Names, and the mean of each patient in both sets, NaN in one where it has no slice."""
    names = np.union1d(sets.synthetic.patients, sets.held_out.patients)
    both = []
    for sample, values in ((sets.synthetic, made), (sets.held_out, real)):
        means = np.full(len(names), np.nan)
        means[np.isin(names, sample.patients)] = patient_means(values, sample.patients)
        both.append(means)
    return names, both[0], both[1]


def _means(of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over patients that are there, (draws,); NaN in a draw that has none."""
    known = np.isfinite(of)
    counts = known.sum(axis=1)
    total = np.where(known, of, 0).sum(axis=1)
    return np.divide(total, counts, out=np.full(len(of), np.nan), where=counts > 0)


def _auc(sets: Sets) -> Estimate:
    made, real, more = sets.once(_spectra)
    rng = np.random.default_rng(sets.seed)
    other = sets.other.take(sets.matched)
    wins, pairs = compared(sets.synthetic, made, sets.held_out, real, rng)
    found: list[float] = []
    for _ in range(DRAWS):
        weights = drawn_weights(rng, len(wins)).astype(np.float64)
        # a patient drawn twice meets its own counterpart twice, and not four times
        again = weights**2 - weights
        met = weights @ pairs @ weights - again @ np.diag(pairs)
        won = weights @ wins @ weights - again @ np.diag(wins)
        found.append(float(won / met) if met else NAN)
    beaten, met = compared(other, more[sets.matched], sets.held_out, real, rng)
    return Estimate(
        float(wins.sum() / pairs.sum()),
        *percentile_interval(found),
        float(beaten.sum() / met.sum()),
        sets.patients,
    )


def compared(
    made: Sample, of_made: Spectra, real: Sample, of_real: Spectra, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of a synthetic and a real patient of one fold, and which the synthetic one wins.

    Scores of different folds are of different classifiers and do not compare. Both arrays are
    (patients, patients), rows synthetic.
    """
    names = np.union1d(made.patients, real.patients)
    fold = _folds(names, made.patients, real.patients, rng)
    x = np.concatenate([of_made, of_real])
    truth = np.repeat([1, 0], [len(of_made), len(of_real)])
    patients = np.concatenate([made.patients, real.patients])
    of_slice = fold[np.searchsorted(names, patients)]
    scores = np.zeros(len(x))
    for k in range(FOLDS):
        tested = of_slice == k
        scores[tested] = _classified(x[~tested], truth[~tested], x[tested])
    scores = np.round(scores, 6)  # equal pictures have equal scores
    sides = []
    for kind in (1, 0):
        means = np.full(len(names), np.nan)
        own = truth == kind
        means[np.isin(names, patients[own])] = patient_means(scores[own], patients[own])
        sides.append(means)
    a, b = sides[0][:, None], sides[1][None]
    pairs = (np.isfinite(a) & np.isfinite(b) & (fold[:, None] == fold[None])).astype(np.float64)
    return np.where(pairs > 0, (a > b) + 0.5 * (a == b), 0.0), pairs


def _folds(
    names: NDArray[np.str_],
    made: NDArray[np.str_],
    real: NDArray[np.str_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """A fold for each patient; patients of both, of one and of the other set are dealt apart."""
    kinds = np.isin(names, made) + 2 * np.isin(names, real)
    fold = np.zeros(len(names), np.int64)
    for kind in np.unique(kinds):
        index = np.flatnonzero(kinds == kind)
        fold[rng.permutation(index)] = np.arange(len(index)) % FOLDS
    for side, patients in (("synthetic", made), ("held-out", real)):
        count = len(np.unique(fold[np.isin(names, patients)]))
        if count < FOLDS:
            raise NotMeasured(
                f"no AUC of spectra: {len(np.unique(patients))} {side} patients are too few for "
                f"{FOLDS} parts, which need one each"
            )
    return fold


def _classified(x: Spectra, truth: NDArray[np.int64], asked: Spectra) -> NDArray[np.float64]:
    """Scores of a penalised logistic regression, both kinds weighing the same."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1
    model = LogisticRegression(
        C=STRENGTH / len(x), class_weight="balanced", solver="newton-cholesky", tol=1e-9
    )
    model.fit((x - mean) / spread, truth)
    scores: NDArray[np.float64] = model.decision_function((asked - mean) / spread)
    return scores


def _third(name: str, words: str) -> Declared:
    return Declared(
        name=f"spectrum_{name}",
        heading=name.capitalize(),
        sentence=f"amplitude of synthetic over real slices in the {words} third of radial "
        "frequencies; 1 is as real, below is blurred, above is noisy",
        section=SPECTRUM,
        needs=frozenset({"pixels"}),
        digits=2,
        measure=_amplitude(name),
        truths=Truths(
            identity=1.0,
            worse="lower",
            why="blur lowers it, noise raises it: 1 is best, and not the greatest",
        ),
    )


SPECTRUM_LOW, SPECTRUM_MIDDLE, SPECTRUM_FINE = (
    _third(name, words)
    for name, words in (("low", "coarsest"), ("middle", "middle"), ("fine", "finest"))
)
SPECTRUM_AUC = Declared(
    name="spectrum_auc",
    heading="AUC of spectra",
    sentence="area under the ROC curve, by patient, of a linear classifier on log power in "
    f"{RINGS} rings of radial frequency that has not seen the patient; 0.5 is chance, 1 means that "
    "the grain alone gives every patient away",
    section=SPECTRUM,
    needs=frozenset({"pixels"}),
    measure=_auc,
    truths=Truths(identity=0.5, worse="higher"),
)
