"""The last stage of a picture: each spatial frequency as strong as in scans of the vendor.

A scanner, its acquired matrix and its reconstruction pass every frequency by a factor of their own,
the modulation transfer function. A network that was trained on pictures meets it nearly: some rings
of frequency come out too weak or too strong, the same ones in every picture, and a linear
classifier finds them at once. A gain for each ring, measured once on training patients by
`cmr_synth.evaluation.calibration`, takes that out. It adds nothing: what the network did not draw
stays away.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition

KEY = "transfer"
"""In `config.json`, beside the network's own settings."""
LARGEST_GAIN = 3.0
MARGIN = 16
"""Pixels by which a picture is mirrored at its borders, so that they are no edges."""


class Transfer(BaseModel):
    """Gains of amplitude by radial frequency.

    Parameters
    ----------
    gains : mapping of str to tuple of float
        Of each vendor, or of "" for a model that is told none: rings of equal width from 0 to 0.5
        cycles a pixel. A picture of no vendor in particular gets the geometric mean.
    patients, slices : mapping of str to int
        How many it was measured on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    gains: dict[str, tuple[float, ...]] = Field(min_length=1)
    patients: dict[str, int] = {}
    slices: dict[str, int] = {}

    @field_validator("gains")
    @classmethod
    def _usable(cls, gains: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        if len({len(one) for one in gains.values()}) != 1 or min(map(len, gains.values())) < 2:
            raise ValueError("give every vendor as many rings, two at least")
        for vendor, one in gains.items():
            if not all(1 / LARGEST_GAIN <= gain <= LARGEST_GAIN for gain in one):
                raise ValueError(f"{vendor}: gains lie within 1/{LARGEST_GAIN:g}, {LARGEST_GAIN:g}")
        return gains

    def curve(self, vendor: str | None) -> NDArray[np.float64]:
        """(rings,) logarithm of the gains for a vendor."""
        own = self.gains.get(vendor or "")
        if own is not None:
            return np.log(own)
        mean: NDArray[np.float64] = np.log(list(self.gains.values())).mean(axis=0)
        return mean

    def __call__(
        self, pictures: NDArray[np.float32], conditions: Sequence[Condition]
    ) -> NDArray[np.float32]:
        """Pictures (n, y, x) in [0, 1] with the gains of the vendors that were asked for.

        One that takes the look of a reference has that picture's own spectrum: the gains count for
        it by as much as the reference does not.
        """
        curves = []
        for asked in conditions:
            own = 1.0 if asked.reference is None else 1 - asked.reference_strength
            curves.append(own * self.curve(asked.vendor))
        return filtered(pictures, np.stack(curves))


def filtered(pictures: NDArray[np.float32], curves: NDArray[np.float64]) -> NDArray[np.float32]:
    """Pictures with their amplitudes changed by radial frequency, their means kept.

    Parameters
    ----------
    pictures : (n, y, x) float32 array in [0, 1]
    curves : (n, rings) array
        Logarithm of the gain at the middle of each ring from 0 to 0.5 cycles a pixel; linear
        between them, and beyond the last as there.

    Returns
    -------
    (n, y, x) float32 array in [0, 1]
    """
    rows, columns = pictures.shape[1:]
    margins = [(0, 0), *((min(MARGIN, side - 1),) * 2 for side in (rows, columns))]
    wide = np.pad(np.asarray(pictures, np.float32), margins, mode="reflect")
    lower, share = _places(wide.shape[1], wide.shape[2], curves.shape[1])
    gains = np.exp(curves[:, lower] * (1 - share) + curves[:, lower + 1] * share)
    gains[:, 0, 0] = 1
    spectra = scipy.fft.rfft2(wide) * gains.astype(np.float32)
    made = scipy.fft.irfft2(spectra, s=wide.shape[1:])
    top, left = margins[1][0], margins[2][0]
    made = made[:, top : top + rows, left : left + columns]
    clipped: NDArray[np.float32] = np.clip(made, 0, 1, dtype=np.float32)
    return clipped


@lru_cache(maxsize=8)
def _places(rows: int, columns: int, rings: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each frequency of a half spectrum the ring whose middle is below, and how far beyond."""
    radius = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    place = np.clip(radius * 2 * rings - 0.5, 0, rings - 1)
    lower = np.minimum(place.astype(np.int64), rings - 2)
    return lower, place - lower


def read_transfer(folder: Path) -> Transfer | None:
    """What `config.json` of a model folder says of it; None for a model that was not calibrated.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    path = Path(folder) / "config.json"
    try:
        stated = json.loads(path.read_text(encoding="utf-8")).get(KEY)
        return None if stated is None else Transfer(**stated)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        if isinstance(error, ValidationError):
            reason = error.errors()[0]["msg"]
        raise InputError(f"{path}: {KEY} not readable ({reason}); get the model again.") from error
