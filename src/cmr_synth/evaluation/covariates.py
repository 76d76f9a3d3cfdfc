"""Can a picture tell a person's covariate, and does a change of it tell the one asked for.

A ridge regression on features of the bundled encoder learns the covariate of training patients from
their middle slices, and is asked about held-out ones: what it cannot tell there, no changed picture
can be shown to have. Then it is asked about the held-out slices changed by a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.examination import CINE
from cmr_synth.cohorts.slices import SliceSet, persons_of
from cmr_synth.errors import InputError
from cmr_synth.evaluation.combination_judges import middle_slices
from cmr_synth.evaluation.resampling import drawn, percentile_interval
from cmr_synth.generators.covariate_gan.changer import CovariateChanger
from cmr_synth.judges.encoder import Encoder

DRAWS = 1000
LEAST = 5
Interval = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Told:
    """How well a covariate is told.

    Parameters
    ----------
    name : str
    trained_on, patients : int
        People that the regression learned from, and held-out ones that it was asked about.
    error, error_of_mean : (value, low, high)
        Mean absolute error on held-out people, and that of guessing the training patients' mean.
    rank : (value, low, high)
        Spearman's correlation of what is told with what is true.
    changed : (value, low, high) or None
        Share of the change asked for that is told of changed pictures, one standard deviation up
        and down; 1: all of it. None without a network.
    """

    name: str
    trained_on: int
    patients: int
    error: Interval
    error_of_mean: Interval
    rank: Interval
    changed: Interval | None


def covariate_told(
    slices: SliceSet,
    name: str,
    *,
    split: str = "test",
    changer: CovariateChanger | None = None,
    encoder: Encoder | None = None,
) -> Told:
    """Ask pictures for a covariate; see this module.

    Raises
    ------
    InputError
        If it is known of too few people.
    """
    encoder = encoder or Encoder.load()
    index, told, people = {}, {}, {}
    for side in ("train", split):
        rows = [
            i for i in middle_slices(slices, side, (CINE,)) if name in slices.rows[i].covariates
        ]
        index[side] = np.array(rows, dtype=np.int64)
        told[side] = np.array([slices.rows[i].covariates[name] for i in rows])
        people[side] = persons_of([slices.rows[i] for i in rows])
        if len(set(people[side])) < LEAST:
            raise InputError(
                f"{name} is known of {len(set(people[side]))} {side} patients with a middle slice "
                f"at ED, and it takes {LEAST}; prepare a cohort that states it."
            )
    pictures = {side: slices.crop(rows)[0] for side, rows in index.items()}
    fitted = _regression(encoder.features(pictures["train"]), told["train"])
    guess = fitted.predict(encoder.features(pictures[split]))
    found, true = (_by(people[split], values) for values in (guess, told[split]))
    mean = float(_by(people["train"], told["train"]).mean())
    changed = None
    if changer is not None:
        spread = float(_by(people["train"], told["train"]).std(ddof=1))
        own = [slices.rows[i].covariates for i in index[split]]
        own = [{n: one[n] for n in (c.name for c in changer.config.covariates)} for one in own]
        moved = []
        for sign in (1.0, -1.0):
            asked = [{name: one[name] + sign * spread} for one in own]
            added = changer.change(pictures[split], own, asked)
            told_now = fitted.predict(encoder.features(pictures[split] + added))
            moved.append(_by(people[split], (told_now - guess) / (sign * spread)))
        changed = _interval(np.mean(moved, axis=0))
    return Told(
        name=name,
        trained_on=len(set(people["train"])),
        patients=len(found),
        error=_interval(np.abs(found - true)),
        error_of_mean=_interval(np.abs(mean - true)),
        rank=_ranked(found, true),
        changed=changed,
    )


def _regression(features: NDArray[np.float64], values: NDArray[np.float64]) -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(0, 5, 11)))
    return made.fit(features, values)


def _by(who: NDArray[np.str_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([values[who == one].mean() for one in np.unique(who)])


def _interval(values: NDArray[np.float64]) -> Interval:
    rng = np.random.default_rng(0)
    low, high = percentile_interval(values[drawn(rng, len(values), (DRAWS, len(values)))].mean(1))
    return float(values.mean()), low, high


def _ranked(found: NDArray[np.float64], true: NDArray[np.float64]) -> Interval:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    chosen = drawn(rng, len(found), (DRAWS, len(found)))
    with np.errstate(invalid="ignore"):
        draws = [
            spearmanr(found[rows], true[rows]).statistic
            for rows in chosen
            if len(set(true[rows].tolist())) > 1
        ]
    low, high = percentile_interval(draws)
    return float(spearmanr(found, true).statistic), low, high
