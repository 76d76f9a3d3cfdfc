"""Can a machine tell synthetic from real: a classifier two-sample test by patient.

A small network is trained to separate the two on some patients and tested on others; an AUC of 0.5
is chance (Lopez-Paz and Oquab 2017, arXiv:1610.06545). Pictures of one patient, the real ones and
those made from its masks, are on the same side of every split: a mask that is recognised gives
nothing away, because it occurs in both classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.evaluation.resampling import drawn_rows, percentile_interval, rows_of_patients
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Progress

FOLD = 2  # pixels a side that are folded into channels, so that no grain is lost at little cost


@dataclass(frozen=True)
class Settings:
    """The classifier and its training.

    Parameters
    ----------
    folds : int
        Patients are split into so many parts; each is tested once.
    epochs, batch_size : int
    learning_rate : float
        Peak of one cycle.
    channels : tuple of int
    seed : int
    """

    folds: int = 4
    epochs: int = 14
    batch_size: int = 16
    learning_rate: float = 2e-3
    channels: tuple[int, ...] = (24, 48, 64, 64)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TwoSample:
    """How well the two can be told apart.

    Parameters
    ----------
    auc, low, high : float
        Area under the ROC curve over all slices of the tested folds, each scored by a network that
        saw no slice of its patient; 95 % bootstrap interval by patient.
    accuracy : float
        At the threshold 0.5.
    slices, patients : int
        Of each kind.
    scores : (2 n,) array
        Probability of being synthetic: real slices first, then synthetic ones.
    saliency : (2 n, y, x) float32 array
        How much each pixel speaks for synthetic (positive) or real (negative).
    """

    auc: float
    low: float
    high: float
    accuracy: float
    slices: int
    patients: int
    scores: NDArray[np.float64]
    saliency: NDArray[np.float32]
    settings: Settings

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON."""
        return {
            "auc": self.auc,
            "low": self.low,
            "high": self.high,
            "accuracy": self.accuracy,
            "slices": self.slices,
            "patients": self.patients,
            "settings": asdict(self.settings),
        }


def two_sample(
    real: Sample, synthetic: Sample, settings: Settings | None = None
) -> Iterator[Progress | TwoSample]:
    """Train and test the classifier.

    Parameters
    ----------
    real, synthetic : Sample
        With the same patients, as the counterparts of real slices have.

    Yields
    ------
    Progress or TwoSample
        Progress in epochs over all folds, then the result.

    Raises
    ------
    InputError
        If sizes differ, or there are fewer patients than folds.
    """
    settings = settings or Settings()
    if real.pixels.shape[1:] != synthetic.pixels.shape[1:]:
        raise InputError(
            f"{real.name} has pictures of {real.pixels.shape[1:]} and {synthetic.name} of "
            f"{synthetic.pixels.shape[1:]} pixels; bring both to the same grid."
        )
    pixels = np.concatenate([real.pixels, synthetic.pixels])
    truth = np.repeat([0.0, 1.0], [len(real), len(synthetic)])
    patients = np.concatenate([real.patients, synthetic.patients])
    folds = _folds(patients, real, synthetic, settings)
    scores = np.zeros(len(pixels))
    saliency = np.zeros(pixels.shape, np.float32)
    for number, tested in enumerate(folds):
        network: nn.Module | None = None
        for event in _train(pixels[~tested], truth[~tested], settings, number):
            if isinstance(event, nn.Module):
                network = event
            else:
                yield Progress(number * settings.epochs + event, len(folds) * settings.epochs)
        assert network is not None
        scores[tested], saliency[tested] = _test(network, pixels[tested])
    low, high = _interval(scores, truth, patients, settings.seed)
    yield TwoSample(
        auc=area_under_curve(scores[truth == 0], scores[truth == 1]),
        low=low,
        high=high,
        accuracy=float(((scores > 0.5) == (truth > 0.5)).mean()),
        slices=min(len(real), len(synthetic)),
        patients=len(np.unique(patients)),
        scores=scores,
        saliency=saliency,
        settings=settings,
    )


def area_under_curve(negative: NDArray[np.floating], positive: NDArray[np.floating]) -> float:
    """Chance that a positive scores above a negative one, ties counting half (Mann and Whitney)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([negative, positive]))
    n, m = len(negative), len(positive)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def _folds(
    patients: NDArray, real: Sample, synthetic: Sample, settings: Settings
) -> list[NDArray[np.bool_]]:
    names = np.unique(patients)
    both = np.intersect1d(real.patients, synthetic.patients)
    if len(names) < settings.folds:
        raise InputError(
            f"{real.name} and {synthetic.name}: {len(names)} patients are too few for "
            f"{settings.folds} parts; give {settings.folds} at least."
        )
    order = np.random.default_rng(settings.seed).permutation(names)
    if not len(both):  # synthetic patients of their own: each kind is dealt out by itself
        rng = np.random.default_rng(settings.seed)
        kinds = [rng.permutation(np.unique(s.patients)) for s in (real, synthetic)]
        if min(len(kind) for kind in kinds) < settings.folds:
            raise InputError(
                f"{real.name} and {synthetic.name}: one has {min(map(len, kinds))} patients, which "
                f"are too few for {settings.folds} parts; give {settings.folds} at least."
            )
        parts = [
            np.concatenate([kind[k :: settings.folds] for kind in kinds])
            for k in range(settings.folds)
        ]
    else:
        parts = [order[k :: settings.folds] for k in range(settings.folds)]
    return [np.isin(patients, part) for part in parts]


class _Classifier(nn.Module):
    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        layers: list[nn.Module] = []
        before = FOLD**2
        for width in channels:
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(2 * before, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layers(functional.pixel_unshuffle(2 * x - 1, FOLD))
        both = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        scores: Tensor = self.score(both)[:, 0]
        return scores


def _train(
    pixels: NDArray[np.float32], truth: NDArray[np.float64], settings: Settings, number: int
) -> Iterator[int | nn.Module]:
    """Yields the epochs done, then the network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + number)
        network = _Classifier(settings.channels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rng = np.random.default_rng([settings.seed, number])
    batches = len(pixels) // settings.batch_size
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=max(batches, 1) * settings.epochs + 1
    )
    # each kind weighs the same, however many there are
    share = float(truth.mean())
    for epoch in range(settings.epochs):
        network.train()
        order = rng.permutation(len(pixels))
        for k in range(max(batches, 1)):
            rows = order[k * settings.batch_size : (k + 1) * settings.batch_size]
            x = torch.from_numpy(pixels[rows])[:, None]
            # small moves: they change no grain, as turning would
            dy, dx = (int(v) for v in rng.integers(-6, 7, 2))
            x = x.roll((dy, dx), (2, 3))
            y = torch.from_numpy(truth[rows]).float()
            weight = torch.where(y > 0.5, 0.5 / share, 0.5 / (1 - share))
            loss = functional.binary_cross_entropy_with_logits(network(x), y, weight=weight)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        yield epoch + 1
    yield network.eval()


def _test(
    network: nn.Module, pixels: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Probabilities, and gradient times picture averaged over noisy copies.

    SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825) with 4 copies and noise of sd 0.02; the
    picture is taken from its mean, so that black pixels may speak too.
    """
    generator = torch.Generator().manual_seed(0)
    scores, maps = [], []
    for first in range(0, len(pixels), 16):
        x = torch.from_numpy(pixels[first : first + 16])[:, None]
        with torch.no_grad():
            scores.append(network(x).sigmoid().numpy())
        total = torch.zeros_like(x)
        for _ in range(4):
            noisy = (x + 0.02 * torch.randn(x.shape, generator=generator)).requires_grad_()
            (gradient,) = torch.autograd.grad(network(noisy).sum(), noisy)
            total += gradient * (x - x.mean(dim=(2, 3), keepdim=True))
        maps.append(total[:, 0].numpy() / 4)
    return np.concatenate(scores).astype(np.float64), np.concatenate(maps)


def _interval(
    scores: NDArray[np.float64],
    truth: NDArray[np.float64],
    patients: NDArray,
    seed: int,
    *,
    draws: int = 1000,
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    rows_of = rows_of_patients(patients)
    found: list[float] = []
    while len(found) < draws:
        rows = drawn_rows(rng, rows_of)
        kinds = truth[rows]
        if 0 < kinds.sum() < len(kinds):
            found.append(area_under_curve(scores[rows][kinds == 0], scores[rows][kinds == 1]))
    return percentile_interval(found)
