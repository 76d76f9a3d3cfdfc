"""Averages of weights whose width is chosen when the training is over.

How far an average of weights should look back is known only afterwards. So a training keeps two
averages whose profiles are powers of time, and now and then a copy of both; the average of any
other width is a linear combination of the copies, found by least squares on the profiles (Karras et
al. 2024, arXiv:2312.02696, section 3 and appendix C).

The width of an average is the standard deviation of its profile over the length of the training
so far: with 0.1, what counts is about the last tenth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.networks.weights import load_weights, save_weights
from cmr_synth.training.average import Average
from cmr_synth.training.recipe import WIDEST

FOLDER = "averages"
COPIES = 16
"""Of each average, over a training."""
Finished = Callable[[], tuple[object, dict[str, Tensor]]]
"""Configuration and weights of the model that a task trains, as they are now."""


def power(width: float) -> Callable[[int], float]:
    """The decay by step of an average with a relative width; see `average.Average`.

    Parameters
    ----------
    width : float
        Above 0, below `WIDEST`.
    """
    exponent = exponent_of(width)
    return lambda step: (1 - 1 / (step + 1)) ** (exponent + 1)


def exponent_of(width: float) -> float:
    """The power of a profile with a relative width.

    Solves width**2 = (g + 1) / ((g + 2)**2 (g + 3)) for g: 16.97 for 0.05, 6.94 for 0.1.

    Raises
    ------
    ValueError
        If the width is not above 0 and below `WIDEST`.
    """
    if not 0 < width < WIDEST:
        raise ValueError(f"a relative width is above 0 and below {WIDEST}, got {width}")
    inverse = width**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


@dataclass(frozen=True)
class Kept:
    """A copy of an average.

    Parameters
    ----------
    path : Path
    images : int
        Seen by then.
    width : float
        Of the average.
    """

    path: Path
    images: int
    width: float


class Copies:
    """The copies that a training keeps of its averages.

    Parameters
    ----------
    folder : Path
        In which they are files of half precision.
    averages : mapping of float to Average
        By width.
    finished : callable or None
        Of the task, see `task.Task`; None where there are no averages.
    """

    def __init__(
        self,
        folder: Path,
        averages: Mapping[float, Average],
        finished: Finished | None,
    ):
        self.folder, self.averages, self.finished = folder, averages, finished
        self._last = 0.0

    def start(self, images: int, share: float) -> None:
        """Forget copies of what is after the checkpoint that the training goes on from."""
        self._last = share
        for one in kept_in(self.folder):
            if one.images > images:
                one.path.unlink()

    def due(self, share: float) -> bool:
        """Whether one more is wanted when `share` of the training is done."""
        return bool(self.averages) and int(share * COPIES) > int(self._last * COPIES)

    def write(self, images: int, share: float) -> None:
        """Write one of each average.

        Raises
        ------
        InputError
            If a weight is no number, or the folder cannot be written.
        """
        self._last = share
        for width, average in self.averages.items():
            assert self.finished is not None
            self.folder.mkdir(parents=True, exist_ok=True)
            with average.in_place():
                _, weights = self.finished()
                save_weights(self.folder / _named(images, width), weights, bits=16)


def kept_in(folder: Path) -> list[Kept]:
    """The copies in a folder, oldest first."""
    found = []
    for path in sorted(Path(folder).glob("*.safetensors")):
        if match := _NAME.fullmatch(path.name):
            found.append(Kept(path, int(match[1]), float(match[2])))
    return found


def averaged(folder: Path, width: float) -> tuple[dict[str, Tensor], int]:
    """The average of any width, at the time of the last copy.

    Parameters
    ----------
    folder : Path
        With the copies of a training.
    width : float
        Above 0, below `WIDEST`.

    Returns
    -------
    (dict, int)
        Weights in float32, and the images seen by then.

    Raises
    ------
    InputError
        If there are too few copies, they cannot be read, or the width is out of range.
    """
    if not 0 < width < WIDEST:
        raise InputError(
            f"width {width:g}: a relative width is above 0 and below {WIDEST} (the mean of all "
            "steps); 0.05 to 0.15 are usual."
        )
    copies = kept_in(folder)
    if len(copies) < 2:
        raise InputError(
            f"{folder}: holds {len(copies)} copies of averages; train by a recipe with `averages`, "
            "such as [0.05, 0.1], and at least two are kept."
        )
    total: dict[str, Tensor] = {}
    for one, share in zip(copies, shares(copies, width), strict=True):
        weights = load_weights(one.path)
        if total and weights.keys() != total.keys():
            raise InputError(
                f"{one.path}: its weights are of another network than the other copies'; keep each "
                "training in a folder of its own."
            )
        for key, value in weights.items():
            total[key] = value * share + total[key] if key in total else value * share
    return total, copies[-1].images


def shares(copies: Sequence[Kept], width: float) -> list[float]:
    """What each copy contributes to the average of a width at the time of the last, adding up to 1.

    Raises
    ------
    ValueError
        If the width is not above 0 and below `WIDEST`.
    """
    times = np.array([float(one.images) for one in copies])
    powers = np.array([exponent_of(one.width) for one in copies])
    last, wanted = np.full(1, times.max()), np.full(1, exponent_of(width))
    among = _overlap(times[:, None], powers[:, None], times[None], powers[None])
    asked = _overlap(times[:, None], powers[:, None], last[None], wanted[None])
    # scaled to profiles of length one: early copies have far larger ones
    length = np.sqrt(np.diag(among))
    solved, *_ = np.linalg.lstsq(
        among / np.outer(length, length), asked[:, 0] / length, rcond=_LEAST
    )
    found = solved / length
    return [float(one) for one in found / found.sum()]


def _overlap(
    time: NDArray[np.float64],
    power: NDArray[np.float64],
    other_time: NDArray[np.float64],
    other_power: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Integral of the product of two profiles (equation 126 of the paper)."""
    later = np.maximum(time, other_time)
    exponent = np.where(time < other_time, other_power, -power)
    ratio = (time / other_time) ** exponent
    product: NDArray[np.float64] = (power + 1) * (other_power + 1) * ratio
    product /= (power + other_power + 1) * later
    return product


def _named(images: int, width: float) -> str:
    return f"{images:010d}-{width:g}.safetensors"


_NAME = re.compile(r"(\d{10})-(0\.\d+)\.safetensors")
_LEAST = 1e-9
"""Of the largest singular value: below it, a direction is rounding."""
