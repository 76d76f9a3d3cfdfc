"""Does a mask look like a heart? Findings in plain words, as data.

A finding is no verdict: masks of real patients have some of them at the base and the apex. Labels
are the engine's, in the canonical radiological display (the RV left of the LV in the picture).
Unlabelled pixels (255) are unknown, so nothing is concluded from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import (
    BACKGROUND,
    LV,
    MYO,
    RV,
    SCAR,
    STRUCTURES,
    UNLABELLED,
    is_heart,
    revert,
    scar_as_myocardium,
)
from cmr_synth.anatomy.pieces import enclosed
from cmr_synth.errors import InputError

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that is unusual about a mask.

    Attributes
    ----------
    code : str
        Stable name for programs; a key of `CODES`.
    message : str
        One sentence for people.
    severity : str
        "info": usual at the base or the apex; "warning": look at it; "error": no heart is
        built like this.
    slice_index : int or None
        Which slice of a stack, counted from 0.
    structure : str or None
        "LV", "MYO" or "RV", if one of them is at fault.
    """

    code: str
    message: str
    severity: Severity
    slice_index: int | None = None
    structure: str | None = None


CODES: dict[str, str] = {
    "empty": "nothing is labelled",
    "lv-missing": "myocardium without an LV blood pool",
    "myocardium-missing": "an LV blood pool without myocardium",
    "myocardium-open": "the myocardium does not close around the LV",
    "hole": "a patch of background inside the heart",
    "stray": "a structure has more than one piece",
    "rv-touches-lv": "no septum between the blood pools",
    "rv-side": "the RV is not on the left of the picture",
    "cut": "the heart reaches the edge of the image",
    "scar-outside-wall": "infarct or no-reflow away from the wall",
    "gap-in-stack": "a slice without LV between slices that have it",
    "size": "a heart as small or as large as none is: the spacing is wrong",
    "slices-apart": "the LV of a slice does not lie over that of the next",
}
"""Every code and what it stands for."""

ACROSS_MM = (10.0, 160.0)
"""Diameter of the left ventricle with its wall at its widest slice, newborns included."""
LENGTH_MM = (15.0, 200.0)
"""From the first to the last slice with LV, where there are `ENOUGH_SLICES`."""
ENOUGH_SLICES = 4
LEAST_OVERLAP = 0.3
"""Of the LV with its wall in a slice and the next, as a share of the smaller one. The least of all
neighbours in ACDC is 0.4; breath-holds differ."""

_WIDE_GAP = 0.1  # share of the LV outline without wall above which a mask is no longer usual


def findings(
    labels: NDArray[Any], spacing: tuple[float, float] = (1.5, 1.5), *, name: str = "mask"
) -> list[Finding]:
    """Look over one slice.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels in the canonical radiological display.
    spacing : (y, x) in mm
        Pixel size, for the lengths and areas in the messages.
    name : str
        What error messages call the mask.

    Returns
    -------
    list of Finding
        Empty if nothing is unusual.

    Raises
    ------
    InputError
        If the array is not 2D or holds something that is no engine label.
    """
    if np.ndim(labels) != 2:
        raise InputError(
            f"{name}: has {np.ndim(labels)} dimensions, expected one slice (y, x). "
            "Use stack_findings for a stack."
        )
    _check_spacing(spacing, 2, name)
    scar = np.isin(labels, tuple(SCAR.values()))
    # the engine's own numbers: only checks them
    slice_labels = revert(scar_as_myocardium(labels), "mnms", name=name)
    if not is_heart(slice_labels).any():
        return [Finding("empty", "Nothing is labelled.", "info")]
    return [
        *_impossible_size(slice_labels[np.newaxis], (1.0, *spacing)),
        *_missing(slice_labels),
        *_open_myocardium(slice_labels, spacing),
        *_rv_touching_lv(slice_labels, spacing),
        *_holes(slice_labels, spacing),
        *_strays(slice_labels, spacing),
        *_rv_on_unexpected_side(slice_labels, spacing),
        *_cut_by_edge(slice_labels, spacing),
        *_scar_outside_wall(slice_labels, scar, spacing),
    ]


def stack_findings(
    labels: NDArray[Any],
    spacing: tuple[float, float, float] = (8.0, 1.5, 1.5),
    *,
    name: str = "mask",
) -> list[Finding]:
    """Look over every slice of a stack, and for slices left out in between.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels in the canonical radiological display.
    spacing : (z, y, x) in mm
        Distance between slices, then pixel size.
    name : str
        What error messages call the mask.

    Returns
    -------
    list of Finding
        In the order of the slices, each with its `slice_index`.

    Raises
    ------
    InputError
        If the array is not 3D or holds something that is no engine label.
    """
    if np.ndim(labels) != 3:
        raise InputError(f"{name}: has {np.ndim(labels)} dimensions, expected a stack (z, y, x).")
    _check_spacing(spacing, 3, name)
    stack = revert(scar_as_myocardium(labels), "mnms", name=name)
    with_lv = np.flatnonzero((stack == LV).any(axis=(1, 2)))
    found = _impossible_size(stack, spacing)
    for index, slice_labels in enumerate(stack):
        in_slice = findings(labels[index], (spacing[1], spacing[2]), name=name)
        in_slice = [finding for finding in in_slice if finding.code != "size"]  # said of the stack
        if (
            with_lv.size
            and with_lv[0] < index < with_lv[-1]
            and not np.isin(slice_labels, (LV, UNLABELLED)).any()
        ):
            message = "The LV is missing here, but not in the slices before and after."
            in_slice = [
                Finding("gap-in-stack", message, "warning", structure="LV"),
                *(f for f in in_slice if f.code not in ("empty", "lv-missing")),
            ]
        found += [replace(finding, slice_index=index) for finding in in_slice]
    found += _slices_apart(stack)
    return sorted(found, key=lambda f: -1 if f.slice_index is None else f.slice_index)


def is_plausible(found: Iterable[Finding]) -> bool:
    """Whether nothing is worse than what is usual at the base or the apex."""
    return all(finding.severity == "info" for finding in found)


def _slices_apart(stack: NDArray[np.uint8]) -> list[Finding]:
    """Slices whose LV does not lie over that of the next."""
    hearts = np.isin(stack, (LV, MYO))
    found = []
    for index in range(len(stack) - 1):
        here, there = hearts[index], hearts[index + 1]
        smaller = min(int(here.sum()), int(there.sum()))
        if smaller and (here & there).sum() < LEAST_OVERLAP * smaller:
            message = "The LV does not lie over that of the next slice; one of them is displaced."
            found.append(
                Finding("slices-apart", message, "warning", slice_index=index, structure="LV")
            )
    return found


def _impossible_size(
    stack: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> list[Finding]:
    """A heart that is none by its size, which tells that the spacing was never filled in."""
    areas = np.isin(stack, (LV, MYO)).sum(axis=(1, 2)) * spacing[1] * spacing[2]
    if not (stack == LV).any():
        return []
    across = 2 * float(np.sqrt(areas.max() / np.pi))
    with_lv = np.flatnonzero((stack == LV).any(axis=(1, 2)))
    length = float(with_lv[-1] - with_lv[0] + 1) * spacing[0]
    long_enough = len(with_lv) < ENOUGH_SLICES or LENGTH_MM[0] <= length <= LENGTH_MM[1]
    # A dot is a wall cut near the apex, or the first stroke of a drawing; a stack's widest is not.
    wide_enough = ACROSS_MM[0] <= across or len(with_lv) < ENOUGH_SLICES
    if long_enough and wide_enough and across <= ACROSS_MM[1]:
        return []
    size = f"{across:.0f} mm across"
    if len(with_lv) >= ENOUGH_SLICES:
        size += f" and {length:.0f} mm long"
    shown = " x ".join(f"{s:.4g}" for s in spacing[3 - (3 if len(stack) > 1 else 2) :])
    message = (
        f"The left ventricle is {size}, which no heart is: the spacing of {shown} mm is wrong or "
        "was never filled in. State the true one (--spacing, or Spacing in the app)."
    )
    return [Finding("size", message, "error", structure="LV")]


def _missing(labels: NDArray[np.uint8]) -> list[Finding]:
    if (labels == UNLABELLED).any():
        return []
    has_lv, has_wall = (labels == LV).any(), (labels == MYO).any()
    if has_wall and not has_lv:
        message = "There is myocardium but no LV blood pool; usual only at the apex in systole."
        return [Finding("lv-missing", message, "info", structure="LV")]
    if has_lv and not has_wall:
        message = "There is an LV blood pool but no myocardium around it."
        return [Finding("myocardium-missing", message, "warning", structure="MYO")]
    return []


def _open_myocardium(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> list[Finding]:
    if not (labels == MYO).any():
        return []
    lv = labels == LV
    # Outside the image counts as background, so an LV on the edge is open.
    open_mm = _border_mm(lv, labels == BACKGROUND, spacing) + sum(
        _on_edges_mm(lv, spacing).values()
    )
    if not open_mm:
        return []
    share = open_mm / _outline_mm(lv, spacing)
    return [
        Finding(
            "myocardium-open",
            f"The myocardium is open: about {open_mm:.0f} mm ({share:.0%}) of the LV outline "
            "border on background.",
            "warning" if share > _WIDE_GAP else "info",
            structure="MYO",
        )
    ]


def _rv_touching_lv(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> list[Finding]:
    shared_mm = _border_mm(labels == LV, labels == RV, spacing)
    if not shared_mm:
        return []
    message = f"RV and LV blood pool touch over about {shared_mm:.0f} mm; the septum lies between."
    return [Finding("rv-touches-lv", message, "error", structure="RV")]


def _holes(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> list[Finding]:
    from scipy.ndimage import binary_dilation, label

    # unlabelled pixels may belong to the heart: they are no holes
    pieces, count = label(enclosed(labels == BACKGROUND))
    found = []
    for piece in range(1, count + 1):
        hole = pieces == piece
        around = np.unique(labels[binary_dilation(hole) & ~hole])
        names = [structure for structure, value in STRUCTURES.items() if value in around]
        area_mm2 = hole.sum() * spacing[0] * spacing[1]
        where = f"inside the {names[0]}" if len(names) == 1 else f"between {' and '.join(names)}"
        found.append(
            Finding(
                "hole",
                f"There is a hole of {area_mm2:.0f} mm\N{SUPERSCRIPT TWO} {where}.",
                "warning",
                structure=names[0] if len(names) == 1 else None,
            )
        )
    return found


def _strays(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> list[Finding]:
    from scipy.ndimage import label

    found = []
    for structure, value in STRUCTURES.items():
        pieces, count = label(labels == value, structure=np.ones((3, 3)))
        if count < 2:
            continue
        smaller = np.sort(np.bincount(pieces.ravel())[1:])[:-1].sum() * spacing[0] * spacing[1]
        found.append(
            Finding(
                "stray",
                f"The {structure} has {count} pieces; all but the largest add up to "
                f"{smaller:.0f} mm\N{SUPERSCRIPT TWO}.",
                "warning",
                structure=structure,
            )
        )
    return found


def _rv_on_unexpected_side(
    labels: NDArray[np.uint8], spacing: tuple[float, float]
) -> list[Finding]:
    left_heart, rv = np.isin(labels, (LV, MYO)), labels == RV
    if not left_heart.any() or not rv.any():
        return []
    offset = np.argwhere(rv).mean(axis=0) - np.argwhere(left_heart).mean(axis=0)
    down, right = offset * np.asarray(spacing)
    # A rotated heart may carry its RV above the LV; only a clear departure is worth a word.
    if right < 0.5 * abs(down):
        return []
    message = (
        "The RV lies right of the LV in the picture; it belongs on the left. The image is "
        "mirrored, or the label numbers of LV and RV are swapped."
    )
    return [Finding("rv-side", message, "warning", structure="RV")]


def _cut_by_edge(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> list[Finding]:
    found = []
    for structure, value in STRUCTURES.items():
        lengths = {side: mm for side, mm in _on_edges_mm(labels == value, spacing).items() if mm}
        if lengths:
            sides = ", ".join(f"{side} ({mm:.0f} mm)" for side, mm in lengths.items())
            message = f"The {structure} reaches the edge of the image: {sides}."
            found.append(Finding("cut", message, "warning", structure=structure))
    return found


def _scar_outside_wall(
    labels: NDArray[np.uint8], scar: NDArray[np.bool_], spacing: tuple[float, float]
) -> list[Finding]:
    """Scar that neither touches healthy wall nor the cavity: it lies where no wall can be."""
    if not scar.any():
        return []
    from scipy import ndimage

    parts, count = ndimage.label(scar)
    wall = ndimage.binary_dilation(((labels == MYO) & ~scar) | (labels == LV))
    outside = [k for k in range(1, count + 1) if not (wall & (parts == k)).any()]
    if not outside:
        return []
    area = float(np.isin(parts, outside).sum()) * spacing[0] * spacing[1]
    message = (
        f"{area:.0f} mm2 of scar lie outside the wall, away from myocardium and LV; erase it, or "
        "draw the wall there."
    )
    return [Finding("scar-outside-wall", message, "warning", structure="MYO")]


def _outline_mm(region: NDArray[np.bool_], spacing: tuple[float, float]) -> float:
    framed = np.pad(region, 1)
    return _border_mm(framed, ~framed, spacing)


def _border_mm(a: NDArray[np.bool_], b: NDArray[np.bool_], spacing: tuple[float, float]) -> float:
    """Length of the pixel edges between two regions; a circle's is 4 / pi of its perimeter."""
    across_rows = (a[1:] & b[:-1]).sum() + (a[:-1] & b[1:]).sum()
    across_columns = (a[:, 1:] & b[:, :-1]).sum() + (a[:, :-1] & b[:, 1:]).sum()
    return float(across_rows * spacing[1] + across_columns * spacing[0])


def _on_edges_mm(region: NDArray[np.bool_], spacing: tuple[float, float]) -> dict[str, float]:
    """Length of a region's contact with each edge of the image."""
    return {
        "top": float(region[0].sum() * spacing[1]),
        "bottom": float(region[-1].sum() * spacing[1]),
        "left": float(region[:, 0].sum() * spacing[0]),
        "right": float(region[:, -1].sum() * spacing[0]),
    }


def _check_spacing(spacing: tuple[float, ...], dimensions: int, name: str) -> None:
    if len(spacing) != dimensions or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InputError(
            f"{name}: spacing {tuple(spacing)} mm; expected {dimensions} positive numbers."
        )
