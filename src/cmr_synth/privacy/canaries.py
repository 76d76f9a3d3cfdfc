"""A lower bound of epsilon by experiment, from canaries in one training run.

Made-up patients are let into the training set or left out, each by the toss of a coin. Whoever can
tell them apart afterwards, better than an epsilon would allow, has shown that epsilon is larger:
Steinke, Nasr and Jagielski 2023 (arXiv:2305.08846). No bound of this kind exceeds what all guesses
right would give; that ceiling grows with the number of canaries.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet, write_slice_set
from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import conditions_for
from cmr_synth.evaluation.sample import Sample, real_sample
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.privacy.membership.probes import probe_of

PREFIX = "canary"
LEFT_OUT = "left out"
"""Split of the canaries that are not trained on."""
BATCH = 8
WIDTH = 4.0
"""Standard deviation, in pixels, of what smooths a canary's pattern: all are as hard to learn."""


@dataclass(frozen=True)
class Bound:
    """What canaries show.

    Parameters
    ----------
    canaries, guesses, right : int
        Of the canaries, so many were guessed, and so many guesses were right.
    epsilon : float
        Lower bound at the confidence, 0 if nothing was shown.
    ceiling : float
        What the bound would be with all canaries guessed, and all rightly.
    delta, confidence : float
    accountant : dict or None
        What the model's card states.
    """

    canaries: int
    guesses: int
    right: int
    epsilon: float
    ceiling: float
    delta: float
    confidence: float
    accountant: dict[str, Any] | None = None

    @property
    def verdict(self) -> str:
        """In plain words."""
        stated = (self.accountant or {}).get("epsilon")
        if stated is None:
            return (
                f"epsilon is {self.epsilon:.2f} at least; the model was trained without an account"
            )
        if self.epsilon > float(stated):
            return (
                f"epsilon is {self.epsilon:.2f} at least, and the account says {stated:g}: one of "
                "them is wrong; do not publish the model"
            )
        if self.ceiling < float(stated):
            return (
                f"epsilon lies between {self.epsilon:.2f} and the account's {stated:g}; with "
                f"{self.canaries} canaries no more than {self.ceiling:.2f} could have been shown"
            )
        return f"epsilon lies between {self.epsilon:.2f} and the account's {stated:g}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"verdict": self.verdict, **asdict(self)}


def lower_bound(
    canaries: int, guesses: int, right: int, *, delta: float = 0.0, confidence: float = 0.95
) -> float:
    """Largest epsilon that so many right guesses refute.

    Theorem 5.2 of Steinke et al. 2023.

    Parameters
    ----------
    canaries : int
        Each let in with probability 1/2, by itself.
    guesses : int
        Canaries that a guess was made about.
    right : int
    delta : float
    confidence : float
        Of the bound.

    Returns
    -------
    float
        0 if none is refuted.
    """
    if not 0 <= right <= guesses <= canaries:
        raise ValueError(f"{right} of {guesses} guesses right about {canaries} canaries")
    if not (0 <= delta < 1 and 0 < confidence < 1):
        raise ValueError("delta and confidence are shares")
    level = 1 - confidence

    def refuted(epsilon: float) -> bool:
        return _chance(canaries, guesses, right, epsilon, delta) < level

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while refuted(high):
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def ceiling(canaries: int, *, delta: float = 0.0, confidence: float = 0.95) -> float:
    """The bound if all canaries are guessed and rightly: more cannot be shown with so many."""
    return lower_bound(canaries, canaries, canaries, delta=delta, confidence=confidence)


def _chance(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Largest chance of as many right guesses under (epsilon, delta)."""
    from scipy.stats import binom

    one = 1 / (1 + math.exp(-epsilon))
    chance = float(binom.sf(right - 1, guesses, one))
    if not delta:
        return chance
    # of the i most likely counts below, the mean probability, at its largest
    below = binom.pmf(np.arange(right - 1, -1, -1), guesses, one).cumsum()
    gain = float((below / np.arange(1, right + 1)).max(initial=0.0))
    return min(chance + 2 * canaries * delta * gain, 1.0)


def plant(
    slices: SliceSet,
    out: Path,
    *,
    canaries: int = 100,
    each: int = 2,
    cohorts: Sequence[str] | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """Write the slice set with canaries among its patients.

    A canary has the masks and conditions of real training slices, and in place of their pixels a
    smooth random pattern, which no other patient explains.

    Parameters
    ----------
    slices : SliceSet
    out : Path
        Folder to make; who was let in stands in it, so that it is to be kept private.
    canaries : int
        Half of them, by the toss of a coin each, are trained on.
    each : int
        Slices of a canary.
    cohorts : sequence of str, optional
        In which they hide; those of the recipe.
    seed : int, optional
        By default the machine's entropy.

    Returns
    -------
    dict
        Numbers of canaries, of those let in, and of slices.

    Raises
    ------
    InputError
        If there are no training slices with drawn masks, or the folder holds something else.
    """
    if canaries < 2 or each < 1:
        raise InputError("two canaries and one slice of each are the least.")
    index = np.array(
        [i for i in slices.where(split="train", cohorts=cohorts) if not slices.rows[i].completed],
        dtype=np.int64,
    )
    if not len(index):
        raise InputError(
            "the slice set has no training slices whose masks were drawn; name other cohorts."
        )
    rng = np.random.default_rng(secrets.randbits(128) if seed is None else seed)
    let_in = rng.random(canaries) < 0.5
    chosen = rng.choice(index, (canaries, each))
    images = np.stack([_pattern(rng, slices.images.shape[1:]) for _ in range(chosen.size)])
    rows = [
        replace(
            slices.rows[int(i)],
            patient=f"{PREFIX}{number:04d}",
            split="train" if let_in[number] else LEFT_OUT,
            slice=k,
        )
        for number in range(canaries)
        for k, i in enumerate(chosen[number])
    ]
    arrays = {
        "images": np.concatenate([slices.images, images]),
        "labels": np.concatenate([slices.labels, slices.labels[chosen.ravel()]]),
        "covered": np.concatenate([slices.covered, slices.covered[chosen.ravel()]]),
    }
    about = slices.about | {"slices": len(slices) + len(rows), "canaries": canaries}
    write_slice_set(out, arrays, (*slices.rows, *rows), about)
    return {"canaries": canaries, "let_in": int(let_in.sum()), "slices": len(rows)}


def measure(
    generator: Generator,
    slices: SliceSet,
    *,
    guesses: int | None = None,
    delta: float = 0.0,
    confidence: float = 0.95,
    draws: int = 4,
    accountant: dict[str, Any] | None = None,
    seed: int = 2026,
) -> Iterator[Progress | Bound]:
    """Guess which canaries a model was trained on, by its loss on them.

    From the loss on a slice that on its mirror image is taken off, which is as hard and was never
    trained on.

    Parameters
    ----------
    generator : Generator
        Trained on the slice set.
    slices : SliceSet
        Of `plant`.
    guesses : int, optional
        Half of it says "in" of the canaries with the smallest losses, half "out" of those with the
        largest; by default half of the canaries. It is to be chosen before one looks.
    delta : float
        At which epsilon is bounded; that of the account.
    draws : int
        Of noise at each level.
    accountant : dict, optional
        What the card states, for the report.

    Yields
    ------
    Progress or Bound

    Raises
    ------
    InputError
        If the slice set holds no canaries.
    """
    sample, let_in, names = _canaries(slices)
    count = len(names)
    asked = count // 2 if guesses is None else guesses
    asked -= asked % 2
    if not 2 <= asked <= count:
        raise InputError(f"{asked} guesses about {count} canaries; 2 to {count} are possible.")
    probe = probe_of(generator)
    turned = Sample(
        sample.name,
        np.ascontiguousarray(sample.pixels[:, :, ::-1]),
        np.ascontiguousarray(sample.labels[:, :, ::-1]),
        sample.rows,
        sample.spacing,
    )
    sides = ((sample, 1), (turned, -1))
    both = [(one, conditions_for(generator, one), sign) for one, sign in sides]
    losses = np.zeros(len(sample))
    jobs = [
        (draw, level, first)
        for draw in range(draws)
        for level in probe.levels
        for first in range(0, len(sample), BATCH)
    ]
    for number, (draw, level, first) in enumerate(jobs, start=1):
        rows = slice(first, first + BATCH)
        for one, conditions, sign in both:
            pictures = one.pixels[rows]
            numbers = range(first, first + len(pictures))
            _, loss = probe(pictures, conditions[rows], numbers, level=level, seed=seed + draw)
            losses[rows] += sign * loss
        yield Progress(number, len(jobs))
    own = np.array([losses[sample.patients == name].mean() for name in names])
    order = np.argsort(own, kind="stable")
    right = int(let_in[order[: asked // 2]].sum() + (~let_in[order[-(asked // 2) :]]).sum())
    yield Bound(
        count,
        asked,
        right,
        lower_bound(count, asked, right, delta=delta, confidence=confidence),
        ceiling(count, delta=delta, confidence=confidence),
        delta,
        confidence,
        accountant,
    )


def _canaries(slices: SliceSet) -> tuple[Sample, NDArray[np.bool_], list[str]]:
    whole = real_sample(slices, None)
    sample = whole.take(
        np.array([row.patient.startswith(PREFIX) for row in whole.rows], bool), name="canaries"
    )
    if not len(sample) or "canaries" not in slices.about:
        raise InputError(
            "the slice set holds no canaries; make one with `cmr-synth audit canaries plant`."
        )
    names = sorted(set(sample.patients.tolist()))
    inside = {
        str(name) for name, row in zip(sample.patients, sample.rows, strict=True)
        if row.split == "train"
    }  # fmt: skip
    return sample, np.array([name in inside for name in names]), names


def _pattern(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.standard_normal(shape), WIDTH)
    ranks = noise.ravel().argsort().argsort().reshape(shape)
    return np.round(255 * ranks / (ranks.size - 1)).astype(np.uint8)
