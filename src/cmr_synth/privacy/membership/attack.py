"""The attacks on one model, and the control arms that say what they would show of nothing.

Members are slices of patients that a model was trained on; the others of patients held out from
it. What is compared are patients of one cohort.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import conditions_for
from cmr_synth.evaluation.resampling import percentile_interval
from cmr_synth.evaluation.sample import Sample, joined, require_disjoint
from cmr_synth.generators.interface import Condition, Generator, Progress
from cmr_synth.privacy.membership.errors import BAND, errors
from cmr_synth.privacy.membership.figures import Figures, figures
from cmr_synth.privacy.membership.probes import Probe, probe_of

ATTACKS = {
    "reconstruction": "L2 and 1-SSIM between a slice and its reconstruction",
    "frequency-calibrated": f"the same in the band of {BAND[0]:.0%} to {BAND[1]:.0%} of the radius "
    "in Fourier space",
    "loss": "the model's own error",
}
REFERENCE = "reference model"
"""Attack that needs a second model, trained on neither side."""
REPEATS = 5
"""Divisions into folds over which the classifier without a model is averaged."""
SPLITS = 40
"""Random halves of the members of the member-versus-member arm."""


@dataclass(frozen=True, eq=False)
class Membership:
    """What attacks on a model found.

    Parameters
    ----------
    name : str
    sha256 : str or None
    attacks : dict of name to Figures
    images_alone : Figures
        Of a classifier that sees the slices and no model: what tells the two groups apart without
        any leak.
    between_members : (mean, low, high)
        AUC of the strongest attack between random halves of the members, as many in one as there
        are others: what chance alone does.
    choices : dict of str to text
        Every free choice.
    """

    name: str
    sha256: str | None
    attacks: dict[str, Figures]
    images_alone: Figures
    between_members: tuple[float, float, float]
    choices: dict[str, str] = field(default_factory=dict)

    @property
    def strongest(self) -> str:
        """Name of the attack with the greatest AUC."""
        return max(self.attacks, key=lambda name: self.attacks[name].auc[0])

    @property
    def verdict(self) -> str:
        """In plain words."""
        best = self.attacks[self.strongest]
        value, low, high = best.auc
        said = f"AUC {value:.2f} [{low:.2f}, {high:.2f}] by the {self.strongest} attack"
        if low > 0.5 and best.p <= 0.05:
            return f"trained-on patients are told from others: {said}"
        return f"not shown that patients are told apart, up to an AUC of {high:.2f}: {said}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "verdict": self.verdict,
            "strongest": self.strongest,
            "attacks": {name: one.as_dict() for name, one in self.attacks.items()},
            "control_arms": {
                "images alone": self.images_alone.as_dict(),
                "member against member": [round(v, 4) for v in self.between_members],
            },
            "choices": self.choices,
        }


def spread_over(sample: Sample, most: int) -> Sample:
    """So many slices of each patient at most, evenly spread."""
    kept: list[int] = []
    for patient in np.unique(sample.patients):
        rows = np.flatnonzero(sample.patients == patient)
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
        Slices of patients that the model was trained on, and of others.
    reference : Generator, optional
        A model trained on neither; with it an attack in the manner of RMIA (Zarifzadeh et al.
        2024, arXiv:2312.03262, offline, one reference): the share of other patients' slices over
        which a slice's likelihood ratio rises.
    draws : int
        Of the noise, at each level.

    Yields
    ------
    Progress or Membership

    Raises
    ------
    InputError
        If a patient is on both sides, or no cohort is on both.
    """
    require_disjoint(members, others)
    both = joined([members, others], name=name)
    member = np.arange(len(both)) < len(members)
    cohorts = np.array([row.cohort for row in both.rows])
    if not set(cohorts[member]) & set(cohorts[~member]):
        raise InputError(
            "no cohort has both patients that were trained on and others; name others."
        )
    models = [generator, *([reference] if reference is not None else [])]
    probes = [probe_of(model) for model in models]
    total = sum(len(probe.levels) for probe in probes) * draws * len(both)
    done = 0
    seen: list[dict[str, NDArray[np.float64]]] = []
    for model, probe in zip(models, probes, strict=True):
        found: dict[str, NDArray[np.float64]] = {}
        asked = conditions_for(model, both)
        for level in probe.levels:
            for draw in range(draws):
                parts: list[dict[str, NDArray[np.float64]]] = []
                for first in range(0, len(both), batch):
                    parts.append(_looked(probe, both, asked, first, batch, level, seed + draw))
                    done += min(batch, len(both) - first)
                    yield Progress(done, total)
                for key in parts[0]:
                    values = np.concatenate([part[key] for part in parts])
                    # one level must not drown another: each is brought to the same spread
                    found[key] = found.get(key, 0) + _standard(values)
        seen.append(found)
    scores = {
        "reconstruction": -(_standard(seen[0]["L2"]) + _standard(seen[0]["1-SSIM"])),
        "frequency-calibrated": -(
            _standard(seen[0]["band L2"]) + _standard(seen[0]["band 1-SSIM"])
        ),
        "loss": -seen[0]["loss"],
    }
    if len(seen) > 1:
        scores[REFERENCE] = _over_others(seen[0]["loss"], seen[1]["loss"], member, both.patients)
    results = {
        key: figures(value, member, both.patients, cohorts, seed=seed)
        for key, value in scores.items()
    }
    best = max(results, key=lambda key: results[key].auc[0])
    alone = figures(
        images_alone(both, member, cohorts, seed), member, both.patients, cohorts, seed=seed
    )
    yield Membership(
        name,
        sha256,
        results,
        alone,
        _between(scores[best], member, both.patients, cohorts, seed),
        {
            "slices": f"{len(members)} of {results[best].members} trained-on patients, "
            f"{len(others)} of {results[best].others} others",
            "reconstruction": probes[0].words,
            "draws of noise": str(draws),
            "band": f"{BAND[0]:.0%} to {BAND[1]:.0%} of the radius, 1 being the Nyquist frequency",
            "SSIM": "Gaussian window of 11 pixels, sigma 1.5, range 1",
            "combination": "levels, and L2 with 1-SSIM, each brought to mean 0 and deviation 1 "
            "over all slices, then added",
            "masks": "the slices' own" if "mask" in generator.takes else "the model takes none",
            "reference model": "none given" if reference is None else probes[1].words,
            "pairs": "patients of one cohort, by the mean score of their slices",
            "seed": str(seed),
        },
    )


def _looked(
    probe: Probe,
    both: Sample,
    asked: list[Condition],
    first: int,
    batch: int,
    level: float,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    rows = slice(first, first + batch)
    pictures = both.pixels[rows]
    numbers = range(first, first + len(pictures))
    made, loss = probe(pictures, asked[rows], numbers, level=level, seed=seed)
    return {**errors(pictures, made), "loss": loss}


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))


def _over_others(
    loss: NDArray[np.float64],
    reference: NDArray[np.float64],
    member: NDArray[np.bool_],
    patients: NDArray[np.str_],
) -> NDArray[np.float64]:
    """Share of other patients' slices that a slice's likelihood ratio exceeds.

    With log p taken for minus the loss on a common scale, p(x | model) / p(x | reference) is
    compared at a threshold of 1, never with slices of the same patient.
    """
    ratio = reference - loss
    among = np.flatnonzero(~member)
    wins = ratio[:, None] > ratio[None, among]
    apart = patients[:, None] != patients[None, among]
    return np.asarray((wins & apart).sum(axis=1) / np.maximum(apart.sum(axis=1), 1))


def images_alone(
    both: Sample, member: NDArray[np.bool_], cohorts: NDArray[np.str_], seed: int
) -> NDArray[np.float64]:
    """Scores of a classifier that sees no model, each patient judged by the others.

    If it tells members from others, the two groups differ by themselves, and no attack proves a
    leak (Das et al. 2024, arXiv:2406.16201). It is a logistic regression on grey-level quantiles
    and the energy of eight frequency rings.

    Scores are ranks within fold and cohort, from 0 to 1. A classifier that was fitted without some
    members leans towards the others where these members would have been, so that scores of
    different folds, compared as they are, fall below chance where there is nothing to tell.
    """
    from scipy.stats import rankdata
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.concatenate([_features(both.pixels), _one_hot(cohorts)], axis=1)
    folds = min(5, *(len(np.unique(both.patients[side])) for side in (member, ~member)))
    if folds < 2:
        return np.zeros(len(both))
    scores = np.zeros(len(both))
    for repeat in range(REPEATS):
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=(seed + repeat) % 2**32)
        for train, test in split.split(features, member, both.patients):
            model = make_pipeline(
                StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
            )
            model.fit(features[train], member[train])
            found = model.decision_function(features[test])
            for cohort in np.unique(cohorts[test]):
                rows = cohorts[test] == cohort
                ranks = (rankdata(found[rows]) - 0.5) / rows.sum()
                scores[test[rows]] += ranks / REPEATS
    return scores


def _features(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    quantiles = np.quantile(pixels, np.linspace(0.05, 0.95, 10), axis=(1, 2)).T
    power = np.abs(np.fft.rfft2(pixels, axes=(1, 2))) ** 2
    y = np.fft.fftfreq(pixels.shape[1])[:, None] / 0.5
    x = np.fft.rfftfreq(pixels.shape[2])[None, :] / 0.5
    ring = np.minimum((np.hypot(y, x) * 8).astype(int), 8)
    energy = [np.log(power[:, ring == k].mean(axis=1) + 1e-9) for k in range(8)]
    return np.concatenate([quantiles, np.stack(energy, axis=1)], axis=1)


def _one_hot(names: NDArray[np.str_]) -> NDArray[np.float64]:
    return (names[:, None] == np.unique(names)[None]).astype(np.float64)


def _between(
    scores: NDArray[np.float64],
    member: NDArray[np.bool_],
    patients: NDArray[np.str_],
    cohorts: NDArray[np.str_],
    seed: int,
) -> tuple[float, float, float]:
    """AUC between random groups of members, as many of each cohort as there are others."""
    rng = np.random.default_rng(seed)
    values, owner, group = scores[member], patients[member], cohorts[member]
    found = []
    for _ in range(SPLITS):
        held: list[str] = []
        for cohort in np.unique(group):
            names = np.unique(owner[group == cohort])
            wanted = len(np.unique(patients[~member & (cohorts == cohort)]))
            held += rng.permutation(names)[: min(wanted, len(names) // 2)].tolist()
        inside = ~np.isin(owner, held)
        if inside.all():
            continue
        found.append(figures(values, inside, owner, group, draws=1, seed=seed).auc[0])
    if not found:
        return (float("nan"),) * 3
    return float(np.mean(found)), *percentile_interval(found)
