"""Our warp of an image beside SimpleITK's resampling with the same displacement field."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from cmr_synth.anatomy.dials import Dials, Heart, Region, Regional, move_pixels
from cmr_synth.anatomy.template import draw_stack

SPACING = (8.0, 1.5, 1.5)


def test_simpleitk_pulls_the_same_pixels():
    labels = draw_stack(seed=5, slices=6, shape=(96, 96))
    smooth = np.random.default_rng(0).random(labels.shape, dtype=np.float32)
    image = sitk.SmoothingRecursiveGaussian(_image(smooth), [3.0, 3.0, 0.1])
    pixels = sitk.GetArrayFromImage(image)
    thick = (Regional(0.5, Region("septal")),)
    warp = Heart(labels, SPACING).turned(Dials(dilation=0.4, hypertrophy=thick)).warp

    ours = move_pixels(pixels, warp)
    field = warp.displacement_mm(labels.shape)[..., ::-1]  # (z, y, x) -> (x, y, z)
    vectors = sitk.GetImageFromArray(np.ascontiguousarray(field), isVector=True)
    vectors.SetSpacing(SPACING[::-1])
    transform = sitk.DisplacementFieldTransform(vectors)
    theirs = sitk.GetArrayFromImage(sitk.Resample(image, transform, sitk.sitkBSpline))
    # beyond the edge they give 0 and we the nearest pixel; the heart lies inside
    inside = np.s_[:, 15:-15, 15:-15]
    # splines of ours are of two dimensions, of theirs three: their slices ring into each other
    difference = np.abs(ours - theirs)[inside]
    assert difference.max() < 0.02 * np.ptp(pixels)


def _image(pixels: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(SPACING[::-1])
    return image
