"""The table of metrics of realism by name; third parties add theirs as entry points."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np

from cmr_synth import extensions
from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism.contract import NEEDS, Metric, NotMeasured
from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.halves import LEAST_PATIENTS
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.generators.interface import Progress

GROUP = "cmr_synth.metrics"
WHAT = "metric"
_FEATURES, _PIXELS = (f"cmr_synth.evaluation.realism.in_{k}" for k in ("features", "pixels"))
_SPECTRUM = "cmr_synth.evaluation.realism.spectrum"
BUILT_IN = {
    "frechet_ratio": f"{_FEATURES}:FRECHET_RATIO",
    "frechet": f"{_FEATURES}:FRECHET",
    "kernel": f"{_FEATURES}:KERNEL",
    "precision": f"{_FEATURES}:PRECISION",
    "recall": f"{_FEATURES}:RECALL",
    "density": f"{_FEATURES}:DENSITY",
    "coverage": f"{_FEATURES}:COVERAGE",
    "class_score": f"{_FEATURES}:CLASS_SCORE",
    "two_sample_auc": f"{_PIXELS}:TWO_SAMPLE_AUC",
    "spectrum_low": f"{_SPECTRUM}:SPECTRUM_LOW",
    "spectrum_middle": f"{_SPECTRUM}:SPECTRUM_MIDDLE",
    "spectrum_fine": f"{_SPECTRUM}:SPECTRUM_FINE",
    "spectrum_auc": f"{_SPECTRUM}:SPECTRUM_AUC",
    "ssim": f"{_PIXELS}:SSIM",
    "ms_ssim": f"{_PIXELS}:MS_SSIM",
    "psnr_db": f"{_PIXELS}:PSNR",
    "nrmse": f"{_PIXELS}:NRMSE",
    "mae": f"{_PIXELS}:MAE",
    "mse": f"{_PIXELS}:MSE",
    "tissue_within": f"{_PIXELS}:TISSUE_WITHIN",
}
PARTS = ("name", "heading", "sentence", "section", "needs", "digits", "truths", "measure")


@dataclass(frozen=True)
class Found:
    """What metrics said of one pair of samples.

    Parameters
    ----------
    estimates : mapping of name to Estimate
        In the order of the table.
    notes : tuple of str
        Why a metric was not measured here.
    remarks : tuple of str
        A line for each metric of a third party that is at fault.
    """

    estimates: Mapping[str, Estimate]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]


def metrics() -> dict[str, EntryPoint]:
    """Every metric by name; nothing is imported before `load_metric`."""
    return extensions.declared(GROUP, BUILT_IN, what=WHAT)


def load_metric(name: str) -> Metric:
    """The metric called `name`.

    Raises
    ------
    InputError
        Listing the known names if there is none; naming the package of one that cannot be imported
        or is no `Metric`.
    """
    known = metrics()
    if name not in known:
        raise InputError(f"no metric is called {name!r}; known are {', '.join(sorted(known))}.")
    found: Metric = extensions.load(
        known[name], what=WHAT, fault=lambda metric: _fault(name, metric)
    )
    return found


def usable(
    having: Collection[str], *, without: Collection[str] = ()
) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """Metrics that need nothing else than there is, and a line for each that cannot be loaded.

    Parameters
    ----------
    having : collection of str
        Of `contract.NEEDS`. With features there are those metrics only that need them: the others
        are the same in every space.
    without : collection of str
        Names to leave out.
    """
    chosen, remarks = {}, []
    for name in metrics():
        if name in without:
            continue
        try:
            metric = load_metric(name)
        except InputError as error:
            remarks.append(str(error))
            continue
        if metric.needs <= set(having) and ("features" in metric.needs) == ("features" in having):
            chosen[name] = metric
    return chosen, tuple(remarks)


def measure(sets: Sets, chosen: Mapping[str, Metric]) -> Iterator[Progress | Found]:
    """Take every metric in turn.

    Yields
    ------
    Progress or Found
        Progress of the metrics that tell of it, then what all found. A third party's metric that
        fails leaves a remark; one of ours that fails raises. With too few patients for an interval
        there is no figure, and a note that says so.
    """
    for kind, sample in (("synthetic", sets.synthetic), ("held-out", sets.held_out)):
        count = len(np.unique(sample.patients))
        if count < LEAST_PATIENTS:
            few = f"no figures: intervals are over patients and need {LEAST_PATIENTS}, and there "
            yield Found({}, (f"{few}are {count} {kind} ones",), ())
            return
    estimates: dict[str, Estimate] = {}
    notes: dict[str, None] = {}  # several metrics may give one reason
    remarks = []
    for name, metric in chosen.items():
        try:
            outcome: Any = metric.measure(sets)
            if isinstance(outcome, Iterator):
                outcome = yield from _followed(outcome)
            if not isinstance(outcome, Estimate):
                raise TypeError(f"it returned {type(outcome).__name__}, not an Estimate")
        except NotMeasured as short:
            notes[str(short)] = None
        except Exception as error:
            if name in BUILT_IN:
                raise
            reason = extensions.reason_of(error)
            remarks.append(str(extensions.refusal(metrics()[name], WHAT, reason)))
        else:
            estimates[name] = outcome
    yield Found(estimates, tuple(notes), tuple(remarks))


def _followed(events: Iterator[Any]) -> Generator[Progress, None, Any]:
    """Pass progress on; returns the last event."""
    last = None
    for last in events:
        if isinstance(last, Progress):
            yield last
    return last


def _fault(name: str, metric: Any) -> str | None:
    lacking = extensions.missing(metric, PARTS)
    if lacking:
        return lacking
    if metric.name != name:
        return f"it calls itself {metric.name!r}"
    if not isinstance(metric.needs, frozenset) or not metric.needs <= set(NEEDS):
        return f"it needs {metric.needs!r}, and there are {', '.join(NEEDS)}"
    if "features" in metric.needs and metric.needs & {"masks", "pairs"}:
        return "one that needs features cannot need masks or pairs"
    return None
