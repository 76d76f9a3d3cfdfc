"""Slices as PNG pictures that carry their spacing, and say in text chunks that they are synthetic.

A PNG ends up in slides and manuscripts, apart from its record. Its text chunks travel along:
`Description` begins with the mark of synthetic pictures, `Synthetic` is YES, and `Record` holds how
the picture was made, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.anatomy.labels import STRUCTURES, UNLABELLED
from cmr_synth.files import write_file
from cmr_synth.reports.sheet import COLOURS

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

    from cmr_synth.imaging.scan import Scan

MM_PER_INCH = 25.4
GREY = (74, 79, 85)  # of what nobody labelled


def text_chunks(
    *, title: str = "", description: str = "", record: Mapping[str, Any] | None = None
) -> PngInfo:
    """What a PNG says about itself, for `PIL.Image.Image.save(..., pnginfo=...)`.

    Parameters
    ----------
    title : str
    description : str
        Begins with the mark of synthetic pictures where it is one.
    record : mapping, optional
        How a synthetic picture was made; it marks the picture as synthetic.
    """
    from PIL.PngImagePlugin import PngInfo

    said = PngInfo()
    said.add_itxt("Title", title)
    said.add_text("Software", f"cmr-synth {cmr_synth.__version__}")
    if description:
        said.add_itxt("Description", description)
    if record is not None:
        said.add_text("Synthetic", "YES")
        said.add_itxt("Record", json.dumps(record))
    return said


def write_slices(
    scan: Scan,
    folder: Path,
    stem: str,
    *,
    window: tuple[float, float] | None = None,
    labels: bool = False,
    description: str = "",
    record: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write every slice that is not empty as a picture of its own, pixel by pixel.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels, or engine labels.
    folder : Path
    stem : str
        The files are called `STEM_slice03.png`, of a cine `STEM_frame01_slice03.png`, counted from
        1.
    window : (low, high), optional
        Pixel values shown black and white; by default the 0.5th and 99.5th percentile.
    labels : bool
        The scan holds engine labels. They are the numbers in the file, shown by a palette.
    description, record
        As for `text_chunks`.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    from PIL import Image

    planes = scan.array if scan.is_cine else scan.array[None]
    low, high = (0.0, 1.0) if labels else window or _window(planes)
    per_inch = tuple(MM_PER_INCH / mm for mm in (scan.spacing[2], scan.spacing[1]))
    width = max(2, len(str(scan.n_slices)))
    written = []
    for t, k in np.ndindex(*planes.shape[:2]):
        plane = planes[t, k]
        if not plane.any():
            continue
        frame = f"_frame{t + 1:02d}" if scan.is_cine else ""
        name = f"{stem}{frame}_slice{k + 1:0{width}d}"
        if labels:
            picture = Image.fromarray(plane.astype(np.uint8), mode="P")
            picture.putpalette(_palette())
        else:
            picture = Image.fromarray(_grey(plane, low, high), mode="L")
        said = text_chunks(title=name, description=description, record=record)
        with write_file(folder / f"{name}.png") as temporary:
            picture.save(temporary, format="PNG", dpi=per_inch, pnginfo=said)
        written.append(folder / f"{name}.png")
    return written


def _window(planes: NDArray[Any]) -> tuple[float, float]:
    finite = planes[np.isfinite(planes)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, (0.5, 99.5))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _grey(plane: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    scaled = (np.nan_to_num(np.asarray(plane, np.float64), nan=low) - low) / max(high - low, 1e-12)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _palette() -> list[int]:
    colours = np.zeros((256, 3), np.uint8)
    for structure, number in STRUCTURES.items():
        colours[number] = tuple(bytes.fromhex(COLOURS[structure].removeprefix("#")))
    colours[UNLABELLED] = GREY
    return [int(value) for value in colours.ravel()]
