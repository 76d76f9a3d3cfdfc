"""Every slice of a few scans on one sheet, the outlines of their mask drawn over them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError
from cmr_synth.reports.sheet import COLOURS, SheetRow, contact_sheet

if TYPE_CHECKING:
    from PIL import Image

    from cmr_synth.imaging.scan import Scan

MOST_COLUMNS = 12
MOST_PICTURES = 2000
TILES = ((60, 240), (400, 160), (MOST_PICTURES, 96))
"""Up to so many pictures, each has so many pixels along its longer side."""

_LONGEST_NAME = 17  # characters that fit beside a row
_DRAWN_AT = 480  # pixels along the longer side at which outlines are drawn, before the tile shrinks
_LINE = 4  # pixels there; one to two in a tile


def slices_sheet(
    scans: Sequence[Scan],
    mask: Scan | None = None,
    *,
    windows: Sequence[tuple[float, float] | None] = (),
    footnote: str = "",
) -> Image.Image:
    """Lay out all slices, a row for each scan and frame.

    Parameters
    ----------
    scans : sequence of ([t,] z, y, x) Scan
        At least one.
    mask : ([t,] z, y, x) Scan, optional
        Engine labels, as large as the scans. A still mask lies over every frame.
    windows : sequence of (low, high) or None
        Pixel values shown black and white, one for each scan; by default the 0.5th and 99.5th
        percentile.
    footnote : str

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    InputError
        If the mask is of another size than a scan, or there are more pictures than a sheet holds.
    """
    if not scans:
        raise ValueError("a sheet needs at least one scan")
    total = sum(scan.n_frames * scan.n_slices for scan in scans)
    if total > MOST_PICTURES:
        raise InputError(
            f"{scans[0].name}: {total:,} slices are too many for one sheet, which holds "
            f"{MOST_PICTURES:,}. Save fewer frames."
        )
    if mask is not None:
        for scan in scans:
            _require_same_size(scan, mask)
    columns = min(MOST_COLUMNS, max(scan.n_slices for scan in scans))
    given = [*windows, *[None] * (len(scans) - len(windows))]
    rows: list[SheetRow] = []
    for scan, window, name in zip(scans, given, _row_names(scans), strict=True):
        pixels = _shown(scan, window)
        for t in range(scan.n_frames):
            labels = None if mask is None else mask.array[t] if mask.is_cine else mask.array
            pictures = [
                _picture(pixels[t, k], None if labels is None else labels[k], scan.spacing[1:])
                for k in range(scan.n_slices)
            ]
            for first in range(0, len(pictures), columns):
                part = pictures[first : first + columns]
                rows.append(
                    SheetRow(
                        pictures=[*part, *[None] * (columns - len(part))],
                        name=name,
                        detail=_detail(scan, t, first, len(part)),
                    )
                )
    return contact_sheet(
        rows,
        title=scans[0].stem if len(scans) == 1 else f"{len(scans)} scans",
        subtitle=_geometry(scans[0]),
        footnote=footnote,
        tile=next(tile for most, tile in TILES if total <= most),
    )


def outlined(
    picture: NDArray[np.float64], labels: NDArray[np.uint8], *, width: int = 1
) -> NDArray[np.uint8]:
    """Draw the inner outline of every structure over a grey picture.

    Parameters
    ----------
    picture : (y, x) array in [0, 1]
    labels : (y, x) uint8 array
        Engine labels; unlabelled pixels have no outline.
    width : int
        Pixels.

    Returns
    -------
    (y, x, 3) uint8 array
    """
    from scipy.ndimage import binary_erosion

    grey = np.uint8(np.round(np.clip(picture, 0, 1) * 255))
    drawn = np.stack([grey] * 3, axis=-1)
    for structure, number in STRUCTURES.items():
        region = labels == number
        edge = region & ~binary_erosion(region, np.ones((3, 3)), iterations=width)
        drawn[edge] = tuple(bytes.fromhex(COLOURS[structure].removeprefix("#")))
    return drawn


def _picture(
    pixels: NDArray[np.float64], labels: NDArray[np.uint8] | None, spacing: tuple[float, ...]
) -> NDArray[np.float64] | NDArray[np.uint8]:
    """One slice with square pixels; enlarged where outlines go over it, so that they are fine."""
    from scipy.ndimage import zoom

    finest = min(spacing)
    factors = np.array([step / finest for step in spacing])
    if labels is not None:
        factors *= max(1.0, math.ceil(_DRAWN_AT / max(np.array(pixels.shape) * factors)))
    if not np.allclose(factors, 1, atol=0.01):
        pixels = zoom(pixels, factors, order=1, grid_mode=True, mode="nearest")
        if labels is not None:
            labels = zoom(labels, factors, order=0, grid_mode=True, mode="nearest")
    return pixels if labels is None else outlined(pixels, labels, width=_LINE)


def _shown(scan: Scan, window: tuple[float, float] | None) -> NDArray[np.float64]:
    """Pixels (t, z, y, x) from 0 (black) to 1 (white)."""
    array = scan.array.astype(np.float64)
    low, high = window or np.percentile(array, (0.5, 99.5))
    scaled = (array - low) / (high - low) if high > low else np.zeros_like(array)
    scaled = np.clip(scaled, 0, 1)
    return scaled if scan.is_cine else scaled[None]


def _require_same_size(scan: Scan, mask: Scan) -> None:
    frames_fit = not mask.is_cine or mask.n_frames == scan.n_frames
    if scan.shape[-3:] != mask.shape[-3:] or not frames_fit:
        found, wanted = (" x ".join(map(str, s.shape)) for s in (mask, scan))
        raise InputError(
            f"{mask.name}: the mask is {found} and {scan.name} is {wanted} voxels. Choose the mask "
            "of this image, or save the image alone."
        )


def _row_names(scans: Sequence[Scan]) -> list[str]:
    """What tells the scans apart: their names without the words that all begin or end with."""
    if len(scans) == 1:
        return [""]
    words = [scan.stem.split() for scan in scans]
    while all(len(own) > 1 for own in words) and len({own[0] for own in words}) == 1:
        words = [own[1:] for own in words]
    while all(len(own) > 1 for own in words) and len({own[-1] for own in words}) == 1:
        words = [own[:-1] for own in words]
    names = [" ".join(own).strip(",") for own in words]
    return [n if len(n) <= _LONGEST_NAME else n[: _LONGEST_NAME - 2] + "..." for n in names]


def _detail(scan: Scan, t: int, first: int, count: int) -> str:
    frame = f"frame {t + 1}, " if scan.is_cine else ""
    if count == 1:
        return f"{frame}slice {first + 1}"
    return f"{frame}slices {first + 1} to {first + count}"


def _geometry(scan: Scan) -> str:
    z, y, x = scan.spacing
    apart = f"{scan.n_slices} slices, {z:g} mm apart" if scan.n_slices > 1 else "1 slice"
    frames = f"{scan.n_frames} frames, " if scan.is_cine else ""
    return f"{frames}{apart}; pixels {y:.4g} x {x:.4g} mm"
