"""Contours and the DICOM images they were drawn on, as a mask; and a mask as contours."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.imaging.contours.cvi42 import is_cvi42, read_cvi42
from cmr_synth.imaging.contours.outlines import RV_ENDO, Outline, filled, traced
from cmr_synth.imaging.contours.sunnybrook import read_sunnybrook
from cmr_synth.imaging.dicom import DicomOrigin, read_dicom
from cmr_synth.imaging.scan import Scan, require_same_grid

Outlines = Mapping[str, Outline]


@dataclass(frozen=True)
class Place:
    """An image of a scan.

    Parameters
    ----------
    frame, slice : int
    uid : str
        SOPInstanceUID.
    number : int or None
        The last number in the file's name, by which Sunnybrook's contours are called.
    """

    frame: int
    slice: int
    uid: str
    number: int | None


def read_contour_mask(contours: str | Path, images: str | Path | None = None) -> Scan:
    """Read contours as a mask on the grid of their DICOM images.

    Parameters
    ----------
    contours : path
        A `.cvi42wsx` file, or a folder of Sunnybrook's text files.
    images : path, optional
        Folder of the DICOM images; by default the one that the workspace lies in.

    Returns
    -------
    Scan
        ([t,] z, y, x) engine labels. Of a cine, the frames that have contours.

    Raises
    ------
    InputError
        If the contours cannot be read, or none belongs to an image of the folder.
    """
    contours = Path(contours)
    drawn: Mapping[str, Outlines] | Mapping[int, Outlines]
    if contours.is_dir():
        drawn = read_sunnybrook(contours)
        folder = Path(images) if images is not None else contours
    elif is_cvi42(contours):
        drawn = read_cvi42(contours)
        folder = Path(images) if images is not None else contours.parent
    else:
        raise InputError(
            f"{contours}: is neither a cvi42 workspace in XML (.cvi42wsx) nor a folder of "
            "contours; export the workspace as XML."
        )
    best: tuple[int, Scan, dict[Place, Outlines]] | None = None
    for scan in read_dicom(folder):
        own = _on(scan, drawn)
        if own and (best is None or len(own) > best[0]):
            best = (len(own), scan, own)
    if best is None:
        raise InputError(
            f"{contours.name}: none of its {len(drawn)} images is in {folder}; give the DICOM "
            "folder that they were drawn on."
        )
    return _mask(best[1], best[2], len(drawn), contours.name)


def contours_of(mask: Scan, images: Scan) -> tuple[dict[Place, dict[str, Outline]], int]:
    """Contours of a mask, by the image of a DICOM scan that each slice lies on.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels, with as many frames as the scan, or one.
    images : Scan
        As read from DICOM.

    Returns
    -------
    contours : dict of Place to dict of kind to (n, 2) array
    lost : int
        Pixels that contours cannot say; see `traced`.

    Raises
    ------
    InputError
        If the mask is not on the images' grid.
    """
    require_same_grid(images, mask)
    if mask.n_frames not in (1, images.n_frames):
        raise InputError(
            f"{mask.name}: has {mask.n_frames} frames and {images.name} {images.n_frames}; give "
            "the mask of all frames, or of one."
        )
    frames = mask.array if mask.is_cine else mask.array[None]
    found: dict[Place, dict[str, Outline]] = {}
    lost = 0
    for place in places_of(images):
        if place.frame >= len(frames):
            continue
        outlines, missed = traced(frames[place.frame, place.slice])
        lost += missed
        if outlines:
            found[place] = outlines
    return found, lost


def places_of(scan: Scan) -> list[Place]:
    """Every image of a DICOM scan of single-frame files, with its UID.

    Raises
    ------
    InputError
        If the scan came from something else.
    """
    from pydicom import dcmread

    if not isinstance(scan.origin, DicomOrigin):
        raise InputError(f"{scan.name}: did not come from DICOM; contours lie on DICOM images.")
    files = [path for frames in scan.origin.files for path in frames]
    if len(set(files)) < len(files):
        raise InputError(
            f"{scan.name}: holds several frames in one file; contours are kept by file, so export "
            "it as single slices."
        )
    places = []
    for k, frames in enumerate(scan.origin.files):
        for t, path in enumerate(frames):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = dcmread(path, specific_tags=["SOPInstanceUID"], force=True)
                uid = str(header.SOPInstanceUID)  # of which some have leading zeros
            numbers = re.findall(r"\d+", path.stem)
            places.append(Place(t, k, uid, int(numbers[-1]) if numbers else None))
    return places


def _on(
    scan: Scan, drawn: Mapping[str, Outlines] | Mapping[int, Outlines]
) -> dict[Place, Outlines]:
    found: dict[Place, Outlines] = {}
    by_key: dict[str | int, Outlines] = dict(drawn)  # type: ignore[arg-type]
    for place in places_of(scan):
        for key in (place.uid, place.number):
            if key is not None and key in by_key:
                found[place] = by_key[key]
                break
    return found


def _mask(scan: Scan, own: Mapping[Place, Outlines], drawn: int, name: str) -> Scan:
    rv_known = any(RV_ENDO in outlines for outlines in own.values())
    frames = sorted({place.frame for place in own})
    array = np.zeros((len(frames), *scan.shape[-3:]), dtype=np.uint8)
    for place, outlines in own.items():
        labels = filled(outlines, (scan.shape[-2], scan.shape[-1]), rv_known=rv_known)
        array[frames.index(place.frame), place.slice] = labels
    notes = [f"{name}: {len(own)} of its {drawn} images are in {scan.name}."]
    if scan.is_cine:
        listed = ", ".join(map(str, frames))
        notes.append(f"{name}: drawn on frames {listed} of {scan.n_frames}; the others are empty.")
    if not rv_known:
        notes.append(f"{name}: the RV was not drawn, so what lies outside of the LV is left open.")
    even = len(frames) == scan.n_frames
    return replace(
        scan,
        array=array if len(frames) > 1 else array[0],
        name=name,
        origin=None,
        frame_ms=scan.frame_ms if even else None,
        notes=(*scan.notes, *notes),
    )
