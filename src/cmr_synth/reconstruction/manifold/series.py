"""A simulated scan to fit a manifold to: a beating slice after inversions, k-space shot by shot.

bSSFP goes on for a while after each inversion, and rests until the magnetisation is whole again.
The heart beats on, so that shots meet every phase at many inversion times, but never all of them.
Each shot measures a few spokes of k-space, and is taken to be of one moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.anatomy.beating import Plan
from cmr_synth.anatomy.labels import MYO, is_heart
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.orientation import Orientation, apply, apply_to_spacing
from cmr_synth.imaging.scan import Scan
from cmr_synth.physics.body import chest, middle_of
from cmr_synth.physics.picture import painted, truth
from cmr_synth.physics.sequences import Readout, inverted_steady_state
from cmr_synth.physics.tissues import Tissue, Tissues, tissues
from cmr_synth.reconstruction.fourier import to_kspace
from cmr_synth.reconstruction.sampling import Sampling
from cmr_synth.synthesis.beating import Beating, beat_mask
from cmr_synth.synthesis.dialled import Upright

SIDE = 96  # pixels of the square about the heart that is scanned
MULTIPLE = 16  # of which it is
FIRST_MS = 20.0  # from an inversion to the first shot


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a slice is scanned.

    Parameters
    ----------
    seconds : float
        Of all shots together.
    shot_ms : float
        From one shot to the next.
    window_ms : float
        From an inversion to the last shot after it.
    rest_ms : float
        From there to the next inversion: not counted in `seconds`.
    flip : float
        Angle, degrees.
    acceleration : float
        Samples of the grid over those of a shot.
    heart_rate : float
        Beats a minute.
    noise : float
        Standard deviation in either channel, inverted blood being -1.
    held_out : float
        Share of the shots that the manifold is not shown, to compare with.
    tesla : float
        Field strength.
    table : mapping of str to Tissue, optional
        By default those of the field strength.
    seed : int
        Of spokes, noise, and which shots are held out.

    Raises
    ------
    InputError
        If no scan is like that.
    """

    seconds: float = 15.0
    shot_ms: float = 60.0
    window_ms: float = 2500.0
    rest_ms: float = 5000.0
    flip: float = 35.0
    acceleration: float = 6.0
    heart_rate: float = 69.0
    noise: float = 0.02
    held_out: float = 0.15
    tesla: float = 1.5
    table: Tissues | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be scanned."""
        ranges = (
            ("seconds", self.seconds, 2, 120),
            ("time between shots, ms", self.shot_ms, 10, 500),
            ("time of shots after an inversion, ms", self.window_ms, 500, 10_000),
            ("rest, ms", self.rest_ms, 0, 20_000),
            ("flip angle", self.flip, 5, 90),
            ("heart rate", self.heart_rate, 30, 200),
            ("noise", self.noise, 0, 1),
            ("share held out", self.held_out, 0.02, 0.5),
        )
        for name, value, low, high in ranges:
            if not low <= value <= high:
                raise InputError(f"{name}: {value:g} given; give {low:g} to {high:g}.")

    @property
    def times(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Phase of the heartbeat in [0, 1) and inversion time in ms of each shot."""
        shots = np.arange(0, 1000 * self.seconds, self.shot_ms)
        inversion, after = np.divmod(shots, self.window_ms)
        beat = 60_000 / self.heart_rate
        at = inversion * (self.window_ms + self.rest_ms) + after
        return (at % beat) / beat, after + FIRST_MS

    def tissues(self) -> dict[str, Tissue]:
        """As the scan meets them."""
        return dict(self.table) if self.table is not None else tissues(self.tesla)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A beating slice as tissues.

    Parameters
    ----------
    tissue : (frames, rows, columns) uint8 array
        Numbers of `physics.body`, a square about the heart, upright.
    corner : (row, column)
        Of the square in the upright slice.
    shape : (rows, columns)
        Of the upright slice.
    number : int
        Of the slice in the mask.
    orientation : Orientation
    mask : Scan
        That it was made of.
    """

    tissue: NDArray[np.uint8]
    corner: tuple[int, int]
    shape: tuple[int, int]
    number: int
    orientation: Orientation
    mask: Scan

    def at(self, phase: float, inversion_ms: float, protocol: Protocol) -> NDArray[np.float32]:
        """The signed picture at a phase and an inversion time; blood is inverted to -1."""
        table, readout = protocol.tissues(), Readout(flip=protocol.flip)
        inverted = abs(inverted_steady_state(table["LV"], np.zeros(1), readout)[0])
        times = np.array([inversion_ms])

        def signal(tissue: Tissue) -> NDArray[np.float64]:
            return inverted_steady_state(tissue, times, readout) / inverted

        frame = self.tissue[self._frame(phase)]
        found: NDArray[np.float32] = painted(frame, signal, table)[0]
        return found

    def t1(self, phase: float, table: Tissues) -> NDArray[np.float32]:
        """T1 that was put in, ms."""
        return truth(self.tissue[self._frame(phase)], table, "t1")

    def is_myocardium(self, phase: float) -> NDArray[np.bool_]:
        """Where it is, at a phase."""
        return self.tissue[self._frame(phase)] == MYO

    def _frame(self, phase: float) -> int:
        return int(phase % 1 * len(self.tissue))


@dataclass(frozen=True, eq=False)
class Series:
    """What the shots measured.

    Parameters
    ----------
    kspace : (n, y, x) complex64 tensor
        0 where nothing was measured.
    measured : (n, y, x) bool tensor
    phases, times_ms : (n,) arrays
    pictures : (n, y, x) float32 array
        The truth without noise.
    held_out : (n,) bool array
        Shots that are not shown to what is fitted.
    """

    kspace: Tensor
    measured: Tensor
    phases: NDArray[np.float64]
    times_ms: NDArray[np.float64]
    pictures: NDArray[np.float32]
    held_out: NDArray[np.bool_]


def beating_slice(
    mask: Scan, plan: Plan, *, number: int | None = None, heart_rate: float = 69.0
) -> Iterator[Progress | Anatomy]:
    """Let a slice of a mask beat, in a drawn chest.

    Parameters
    ----------
    mask : Scan
        Engine labels at end-diastole.
    plan : Plan
    number : int, optional
        Of the slice, from 0; by default the one with most myocardium.

    Yields
    ------
    Progress, then Anatomy

    Raises
    ------
    InputError
        If there is no such slice, it shows no heart, or the heart cannot beat as planned.
    """
    upright = Upright.of(mask)
    beating: Beating | None = None
    for step in beat_mask(upright, plan, heart_rate=heart_rate):
        if isinstance(step, Beating):
            beating = step
        else:
            yield step
    assert beating is not None
    labels = apply(upright.orientation, beating.mask.array.astype(np.uint8))
    if number is None:
        number = int((labels[0] == MYO).sum(axis=(1, 2)).argmax())
    if not 0 <= number < labels.shape[1]:
        raise InputError(
            f"{mask.name}: has no slice {number}, it holds {labels.shape[1]}; choose 0 to "
            f"{labels.shape[1] - 1}."
        )
    frames = labels[:, number]
    if not (frames[0] == MYO).any():
        raise InputError(f"{mask.name}: slice {number} shows no myocardium; choose another.")
    spacing = apply_to_spacing(upright.orientation, mask.spacing)[1:]
    centre = middle_of(is_heart(frames))
    rows, columns = frames.shape[1:]
    side = min(SIDE, rows, columns) // MULTIPLE * MULTIPLE
    if side < 2 * MULTIPLE:
        raise InputError(
            f"{mask.name}: slices are of {rows} x {columns} pixels; {2 * MULTIPLE} x "
            f"{2 * MULTIPLE} at least are needed."
        )
    corner = tuple(
        int(np.clip(round(c) - side // 2, 0, n - side))
        for c, n in zip(centre, (rows, columns), strict=True)
    )
    square = (slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side))
    tissue = np.stack([chest(one, spacing, centre=centre)[square] for one in frames])
    yield Anatomy(
        tissue, (corner[0], corner[1]), (rows, columns), number, upright.orientation, mask
    )


def scanned(anatomy: Anatomy, protocol: Protocol) -> Series:
    """Scan a beating slice by a protocol."""
    phases, times = protocol.times
    pictures = np.stack(
        [anatomy.at(phase, ms, protocol) for phase, ms in zip(phases, times, strict=True)]
    )
    shape = (pictures.shape[1], pictures.shape[2])
    sampling = Sampling(pattern="radial", acceleration=protocol.acceleration)
    draws = np.random.default_rng([protocol.seed, 1])
    masks = np.stack([sampling.mask(shape, draws) for _ in phases])
    real, imaginary = draws.standard_normal((2, *pictures.shape), dtype=np.float32)
    noise = torch.from_numpy(protocol.noise * (real + 1j * imaginary)).to(torch.complex64)
    measured = torch.from_numpy(masks)
    whole = to_kspace(torch.from_numpy(pictures).to(torch.complex64)) + noise
    held_out = np.zeros(len(phases), bool)
    count = max(1, round(protocol.held_out * len(phases)))
    held_out[draws.choice(len(phases), count, replace=False)] = True
    return Series(torch.where(measured, whole, 0), measured, phases, times, pictures, held_out)


def facts_of(protocol: Protocol) -> dict[str, Any]:
    """What a record says of a protocol."""
    return {
        "seconds": protocol.seconds,
        "shot_ms": protocol.shot_ms,
        "window_ms": protocol.window_ms,
        "rest_ms": protocol.rest_ms,
        "flip_degrees": protocol.flip,
        "acceleration": protocol.acceleration,
        "heart_rate": protocol.heart_rate,
        "noise": protocol.noise,
        "held_out": protocol.held_out,
        "field_tesla": protocol.tesla,
        "seed": protocol.seed,
    }
