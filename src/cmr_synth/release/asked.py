"""Who is asked for: every patient's pathology, vendor, severity and function, from the seed alone.

Shares become whole numbers of patients by the largest remainders, vendors within each pathology, so
that neither predicts the other. Values of a distribution are drawn one from each of as many equal
strata as there are patients (stratified sampling), so that small releases meet it, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cmr_synth.release.request import ReleaseRequest, Spread

_Z95 = 1.959963984540054  # a normal distribution has 95 % of itself within so many of its sigma


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One patient who is asked for.

    Parameters
    ----------
    number : int
        From 0.
    ident : str
        Such as "syn00001"; no underscore, which ends a patient's name in nnU-Net's data sets.
    pathology, vendor : str, optional
    severity : float, optional
    function : dict of name to value
        In the units of the names.
    seed : int
        Of this patient's pictures and, where it is of nobody, heart.
    again : int
        Counts the times that he is made again; a heart of nobody is another one then.
    """

    number: int
    ident: str
    pathology: str | None = None
    vendor: str | None = None
    severity: float | None = None
    function: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    again: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For records."""
        return {
            "pathology": self.pathology,
            "vendor": self.vendor,
            "severity": self.severity,
            "function": self.function,
        }


def ident_of(number: int) -> str:
    """What a patient is called."""
    return f"syn{number + 1:05d}"


def everyone(request: ReleaseRequest, vendors: Sequence[str]) -> list[Asked]:
    """All patients of a release.

    Parameters
    ----------
    request : ReleaseRequest
    vendors : sequence of str
        That the model knows, for a request that names none; none: left open.

    Returns
    -------
    list of Asked
    """
    rng = np.random.default_rng([request.seed, 0])
    shares: dict[str | None, float] = dict((request.vendors or dict.fromkeys(vendors, 1.0)).items())
    shares = shares or {None: 1.0}
    people: list[tuple[str | None, str | None]] = []
    mixes = request.mixes
    counts = apportioned({name: mix.share for name, mix in mixes.items()}, request.patients)
    of_vendor = dict.fromkeys(shares, 0)
    for pathology, count in counts.items():
        # what the pathologies before have left over goes to the vendors that are behind
        ahead = apportioned(shares, len(people) + count)
        own = {name: max(0, ahead[name] - of_vendor[name]) for name in shares}
        for vendor in _as_many(own, count):
            people.append((pathology, vendor))
            of_vendor[vendor] += 1
    order = rng.permutation(len(people))
    drawn = {name: _drawn(request, name, counts[name], k) for k, name in enumerate(mixes)}
    place = dict.fromkeys(mixes, 0)
    asked = []
    for number, at in enumerate(order):
        pathology, vendor = people[int(at)]
        severity, function = drawn[pathology]
        own_place, place[pathology] = place[pathology], place[pathology] + 1
        asked.append(
            Asked(
                number=number,
                ident=ident_of(number),
                pathology=pathology,
                vendor=vendor,
                severity=None if severity is None else round(float(severity[own_place]), 4),
                function={
                    name: round(float(values[own_place]), 2) for name, values in function.items()
                },
                seed=seed_of(request.seed, number),
            )
        )
    return asked


def seed_of(seed: int, number: int) -> int:
    """A patient's own seed: different for all patients of all releases, as far as 52 bits go."""
    digest = hashlib.sha256(f"cmr-synth release {seed} {number}".encode()).digest()
    return int.from_bytes(digest[:7], "big") >> 4  # below 2**53, which JSON holds exactly


def apportioned(shares: Mapping[Any, float], count: int) -> dict[Any, int]:
    """Whole numbers in the ratio of shares that sum to `count` (largest remainders)."""
    total = sum(shares.values())
    exact = {name: count * share / total for name, share in shares.items()}
    whole = {name: int(value) for name, value in exact.items()}
    # the first of equal remainders, whatever the rounding of floats
    rest = sorted(exact, key=lambda name: round(whole[name] - exact[name], 9))
    for name in rest[: count - sum(whole.values())]:
        whole[name] += 1
    return whole


def _as_many(counts: Mapping[Any, int], total: int) -> list[Any]:
    """Names as often as they are counted, cut or filled up to `total`."""
    named = [name for name, count in counts.items() for _ in range(count)]
    names = list(counts)
    while len(named) < total:
        named.append(names[len(named) % len(names)])
    return named[:total]


def _drawn(
    request: ReleaseRequest, pathology: str | None, count: int, number: int
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    severity = request.mixes[pathology].severity
    rng = np.random.default_rng([request.seed, 1, number])
    values = None
    if severity is not None:
        values = severity[0] + (severity[1] - severity[0]) * _strata(rng, count)
    spreads = request.function_of(pathology)
    return values, {name: _of(spreads[name], _strata(rng, count)) for name in sorted(spreads)}


def _of(spread: Spread, u: np.ndarray) -> np.ndarray:
    if spread.shape == "uniform":
        return np.asarray(spread.low + (spread.high - spread.low) * u)
    from scipy.stats import truncnorm

    middle, sigma = (spread.low + spread.high) / 2, (spread.high - spread.low) / (2 * _Z95)
    return np.asarray(truncnorm.ppf(u, -3, 3, loc=middle, scale=sigma)).clip(min=0)


def _strata(rng: np.random.Generator, count: int) -> np.ndarray:
    """One number in each of `count` equal parts of [0, 1), in random order."""
    return np.asarray(rng.permutation((np.arange(count) + rng.random(count)) / max(count, 1)))
