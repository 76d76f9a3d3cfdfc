"""A scan: pixels or labels together with where they lie in the patient.

Axes are (z, y, x), or (t, z, y, x) for a cine. The affine acts on voxel indices in (x, y, z)
order, as nibabel's does, and gives millimetres toward the patient's right, anterior and superior.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError

MAX_VOXELS = 2**29  # twice a cine of 50 frames, 20 slices, 512 x 512; 2 GiB as float32
SHEARED = 0.005  # relative difference of step and distance from which a stack is sheared
SAME_PLACE_MM = 0.1  # scanners and converters round positions to about this

_SUFFIXES = (".nii.gz", ".nii", ".dcm", ".gz")
_UNLABELLED = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """Pixels or labels, their geometry, and what is needed to write them back as they came.

    Parameters
    ----------
    array : ([t,] z, y, x) array
        float32 pixels or uint8 labels.
    spacing : (z, y, x) in mm
        Distance between voxel centres. Where a file's affine and its spacing disagree this is
        the one to measure with: `affine` stays as the file has it.
    affine : (4, 4) float64 array
        Voxel index (x, y, z) to RAS mm.
    name : str
        File or series name, for messages.
    origin : object, optional
        What the reader wants back when the scan is written; nothing else looks inside.
    frame_ms : float, optional
        Time between the frames of a cine, in milliseconds.
    notes : tuple of str
        What the reader had to assume, one line each, each beginning with the name.

    Raises
    ------
    ValueError
        If the array, spacing or affine has the wrong number of axes or is not finite.
    """

    array: npt.NDArray[np.generic]
    spacing: tuple[float, float, float]
    affine: npt.NDArray[np.float64]
    name: str
    origin: object | None = None
    frame_ms: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Reject what no scan can be; user input is checked by the readers, in plainer words."""
        if self.array.ndim not in (3, 4):
            raise ValueError(f"{self.name}: a scan is (z, y, x) or (t, z, y, x), got {self.shape}")
        if len(self.spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in self.spacing):
            raise ValueError(f"{self.name}: spacing must be three positive mm, got {self.spacing}")
        if np.shape(self.affine) != (4, 4) or not np.all(np.isfinite(self.affine)):
            raise ValueError(f"{self.name}: the affine must be a finite 4 x 4 matrix")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array, ([t,] z, y, x)."""
        return self.array.shape

    @property
    def is_cine(self) -> bool:
        """Whether the first axis is time."""
        return self.array.ndim == 4

    @property
    def n_frames(self) -> int:
        """Number of time frames, 1 for a still."""
        return self.array.shape[0] if self.is_cine else 1

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return self.array.shape[-3]

    @property
    def stem(self) -> str:
        """The name without its file suffixes: `patient001_gt.nii.gz` gives `patient001_gt`."""
        for suffix in _SUFFIXES:
            if self.name.lower().endswith(suffix):
                return self.name[: -len(suffix)]
        return self.name

    def with_array(self, array: npt.NDArray[np.generic], *, name: str | None = None) -> Scan:
        """Put other values on the same grid.

        Parameters
        ----------
        array : ([t,] z, y, x) array
            The same (z, y, x) as this scan; any number of frames, or no time axis.
        name : str, optional
            A new name.

        Returns
        -------
        Scan
            With this scan's geometry and origin.

        Raises
        ------
        ValueError
            If (z, y, x) differ.
        """
        if array.shape[-3:] != self.array.shape[-3:]:
            raise ValueError(
                f"{self.name}: got (z, y, x) {array.shape[-3:]} for a grid of {self.shape[-3:]}"
            )
        return dataclasses.replace(self, array=array, name=name or self.name)

    def frame(self, t: int) -> Scan:
        """Return one frame of a cine as a still; a still returns itself for t = 0.

        Parameters
        ----------
        t : int
            Frame number from 0.

        Returns
        -------
        Scan
            (z, y, x).

        Raises
        ------
        InputError
            If the scan has no such frame.
        """
        if not 0 <= t < self.n_frames:
            raise InputError(
                f"{self.name}: has no frame {t}, it holds {self.n_frames}. "
                f"Choose 0 to {self.n_frames - 1}."
            )
        return dataclasses.replace(self, array=self.array[t]) if self.is_cine else self


def between_slices_mm(affine: npt.NDArray[np.float64]) -> float:
    """Distance between neighbouring slices, along the normal of their plane.

    In a sheared stack the step from one slice to the next is longer than that, and every volume
    that is measured with it too large.

    Parameters
    ----------
    affine : (4, 4) array
        Voxel index (x, y, z) to mm.
    """
    x, y, z = affine[:3, 0], affine[:3, 1], affine[:3, 2]
    normal = np.cross(x, y)
    return float(abs(z @ normal) / np.linalg.norm(normal))


def shear_note(name: str, step_mm: float, between_mm: float) -> tuple[str, ...]:
    """What to say of a stack whose slices are nearer to each other than their step is long."""
    if step_mm <= between_mm * (1 + SHEARED):
        return ()
    return (
        f"{name}: the stack is sheared, each slice lies {step_mm:.4g} mm from the last but "
        f"{between_mm:.4g} mm along their normal; volumes are measured with the latter.",
    )


def scan_name(path: str | Path) -> str:
    """Return the part of a path that messages call it by: the file or folder name."""
    return Path(path).name or str(path)


def require_foreground(labels: Scan) -> Scan:
    """Return the mask if anything is drawn in it.

    Parameters
    ----------
    labels : Scan
        Label numbers; 255 (unlabelled) counts as nothing drawn.

    Returns
    -------
    Scan
        The same object.

    Raises
    ------
    InputError
        If every voxel is background or unlabelled.
    """
    if not np.any((labels.array != 0) & (labels.array != _UNLABELLED)):
        raise InputError(
            f"{labels.name}: the mask is empty (every voxel is background). "
            "Draw the heart, or give another file."
        )
    return labels


def require_same_grid(image: Scan, labels: Scan) -> None:
    """Check that an image and its mask lie on the same voxels.

    Parameters
    ----------
    image, labels : Scan
        The time axis is ignored.

    Raises
    ------
    InputError
        If (z, y, x) differ, or a corner of the grid is more than half a voxel elsewhere.
    """
    if image.shape[-3:] != labels.shape[-3:]:
        raise InputError(
            f"{labels.name}: the mask is {_size(labels)} (slices x rows x columns) and "
            f"{image.name} is {_size(image)}. Give the mask of this image, on its own grid."
        )
    n_z, n_y, n_x = image.shape[-3:]
    corners = np.array(
        [[x, y, z, 1] for x in (0, n_x - 1) for y in (0, n_y - 1) for z in (0, n_z - 1)]
    )
    apart_mm = np.linalg.norm((corners @ (image.affine - labels.affine).T)[:, :3], axis=1).max()
    if apart_mm > max(SAME_PLACE_MM, 0.5 * min(image.spacing)):
        raise InputError(
            f"{labels.name}: lies {apart_mm:.1f} mm away from {image.name} in the patient though "
            "both have the same size. Give the mask of this image, or resample it to the image."
        )


def _size(scan: Scan) -> str:
    return " x ".join(str(n) for n in scan.shape[-3:])
