"""Simulated scans: physics that is its own inverse, maps that are found, coils that are missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.reconstruction.acquisition import Acquired, Scanner, as_acquired, simulated
from cmr_synth.reconstruction.classical import compressed_sensing, zero_filled
from cmr_synth.reconstruction.coils import estimated_maps, simulated_maps, smooth_phase
from cmr_synth.reconstruction.fourier import to_kspace, to_picture
from cmr_synth.reconstruction.sampling import PATTERNS, Sampling


def scanned(hearts, *, noise=0.005, coils=4, **sampling):
    draws = [np.random.default_rng(k) for k in range(len(hearts))]
    how = [Sampling(**sampling)] * len(hearts)
    return simulated(hearts, how, Scanner(coils=coils, noise=noise), draws)


def nmse(made, real):
    return float(((made.abs() - real) ** 2).sum() / (real**2).sum())


def test_the_transform_keeps_energy_and_comes_back(hearts):
    space = to_kspace(hearts.to(torch.complex64))
    torch.testing.assert_close(to_picture(space).real, hearts, atol=1e-5, rtol=0)
    assert float(space.abs().square().sum()) == pytest.approx(float((hearts**2).sum()), rel=1e-4)
    assert int(space[0].abs().argmax()) == 64 * 128 + 64  # frequency 0


def test_seeing_and_combining_are_adjoint(hearts):
    acquired, truth = scanned(hearts)
    space = torch.randn(2, 4, 128, 128, dtype=torch.complex64)
    one = (acquired.seen(truth).conj() * space).sum()
    two = (truth.conj() * acquired.combined(space)).sum()
    torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("coils", [1, 4])
def test_a_full_scan_without_noise_is_the_picture(hearts, coils):
    acquired, truth = scanned(hearts, noise=0.0, coils=coils, acceleration=1)
    assert nmse(zero_filled(acquired), hearts) < 1e-4
    if coils == 1:
        torch.testing.assert_close(zero_filled(acquired), truth, atol=1e-4, rtol=0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_maps_of_the_coils_are_found(hearts, pattern):
    """By direction at every pixel: what they have in common belongs to the picture."""
    acquired, _ = scanned(hearts, pattern=pattern)
    inside = hearts > 0.15
    for k, maps in enumerate(acquired.maps):
        draw = np.random.default_rng(k)
        smooth_phase((128, 128), draw)  # drawn first
        planted = torch.from_numpy(simulated_maps(4, (128, 128), draw))
        alike = (maps.conj() * planted).sum(dim=0).abs()
        assert alike[inside[k]].mean() > 0.985
        assert (maps.abs().square().sum(dim=0) - 1).abs().max() < 1e-3


def test_what_was_measured_stays_and_half_a_step_goes_halfway(hearts):
    acquired, _ = scanned(hearts, coils=1)
    other = torch.zeros_like(acquired.zero_filled())
    torch.testing.assert_close(acquired.consistent(other), acquired.zero_filled())
    torch.testing.assert_close(acquired.consistent(other, 0.5), acquired.zero_filled() / 2)
    again = acquired.consistent(torch.randn(2, 128, 128, dtype=torch.complex64))
    kept = acquired.measured.expand_as(acquired.kspace)
    torch.testing.assert_close(acquired.seen(again)[kept], acquired.kspace[kept], atol=1e-4, rtol=0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_compressed_sensing_beats_zero_filling(hearts, pattern):
    acquired, _ = scanned(hearts, pattern=pattern, acceleration=4)
    zero = nmse(zero_filled(acquired), hearts)
    assert nmse(compressed_sensing(acquired, iterations=20), hearts) < 0.5 * zero
    rough, smooth = (
        compressed_sensing(acquired, weight=w, iterations=5).abs() for w in (1e-4, 0.1)
    )
    assert smooth.diff(dim=1).abs().sum() < 0.8 * rough.diff(dim=1).abs().sum()


def test_brightness_changes_nothing_but_brightness(hearts):
    acquired, _ = scanned(hearts[:1])
    bright = Acquired(acquired.kspace * 500, acquired.measured, acquired.maps)
    one, two = (compressed_sensing(a, iterations=3) for a in (acquired, bright))
    torch.testing.assert_close(500 * one, two, rtol=1e-3, atol=0.05)


def test_a_slice_does_not_depend_on_its_batch(hearts):
    together, _ = scanned(hearts)
    alone, _ = scanned(hearts[:1])
    torch.testing.assert_close(together.kspace[:1], alone.kspace)
    torch.testing.assert_close(together.maps[:1], alone.maps, atol=1e-4, rtol=0)


def arrays(hearts):
    acquired, _ = scanned(hearts)
    return acquired.kspace.numpy().copy(), acquired.measured[:, 0].numpy().copy()


def test_missing_coils_and_wrong_dimensions_are_one_line(hearts):
    space, measured = arrays(hearts)
    as_acquired(space, measured, where="scan.h5")
    with pytest.raises(InputError, match=r"scan.h5: k-space is of shape 2 x 128 x 128"):
        as_acquired(space[:, 0], measured, where="scan.h5")
    with pytest.raises(InputError, match=r"k-space is of 128 x 128 samples, and .* of 64 x 128"):
        as_acquired(space, measured[:, :64], where="scan.h5")
    with pytest.raises(InputError, match=r"complex numbers of \(pictures, coils"):
        as_acquired(space.real.copy(), measured, where="scan.h5")
    space[1, 2] = 0
    with pytest.raises(InputError, match="coil 3 of 4 measured nothing in picture 2; a missing"):
        as_acquired(space, measured, where="scan.h5")
    space[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        as_acquired(space, measured, where="scan.h5")


def test_without_its_middle_no_map_is_told(hearts):
    acquired, _ = scanned(hearts)
    measured = acquired.measured.clone()
    measured[:, :, 64] = False
    with pytest.raises(InputError, match="coil maps need 6 x 6; take a scan with reference lines"):
        estimated_maps(acquired.kspace, measured)


def test_a_scanner_that_cannot_be_is_one_line(hearts):
    with pytest.raises(InputError, match="noise 2: give 0 to 1"):
        Scanner(noise=2)
    with pytest.raises(InputError, match="0 coils: give 1 to 64"):
        scanned(hearts, coils=0)
