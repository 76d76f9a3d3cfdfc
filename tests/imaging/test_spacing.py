"""A spacing as people type it."""

from __future__ import annotations

import pytest

from cmr_synth.errors import InputError
from cmr_synth.imaging.spacing import spacing_of


@pytest.mark.parametrize(
    "text", ["1.2x1.4x8", "1,2x1,4x8", " 1.2 x 1.4 x 8.0 mm", "1.2 1.4 8", "1,2;1,4;8", "1.2×1.4×8"]
)
def test_columns_rows_slices(text):
    assert spacing_of(text) == (8.0, 1.4, 1.2)


def test_pixels_and_slices():
    assert spacing_of("1.5x10") == (10.0, 1.5, 1.5)


@pytest.mark.parametrize("text", ["", "x", "1.5", "1x2x3x4", "a x b x c", "-1x1x8", "1.5x1.5xnan"])
def test_what_is_no_spacing(text):
    with pytest.raises(InputError, match="give mm as columns x rows x slices"):
        spacing_of(text)


@pytest.mark.parametrize("text", ["0x1x8", "1x1x5000"])
def test_what_no_spacing_is(text):
    with pytest.raises(InputError, match="each number must be 0.05 to 100 mm"):
        spacing_of(text)
