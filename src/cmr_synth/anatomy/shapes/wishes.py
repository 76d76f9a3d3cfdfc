"""What may be asked of a sampled heart, and the function that it is to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.reference import NORMAL
from cmr_synth.anatomy.shapes.statistics import FUNCTION, Statistics, function_measured
from cmr_synth.anatomy.shapes.statistics import function_values as values_of
from cmr_synth.errors import InputError

MOST_SEVERE = 2.0
FARTHEST = 2.2  # standard deviations from the mean of its pathology, for what is drawn
_TRIES = 2000

RANGES: dict[str, tuple[float, float]] = {
    "lv_edv_ml": (20, 500),
    "lv_ef": (0.05, 0.85),
    "lv_mass_g": (15, 500),
    "rv_edv_ml": (20, 500),
    "rv_ef": (0.05, 0.85),
}
"""What may be asked for: mL, shares, g."""

_ASKED_AS = {
    "lv_edv_ml": ("edv", "mL"),
    "lv_ef": ("ef", ""),
    "lv_mass_g": ("mass", "g"),
    "rv_edv_ml": ("rv_edv", "mL"),
    "rv_ef": ("rv_ef", ""),
}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a sampled heart is to be; whatever is None is drawn.

    Attributes
    ----------
    pathology : str, optional
        Of the model's pathologies.
    severity : float
        0 is a healthy heart, 1 the average patient with the pathology, up to `MOST_SEVERE`.
    ef, rv_ef : float, optional
        Ejection fractions as shares, 0.05 to 0.85.
    edv, rv_edv : float, optional
        End-diastolic volumes in mL.
    mass : float, optional
        Of the left ventricle's wall at end-diastole, g.
    """

    pathology: str | None = None
    severity: float = 1.0
    ef: float | None = None
    edv: float | None = None
    mass: float | None = None
    rv_edv: float | None = None
    rv_ef: float | None = None

    def asked(self) -> dict[str, float]:
        """What is asked for, by the names of `FUNCTION`."""
        found = {name: getattr(self, option) for name, (option, _) in _ASKED_AS.items()}
        return {name: float(value) for name, value in found.items() if value is not None}

    def stated(self) -> dict[str, float]:
        """What is asked for, by the names of these attributes."""
        return {_ASKED_AS[name][0]: value for name, value in self.asked().items()}

    def check(self, known: tuple[str, ...]) -> None:
        """Refuse what no heart can be.

        Raises
        ------
        InputError
            Naming the option, what it may be, and what to do.
        """
        if self.pathology is not None and self.pathology not in known:
            raise InputError(
                f"no pathology {self.pathology!r} in this shape model; it knows {', '.join(known)}."
            )
        if not 0 <= self.severity <= MOST_SEVERE:
            raise InputError(
                f"severity {self.severity:g}: give 0 (healthy) to {MOST_SEVERE:g}; 1 is the "
                "average patient."
            )
        if self.pathology in (None, "normal") and self.severity != 1:
            raise InputError(
                f"severity {self.severity:g} of what? Name a disease: "
                f"{', '.join(name for name in known if name != 'normal')}."
            )
        for name, value in self.asked().items():
            low, high = RANGES[name]
            if not low <= value <= high:
                option, unit = _ASKED_AS[name]
                if name.endswith("ef"):
                    shown = f"{value:.0%}: give {low:.0%} to {high:.0%}"
                else:
                    shown = f"{value:g} {unit}: give {low:g} to {high:g} {unit}"
                raise InputError(f"{option.replace('_', ' ')} of {shown}.")


def mixed(statistics: Statistics, pathology: str, severity: float) -> NDArray[np.float64]:
    """Weights (pathologies,) of the means: from the healthy one towards and beyond the other."""
    weights = np.zeros(len(statistics.pathologies))
    weights[0] += 1 - severity
    weights[statistics.pathologies.index(pathology)] += severity
    return weights


def drawn_pathology(
    statistics: Statistics, rng: np.random.Generator, asked: Mapping[str, float]
) -> str:
    """Draw a pathology: all are equally likely, but for what is asked for (Bayes)."""
    from scipy.stats import multivariate_normal

    fixed = np.array([name in asked for name in FUNCTION])
    likely = np.ones(len(statistics.pathologies))
    if fixed.any():
        typical = function_measured(statistics.function_means[0])
        wanted = values_of({**typical, **asked})[fixed]
        logarithms = []
        for mean, spread in zip(
            statistics.function_means, statistics.function_deviations, strict=True
        ):
            covariance = statistics.function_correlation * np.outer(spread, spread)
            logarithms.append(
                multivariate_normal.logpdf(wanted, mean[fixed], covariance[np.ix_(fixed, fixed)])
            )
        likely = np.exp(np.array(logarithms) - max(logarithms))
    return str(rng.choice(statistics.pathologies, p=likely / likely.sum()))


def drawn_function(
    statistics: Statistics,
    rng: np.random.Generator,
    pathology: str,
    severity: float,
    asked: Mapping[str, float],
) -> NDArray[np.float64]:
    """Draw the function of a heart, `function_values` (5,), given what is asked for.

    A multivariate normal distribution within the pathology, on the rest of which what is asked for
    conditions. Healthy hearts are drawn again until all measurements lie in the published ranges
    of `reference.NORMAL`, but for those that the request itself puts outside.
    """
    weights = mixed(statistics, pathology, severity)
    mean = weights @ statistics.function_means
    share = min(severity, 1.0) if pathology != "normal" else 1.0
    spread = mixed(statistics, pathology, share) @ statistics.function_deviations
    covariance = statistics.function_correlation * np.outer(spread, spread)
    fixed = np.array([name in asked for name in FUNCTION])
    wanted = values_of({**function_measured(mean), **asked})
    if fixed.any():
        gain = covariance[:, fixed] @ np.linalg.inv(covariance[np.ix_(fixed, fixed)])
        mean = mean + gain @ (wanted - mean)[fixed]
        covariance = covariance - gain @ covariance[fixed]
    root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(mean)))
    for _ in range(_TRIES):
        values = mean + root @ np.clip(rng.normal(size=len(mean)), -FARTHEST, FARTHEST)
        values = np.where(fixed, wanted, values)
        found = function_measured(values)
        if not _possible(found, asked):
            continue
        if pathology != "normal" or fixed.any() or not _outside(found):
            return np.asarray(values)
    raise InputError(
        "no heart has this function: "
        + ", ".join(f"{name} {value:g}" for name, value in asked.items())
        + f" with pathology {pathology!r}; ask for less, or for another pathology."
    )


def _possible(found: Mapping[str, float], asked: Mapping[str, float]) -> bool:
    """Whether what was not asked for lies in what may be asked for."""
    return all(
        name in asked or RANGES[name][0] <= value <= RANGES[name][1]
        for name, value in found.items()
    )


def _outside(found: Mapping[str, float]) -> bool:
    for side in ("lv", "rv"):
        edv, ef = found[f"{side}_edv_ml"], found[f"{side}_ef"]
        every = {"edv_ml": edv, "ef": ef, "esv_ml": edv * (1 - ef), "stroke_ml": edv * ef}
        for name, value in every.items():
            low, high = NORMAL[f"{side}_{name}"]
            if not low <= value <= high:
                return True
    low, high = NORMAL["lv_mass_g"]
    return not low <= found["lv_mass_g"] <= high
