"""Planes told by the direction of the slices alone."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.imaging.plane import plane_of

# Short axis and four chambers of one healthy volunteer, as the scanner wrote them: rows, columns
# (LPS), of the biv-me example examination (Apache-2.0).
FOUR_CHAMBERS = ([0.9954, 0.0, 0.0958042], [0.0787602, -0.569348, -0.818315])


def affine_of(row, column, spacing=(1.4, 1.4, 8.0)):
    affine = np.eye(4)
    row, column = (np.array(v) * (-1, -1, 1) for v in (row, column))  # LPS -> RAS
    normal = np.cross(row, column)
    affine[:3, :3] = np.stack([row, column, normal], axis=1) * spacing
    return affine


def test_planes_of_the_heart(oblique):
    assert plane_of(oblique) == "short axis"
    assert plane_of(oblique @ np.diag([1, -1, -1, 1])) == "short axis"
    assert plane_of(oblique[:, [1, 2, 0, 3]]) == "long axis"
    assert plane_of(oblique[:, [0, 2, 1, 3]]) == "long axis"
    assert plane_of(affine_of(*FOUR_CHAMBERS)) == "long axis"


@pytest.mark.parametrize(
    ("plane", "row", "column"),
    [
        ("axial", [1, 0, 0], [0, 1, 0]),
        ("coronal", [1, 0, 0], [0, 0, -1]),
        ("sagittal", [0, 1, 0], [0, 0, -1]),
    ],
)
def test_planes_of_the_body(plane, row, column):
    assert plane_of(affine_of(row, column)) == plane
    tilt = np.deg2rad(10)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    assert plane_of(turn @ affine_of(row, column)) != "short axis"


def test_a_stack_of_another_scanner(data_root):
    from cmr_synth.imaging.dicom import list_stacks

    (stack,) = list_stacks(data_root / "sunnybrook_dicom" / "SCD0000301")
    assert stack.plane == "short axis"
