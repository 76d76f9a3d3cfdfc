"""Fitting the manifold to k-space of one scan, and asking it for pictures that were never taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from cmr_synth.reconstruction.fourier import to_kspace, to_picture
from cmr_synth.reconstruction.manifold.network import Manifold, signals
from cmr_synth.reconstruction.manifold.series import Series

STEPS = 800
AT_ONCE = 24  # shots a step
RATE = 1e-2
DIVERGENCE = 1e-4  # weight of what the latent costs, in nats
NEIGHBOURS = 12  # shots that a sliding window joins
GATED_PHASES = (0.0, 0.2, 0.35, 0.6)
GATED_TIMES = (0.05, 0.3, 0.6, 0.9)  # shares of all shots that come earlier after their inversion


@dataclass(frozen=True, eq=False)
class Fitted:
    """A manifold that knows a slice.

    Parameters
    ----------
    network : Manifold
    maps : Tensor
        Of what stays.
    """

    network: Manifold
    maps: Tensor

    @torch.no_grad()
    def at(
        self, phases: NDArray[np.floating], times_ms: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Signed pictures (n, y, x) at phases in [0, 1) and inversion times in ms."""
        parts = [
            self.network.pictures(self.maps, part)
            for part in signals(np.asarray(phases), np.asarray(times_ms)).split(32)
        ]
        return np.asarray(torch.cat(parts).numpy(), np.float32)


def fit(series: Series, *, steps: int = STEPS, seed: int = 0) -> Iterator[Progress | Fitted]:
    """Fit a manifold to all shots that are not held out, in k-space.

    argmin over networks of |M_t F G(z, c_t) - y_t|^2 and the divergence of z, for the picture G of
    the latent z and the signals c_t of each shot t.

    Yields
    ------
    Progress, then Fitted

    Raises
    ------
    InputError
        If there are no steps.
    """
    if not 1 <= steps <= 100_000:
        raise InputError(f"steps: {steps} given; give 1 to 100000.")
    gates = _gates(series)
    gated = torch.from_numpy(sliding_window(series, *gates))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Manifold(series.kspace.shape[-1], len(gated))
    shown = np.flatnonzero(~series.held_out)
    given = signals(series.phases, series.times_ms)
    power = series.kspace[shown].abs().square().sum() / len(shown)
    draw = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for step in range(steps):
        chosen = draw.choice(shown, min(AT_ONCE, len(shown)), replace=False)
        middle, spread = network.encode(gated)
        noise = torch.from_numpy(draw.standard_normal(middle.shape, dtype=np.float32))
        latent = middle + (spread / 2).exp() * noise
        made = network.pictures(network.stays(latent, gated), given[chosen])
        off = (to_kspace(made.to(torch.complex64)) - series.kspace[chosen]).abs().square()
        error = (off * series.measured[chosen]).sum() / len(chosen) / power
        divergence = (middle.square() + spread.exp() - spread - 1).sum() / 2
        optimizer.zero_grad()
        (error + DIVERGENCE * divergence).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield Progress(step + 1, steps)
    with torch.no_grad():
        yield Fitted(network, network.stays(network.encode(gated)[0], gated))


def _gates(series: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times = np.quantile(series.times_ms, GATED_TIMES)
    phases, times = np.meshgrid(GATED_PHASES, times)
    return phases.ravel(), times.ravel()


def mean_picture(series: Series) -> Tensor:
    """The picture (y, x) of the mean of all samples that were shown: what a still scan gives."""
    shown = torch.from_numpy(~series.held_out)
    count = series.measured[shown].sum(dim=0)
    found = series.kspace[shown].sum(dim=0) / count.clamp(min=1)
    return to_picture(found).real


def sliding_window(
    series: Series, phases: NDArray[np.floating], times_ms: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Pictures (n, y, x) of the shots that lie nearest in phase and contrast, joined in k-space.

    What there is without a model: samples of different shots stand in for each other.
    """
    shown = np.flatnonzero(~series.held_out)
    own, asked = (
        signals(*of).numpy()
        for of in ((series.phases[shown], series.times_ms[shown]), (phases, times_ms))
    )
    found = []
    for one in asked:
        near = shown[np.argsort(((own - one) ** 2).sum(axis=1))[:NEIGHBOURS]]
        count = series.measured[near].sum(dim=0)
        joined = series.kspace[near].sum(dim=0) / count.clamp(min=1)
        found.append(to_picture(joined).real.numpy())
    return np.asarray(np.stack(found), np.float32)


def nrmse(made: NDArray[np.floating], real: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n,) root of the squared error over the squared brightness of each picture (n, y, x)."""
    made, real = np.asarray(made, np.float64), np.asarray(real, np.float64)
    power = (real**2).sum(axis=(1, 2))
    error = ((made - real) ** 2).sum(axis=(1, 2))
    return np.asarray(np.sqrt(error / np.maximum(power, 1e-12)))


def t1_of(
    pictures: NDArray[np.floating], times_ms: NDArray[np.floating], flip: float
) -> NDArray[np.float32]:
    """T1 (y, x) in ms of a signed recovery (n, y, x): three parameters, as MOLLI's are fitted.

    T1 = T1* (B / A - 1) cos(a / 2), see `physics.sequences.inverted_steady_state`; 0 where there is
    no signal to fit.
    """
    from cmr_synth.physics.molli import fit as three_parameters

    found = three_parameters(pictures, np.asarray(times_ms, np.float64))
    return (found * np.cos(np.deg2rad(flip) / 2)).astype(np.float32)
