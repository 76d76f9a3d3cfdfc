"""A mask becomes the pictures of a sequence, with the truth behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.labels import is_heart
from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import apply, in_plane_orientation, undo
from cmr_synth.imaging.scan import Scan
from cmr_synth.physics import molli as look_locker
from cmr_synth.physics.body import chest, middle_of
from cmr_synth.physics.picture import painted, truth, with_noise
from cmr_synth.physics.sequences import (
    Readout,
    late_enhancement,
    null_of,
    steady_state,
    t2_prepared,
)
from cmr_synth.physics.tissues import Tissue, Tissues, tissues, with_contrast

Signal = Callable[[Tissue], NDArray[np.float64]]

T2_TIMES = (0.0, 25.0, 55.0)  # ms of preparation
AGENT = 0.75  # mmol/L of plasma: 0.15 mmol/kg, spread in 0.2 L/kg outside cells
_BEATS_OF_LGE = 2  # an inversion every other heartbeat


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A sequence and who it looks at.

    Parameters
    ----------
    sequence : str
        A key of `SEQUENCES`.
    field : float
        1.5 or 3 tesla; tells the relaxation times where `table` does not.
    table : mapping of str to Tissue, optional
        Native tissues.
    agent : float, optional
        Contrast agent in plasma, mmol/L; 0.75 for late enhancement, else none.
    beat : float
        Length of a heartbeat, ms.
    snr : float
        Of blood in the first image that shows it; infinite for none.
    scheme : str
        Of MOLLI.
    inversion : float, optional
        Inversion time of late enhancement, ms; by default it nulls healthy myocardium.
    seed : int
        Of the noise.
    """

    sequence: str
    field: float = 1.5
    table: Tissues | None = None
    agent: float | None = None
    beat: float = 1000.0
    snr: float = 50.0
    scheme: str = look_locker.SCHEME
    inversion: float | None = None
    seed: int = 0

    def tissues(self) -> dict[str, Tissue]:
        """As the sequence meets them, contrast agent included."""
        native = dict(self.table) if self.table is not None else tissues(self.field)
        given = self.agent if self.agent is not None else AGENT * (self.sequence == "lge")
        return with_contrast(native, self.field, given) if given else native


@dataclass(frozen=True)
class Simulated:
    """Pictures that a signal equation gives.

    Parameters
    ----------
    images : Scan
        float32 signal, blood's about 1; (z, y, x), or (t, z, y, x) of a cine or a series, whose
        images are in the order of `record["times_ms"]`. Signed where `record["signed"]`.
    maps : dict of str to Scan
        "T1" or "T2" in ms as a fit of these pictures finds them, and "T1-truth" or "T2-truth".
    record : dict
        How they were made.
    """

    images: Scan
    maps: dict[str, Scan] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Prepared:
    """Signal of a tissue, image by image, and what the record says of them."""

    signal: Signal
    kind: Literal["magnitude", "signed"]
    facts: dict[str, Any]
    mapped: str = ""
    fit: Callable[[NDArray[Any]], NDArray[np.float32]] | None = None


def _cine(setup: Setup, table: Tissues) -> _Prepared:
    readout = Readout()
    facts = {"flip_degrees": readout.flip, "tr_ms": readout.tr}
    return _Prepared(lambda t: np.array([steady_state(t, readout)]), "magnitude", facts)


def _molli(setup: Setup, table: Tissues) -> _Prepared:
    taken = look_locker.Molli(scheme=setup.scheme, beat=setup.beat)
    facts = {
        "scheme": taken.scheme,
        "times_ms": [round(float(t), 3) for t in taken.times],
        "flip_degrees": taken.readout.flip,
        "tr_ms": taken.readout.tr,
    }
    return _Prepared(
        lambda t: look_locker.signals(t, taken),
        "signed",
        facts,
        "T1",
        lambda images: look_locker.fit(images, taken.times),
    )


def _t2(setup: Setup, table: Tissues) -> _Prepared:
    times = np.array(T2_TIMES)
    readout = Readout()
    return _Prepared(
        lambda t: t2_prepared(t, times, readout, beat=setup.beat),
        "magnitude",
        {"times_ms": list(T2_TIMES), "flip_degrees": readout.flip, "tr_ms": readout.tr},
        "T2",
        lambda images: t2_of(images, times),
    )


def _lge(setup: Setup, table: Tissues) -> _Prepared:
    repetition = _BEATS_OF_LGE * setup.beat
    inversion = setup.inversion or null_of(table["MYO"], repetition)
    if not 0 < inversion < repetition:
        raise InputError(
            f"inversion time of {inversion:g} ms: it lies between 0 and two heartbeats, "
            f"{repetition:g} ms."
        )
    return _Prepared(
        lambda t: np.array([late_enhancement(t, inversion, repetition)]),
        "magnitude",
        {"inversion_ms": round(float(inversion), 3), "repetition_ms": repetition},
    )


SEQUENCES: Mapping[str, Callable[[Setup, Tissues], _Prepared]] = {
    "cine": _cine,
    "molli": _molli,
    "t2": _t2,
    "lge": _lge,
}
"""Steady-state cine, MOLLI with a map of T1, T2 preparation with a map of T2, late enhancement."""


def simulate(mask: Scan, setup: Setup) -> Simulated:
    """Return what a sequence shows of a mask.

    Parameters
    ----------
    mask : Scan
        Engine labels; a cine for the sequence "cine" alone.
    setup : Setup

    Raises
    ------
    InputError
        If the mask shows no heart, a sequence is unknown, or a cine is given to one of a still.
    """
    if setup.sequence not in SEQUENCES:
        raise InputError(f"sequence {setup.sequence!r}: known are {', '.join(SEQUENCES)}.")
    if not 1 <= setup.snr:
        raise InputError(f"signal to noise of {setup.snr:g}: it is at least 1.")
    if not 300 <= setup.beat <= 3000:
        raise InputError(f"heartbeat of {setup.beat:g} ms: it is 300 to 3000 ms long.")
    if mask.is_cine and setup.sequence != "cine":
        raise InputError(
            f"{mask.name}: is a cine, and {setup.sequence} is of one phase; give one frame."
        )
    orientation = in_plane_orientation(mask.affine)
    labels = apply(orientation, np.asarray(mask.array, np.uint8))
    heart = is_heart(labels)
    if not heart.any():
        raise InputError(f"{mask.name}: shows no heart; give a mask of LV, myocardium or RV.")
    table = setup.tissues()
    prepared = SEQUENCES[setup.sequence](setup, table)
    spacing = mask.spacing[1:] if not orientation.transpose else mask.spacing[:0:-1]
    frames = labels if labels.ndim == 4 else labels[None]
    centre = middle_of(heart)
    bodies = np.stack(
        [[chest(one, spacing, centre=centre) for one in frame] for frame in frames]
    )  # (t, z, rows, columns)
    signal = np.stack([[painted(one, prepared.signal, table) for one in f] for f in bodies])
    blood = np.abs(prepared.signal(table["LV"])).max()
    draws = np.random.default_rng([setup.seed, len(frames)])
    noisy = with_noise(signal / blood, setup.snr, 1.0, draws)
    shown = noisy.real if prepared.kind == "signed" else np.abs(noisy)  # (t, z, n, rows, columns)

    def stored(canonical: NDArray[Any], name: str) -> Scan:
        return mask.with_array(undo(orientation, canonical.astype(np.float32)), name=name)

    series = np.moveaxis(shown[0], 1, 0)  # (n, z, rows, columns)
    if mask.is_cine:
        images = shown[:, :, 0]
    else:
        images = series if len(series) > 1 else series[0]
    maps: dict[str, Scan] = {}
    if prepared.fit is not None:
        figure = prepared.mapped
        maps[figure] = stored(prepared.fit(series), f"{mask.stem}_{figure}")
        true = truth(bodies[0], table, figure.lower())
        maps[f"{figure}-truth"] = stored(true, f"{mask.stem}_{figure}-truth")
    return Simulated(
        stored(images, f"{mask.stem}_{setup.sequence}"), maps, _record(mask, setup, prepared, table)
    )


def t2_of(images: NDArray[np.floating], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """T2 of every pixel, ms: a line through log signal, weighted by the signal's square.

    Parameters
    ----------
    images : (n, ...) array
        Magnitudes.
    times : (n,) array
        Preparation times, ms.

    Returns
    -------
    (...) float32 array
        0 where signal does not decay.
    """
    data = np.maximum(np.asarray(images, np.float64), 1e-9)
    weight, y = data**2, np.log(data)
    x = times.reshape(-1, *[1] * (data.ndim - 1))
    total = weight.sum(0)
    mean_x, mean_y = (weight * x).sum(0) / total, (weight * y).sum(0) / total
    rate = -(weight * (x - mean_x) * (y - mean_y)).sum(0) / (weight * (x - mean_x) ** 2).sum(0)
    return np.where(rate > 1e-4, 1 / np.maximum(rate, 1e-4), 0).astype(np.float32)


def _record(mask: Scan, setup: Setup, prepared: _Prepared, table: Tissues) -> dict[str, Any]:
    return {
        "synthetic": True,
        "made_by": "signal equation; nothing is learned, and no patient's picture is in it",
        "cmr_synth": cmr_synth.__version__,
        "sequence": setup.sequence,
        "signed": prepared.kind == "signed",
        **prepared.facts,
        "field_tesla": setup.field,
        "heartbeat_ms": setup.beat,
        "snr": setup.snr,
        "seed": setup.seed,
        "tissues": {
            name: {"t1_ms": round(t.t1, 2), "t2_ms": round(t.t2, 2), "density": t.density}
            for name, t in table.items()
        },
        "mask": {"name": mask.name},
    }
