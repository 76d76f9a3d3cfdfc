"""What a scan guarantees, and the checks between an image and its mask."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.imaging import Scan, require_foreground, require_same_grid


def scan(array: np.ndarray, affine: np.ndarray | None = None, name: str = "a.nii.gz") -> Scan:
    affine = np.diag([1.5, 1.5, 8.0, 1.0]) if affine is None else affine
    return Scan(array=array, spacing=(8.0, 1.5, 1.5), affine=affine, name=name)


def test_a_still_and_a_cine_describe_themselves():
    still, cine = scan(np.zeros((3, 5, 4))), scan(np.zeros((7, 3, 5, 4)))
    assert (still.is_cine, still.n_frames, still.n_slices) == (False, 1, 3)
    assert (cine.is_cine, cine.n_frames, cine.n_slices) == (True, 7, 3)


@pytest.mark.parametrize("name", ["p_gt.nii.gz", "p_gt.nii", "p_gt.dcm", "p_gt", "p_gt.NII.GZ"])
def test_stem_drops_the_file_suffixes(name):
    assert scan(np.zeros((1, 2, 2)), name=name).stem == "p_gt"


def test_stem_keeps_other_dots():
    assert scan(np.zeros((1, 2, 2)), name="series 1.2").stem == "series 1.2"


def test_with_array_keeps_geometry_and_refuses_another_grid():
    cine = scan(np.zeros((7, 3, 5, 4)))
    still = cine.with_array(np.ones((3, 5, 4)), name="b")
    assert still.name == "b" and still.affine is cine.affine and not still.is_cine
    with pytest.raises(ValueError, match="for a grid of"):
        cine.with_array(np.ones((3, 4, 5)))


def test_frame_takes_one_time_point():
    cine = scan(np.arange(2 * 3 * 5 * 4).reshape(2, 3, 5, 4))
    np.testing.assert_array_equal(cine.frame(1).array, cine.array[1])
    still = cine.frame(0)
    assert still.frame(0) is still
    with pytest.raises(InputError, match=r"has no frame 2, it holds 2. Choose 0 to 1"):
        cine.frame(2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array": np.zeros((4, 4))}, "a scan is"),
        ({"spacing": (8.0, 0.0, 1.0)}, "three positive"),
        ({"spacing": (8.0, np.nan, 1.0)}, "three positive"),
        ({"affine": np.full((4, 4), np.nan)}, "finite 4 x 4"),
        ({"affine": np.eye(3)}, "finite 4 x 4"),
    ],
)
def test_impossible_scans_are_refused(change, message):
    good = {
        "array": np.zeros((1, 2, 2)),
        "spacing": (1.0, 1.0, 1.0),
        "affine": np.eye(4),
        "name": "a",
    }
    with pytest.raises(ValueError, match=message):
        Scan(**(good | change))


def test_a_mask_needs_something_drawn():
    labels = np.zeros((2, 4, 4), dtype=np.uint8)
    with pytest.raises(InputError, match=r"a.nii.gz: the mask is empty"):
        require_foreground(scan(labels))
    with pytest.raises(InputError, match="the mask is empty"):
        require_foreground(scan(np.full_like(labels, 255)))
    labels[0, 1, 1] = 3
    mask = scan(labels)
    assert require_foreground(mask) is mask


def test_mask_and_image_must_share_their_grid(oblique):
    image = scan(np.zeros((7, 3, 5, 4)), oblique, "image.nii.gz")
    require_same_grid(image, scan(np.zeros((3, 5, 4)), oblique))
    with pytest.raises(InputError, match=r"a.nii.gz: the mask is 3 x 4 x 5 .* 3 x 5 x 4"):
        require_same_grid(image, scan(np.zeros((3, 4, 5)), oblique))
    moved = oblique.copy()
    moved[0, 3] += 5
    with pytest.raises(InputError, match="lies 5.0 mm away from image.nii.gz"):
        require_same_grid(image, scan(np.zeros((3, 5, 4)), moved))
    turned = oblique @ np.diag([-1.0, 1.0, 1.0, 1.0])
    with pytest.raises(InputError, match="mm away"):
        require_same_grid(image, scan(np.zeros((3, 5, 4)), turned))


def test_importing_the_package_is_light():
    heavy = "('torch', 'nibabel', 'pydicom', 'SimpleITK', 'scipy', 'skimage')"
    code = (
        "import sys, cmr_synth.imaging.readers, cmr_synth.imaging.orientation; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
