"""What a scan measured: k-space of every coil, which samples, and the coils' maps; or simulated.

A magnitude picture gets a smooth phase, is seen through maps of coils, transformed, given noise and
under-sampled. Pictures that a scanner has processed already (magnitude, filtered, interpolated)
make this easier than a scanner's raw data are: figures on them flatter every method (Shimron et al.
2022, doi:10.1073/pnas.2117203119), and compare methods with each other only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.reconstruction.coils import estimated_maps, simulated_maps, smooth_phase
from cmr_synth.reconstruction.fourier import to_kspace, to_picture
from cmr_synth.reconstruction.sampling import Sampling

COILS = 4  # virtual ones, as arrays are compressed to
NOISE = 0.01
"""Standard deviation of the noise of a coil in either channel; pictures are in 0 to 1."""


@dataclass(frozen=True, eq=False)
class Acquired:
    """What some scans measured.

    Parameters
    ----------
    kspace : (n, coils, y, x) complex64 tensor
        0 where nothing was measured.
    measured : (n, 1, y, x) bool tensor
    maps : (n, coils, y, x) complex64 tensor
        Of the coils; their squares add up to one.
    """

    kspace: Tensor
    measured: Tensor
    maps: Tensor

    @classmethod
    def of(cls, kspace: Tensor, measured: Tensor, *, where: str = "k-space") -> Acquired:
        """Check what was measured, and find the coils' maps in it.

        Raises
        ------
        InputError
            Naming `where`, if dimensions do not fit, numbers are not finite, or a coil is missing.
        """
        require_kspace(kspace, measured, where=where)
        return cls(kspace, measured, estimated_maps(kspace, measured))

    def __len__(self) -> int:
        return len(self.kspace)

    def to(self, device: torch.device | str) -> Acquired:
        """The same on a device."""
        return Acquired(*(part.to(device) for part in (self.kspace, self.measured, self.maps)))

    def seen(self, pictures: Tensor) -> Tensor:
        """K-space (n, coils, y, x) of complex pictures (n, y, x), all samples of it."""
        return to_kspace(self.maps * pictures[:, None])

    def combined(self, kspace: Tensor) -> Tensor:
        """Pictures (n, y, x) of k-space (n, coils, y, x): coils weighted by their maps."""
        return (self.maps.conj() * to_picture(kspace)).sum(dim=1)

    def zero_filled(self) -> Tensor:
        """Complex pictures (n, y, x) with nought where nothing was measured."""
        return self.combined(self.kspace)

    def consistent(self, pictures: Tensor, share: Tensor | float = 1.0) -> Tensor:
        """Pictures with what was measured put in the place of what they would have given.

        Parameters
        ----------
        pictures : (n, y, x) complex tensor
        share : float
            1 replaces it wholly (hard data consistency); less goes part of the way.
        """
        off = torch.where(self.measured, self.seen(pictures) - self.kspace, 0)
        return pictures - share * self.combined(off)

    def scales(self) -> Tensor:
        """(n, 1, 1) brightness of what was measured, to bring pictures to one scale."""
        flat = self.zero_filled().abs().flatten(1)
        return torch.quantile(flat, 0.995, dim=1).clamp(min=1e-12)[:, None, None]

    def scaled(self, by: Tensor) -> Acquired:
        """The same with k-space divided by (n, 1, 1) numbers."""
        return Acquired(self.kspace / by[:, None], self.measured, self.maps)


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """What a simulated scan is taken with.

    Parameters
    ----------
    coils : int
    noise : float
        As `NOISE`.
    """

    coils: int = COILS
    noise: float = NOISE

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if not 0 <= self.noise <= 1:
            raise InputError(f"noise {self.noise:g}: give 0 to 1, the brightest pixel being 1.")


def simulated(
    pictures: Tensor,
    sampling: Sequence[Sampling],
    scanner: Scanner,
    draws: Sequence[np.random.Generator],
) -> tuple[Acquired, Tensor]:
    """Measure magnitude pictures.

    Parameters
    ----------
    pictures : (n, y, x) float tensor
        In 0 to 1.
    sampling : n Samplings
    scanner : Scanner
    draws : n numpy Generators
        One an image: of its phase, coils, noise and samples.

    Returns
    -------
    Acquired
        Its maps are those that its own middle of k-space tells, as with a scan.
    (n, y, x) complex tensor
        The pictures with the phase that they have through these maps: what a perfect
        reconstruction would give.
    """
    rows, columns = pictures.shape[-2:]
    shape = (rows, columns)
    phases, maps, noises, masks = [], [], [], []
    for one, draw in zip(sampling, draws, strict=True):
        phases.append(smooth_phase(shape, draw))
        maps.append(simulated_maps(scanner.coils, shape, draw))
        real, imaginary = draw.standard_normal((2, scanner.coils, *shape), dtype=np.float32)
        noises.append(scanner.noise * (real + 1j * imaginary))
        masks.append(one.mask(shape, draw))
    device = pictures.device
    phase, coils, noise, measured = (
        torch.from_numpy(np.stack(part)).to(device) for part in (phases, maps, noises, masks)
    )
    whole = to_kspace(coils * torch.polar(pictures.float(), phase)[:, None])
    measured = measured[:, None]
    kspace = torch.where(measured, whole + noise.to(torch.complex64), 0)
    acquired = Acquired(kspace, measured, estimated_maps(kspace, measured))
    # the phase that coils have in common is told apart from the object's by nobody
    return acquired, torch.polar(pictures.float(), acquired.combined(whole).angle())


def require_kspace(kspace: Tensor, measured: Tensor, *, where: str) -> None:
    """Refuse k-space with wrong dimensions or missing coils.

    Raises
    ------
    InputError
        Naming `where` and what is wrong.
    """
    if kspace.ndim != 4 or not kspace.is_complex() or not all(kspace.shape):
        raise InputError(
            f"{where}: k-space is of shape {_times(kspace.shape)} ({kspace.dtype}); complex "
            "numbers of (pictures, coils, rows, columns) are needed."
        )
    if tuple(measured.shape) != (len(kspace), 1, *kspace.shape[2:]):
        raise InputError(
            f"{where}: k-space is of {_times(kspace.shape[2:])} samples, and what says which of "
            f"them were measured of {_times(measured.shape[-2:])}; both must be one size."
        )
    if not torch.isfinite(torch.view_as_real(kspace)).all():
        raise InputError(f"{where}: k-space holds NaN or infinite numbers; export it again.")
    silent = (kspace.abs().amax(dim=(2, 3)) == 0).nonzero()
    if len(silent):
        picture, coil = silent[0].tolist()
        raise InputError(
            f"{where}: coil {coil + 1} of {kspace.shape[1]} measured nothing in picture "
            f"{picture + 1}; a missing coil must be left out, not filled with zeros."
        )


def as_acquired(
    kspace: NDArray[np.complex64], measured: NDArray[np.bool_], *, where: str
) -> Acquired:
    """From arrays (n, coils, y, x) and (n, y, x); see `Acquired.of`."""
    return Acquired.of(torch.from_numpy(kspace), torch.from_numpy(measured)[:, None], where=where)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
