"""The metrics of pictures themselves, as the table of metrics has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.contract import Declared, NotMeasured, Truths
from cmr_synth.evaluation.realism.estimate import NAN, Estimate
from cmr_synth.evaluation.realism.paired import (
    HEADINGS,
    WORDS,
    PairedSample,
    paired_sample,
)
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.tissue import (
    FIGURES,
    LEAST_SLICES,
    TissueSample,
    figures_of,
    real_range,
    tissue_sample,
)
from cmr_synth.evaluation.realism.two_sample import Settings, TwoSample, two_sample
from cmr_synth.evaluation.resampling import mean_interval
from cmr_synth.generators.interface import Progress

TOLD, PAIRED, TISSUE = "Two-sample test", "Pixel by pixel", "Tissue"
"""Sections of the report."""


def paired(sets: Sets) -> PairedSample:
    """Every metric of pairs."""
    return paired_sample(sets.held_out, sets.synthetic)


def tissue(sets: Sets) -> TissueSample:
    """Every figure of every vendor."""
    return tissue_sample(sets.synthetic, sets.held_out, sets.other, sets.once(_figures))


def two_sample_auc(settings: Settings | None = None) -> Declared:
    """The two-sample test with other settings than its own."""

    def measure(sets: Sets) -> Iterator[Progress | Estimate]:
        for event in two_sample(sets.held_out, sets.synthetic, settings):
            if isinstance(event, TwoSample):
                sets.keep(TwoSample, event)
                yield Estimate(event.auc, event.low, event.high, NAN, event.patients)
            else:
                yield event

    return Declared(
        name="two_sample_auc",
        heading="AUC",
        sentence="area under the ROC curve of a small network that tells synthetic from real "
        "slices of patients it was not trained on; 0.5 is chance, 1 means that every slice gives "
        "itself away",
        section=TOLD,
        needs=frozenset({"pixels"}),
        measure=measure,
        truths=Truths(
            identity=0.5,
            within=0.05,
            worse="higher",
            order=0.25,
            duplicates="either",
            interval=False,
            why="batches are drawn by number, so that another order is another training, and twice "
            "as many slices a longer one; other names of patients are other parts to test on; "
            "equal pictures have equal scores but for rounding",
        ),
    )


def _mean_of_pairs(name: str) -> Callable[[Sets], Estimate]:
    def measure(sets: Sets) -> Estimate:
        found = sets.once(paired)
        mean = found.values[name]
        return Estimate(mean.mean, mean.low, mean.high, NAN, found.patients)

    return measure


def _paired(name: str, truths: Truths) -> Declared:
    return Declared(
        name=name,
        heading=HEADINGS[name],
        sentence=WORDS[name],
        section=PAIRED,
        needs=frozenset({"pixels", "masks", "pairs"}),
        digits=4 if name == "mse" else 3,
        measure=_mean_of_pairs(name),
        truths=truths,
    )


Figures = dict[str, NDArray[np.float64]]


def _figures(sets: Sets) -> tuple[Figures, Figures, Figures]:
    made, real, more = (figures_of(s) for s in (sets.synthetic, sets.held_out, sets.other))
    return made, real, more


def _within(sets: Sets) -> Estimate:
    """Mean over patients of the share of figures within the range of other real patients."""
    made, real, more = sets.once(_figures)
    samples = ((sets.synthetic, made), (sets.held_out, real))
    shares = [np.full((len(FIGURES), len(sample)), np.nan) for sample, _ in samples]
    for vendor in np.unique(sets.other.vendors):
        rows = sets.other.vendors == vendor
        for k, name in enumerate(FIGURES):
            known = real_range(more[name][rows], sets.other.patients[rows])
            if known is None:
                continue
            for share, (sample, figures) in zip(shares, samples, strict=True):
                of = (sample.vendors == vendor) & np.isfinite(figures[name])
                value = figures[name][of]
                share[k, of] = (value >= known.low) & (value <= known.high)
    if not all(np.isfinite(share).any() for share in shares):
        raise NotMeasured(
            f"no range of tissues: there are fewer than {LEAST_SLICES} slices of other patients "
            "with a vendor of these"
        )
    means = [
        patient_means(_mean_of_known(share), sample.patients)
        for share, (sample, _) in zip(shares, samples, strict=True)
    ]
    low, high = mean_interval(means[0], seed=sets.seed)
    return Estimate(float(means[0].mean()), low, high, float(means[1].mean()), len(means[0]))


def _mean_of_known(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the figures of each slice; NaN without any."""
    known = np.isfinite(shares)
    counts = known.sum(axis=0)
    sums = np.where(known, shares, 0).sum(axis=0)
    means: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


TWO_SAMPLE_AUC = two_sample_auc()
SSIM, MS_SSIM = (_paired(k, Truths(identity=1.0, worse="lower")) for k in ("ssim", "ms_ssim"))
PSNR = _paired(
    "psnr_db",
    Truths(
        identity=NAN, worse="lower", why="infinite for equal pictures, which are therefore left out"
    ),
)
NRMSE, MAE, MSE = (
    _paired(k, Truths(identity=0.0, worse="higher")) for k in ("nrmse", "mae", "mse")
)
TISSUE_WITHIN = Declared(
    name="tissue_within",
    heading="Within",
    sentence="share of brightness, contrast, noise and sharpness figures within the range of other "
    "real patients of the same vendor",
    section=TISSUE,
    needs=frozenset({"pixels", "masks"}),
    digits=2,
    measure=_within,
    truths=Truths(identity="floor", worse="lower"),
)
