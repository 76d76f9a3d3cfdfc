"""Which number means which structure, and how other people's numbers become ours.

Inside the engine a label array is uint8 with 0 background, 1 LV blood pool, 2 myocardium,
3 RV blood pool and 255 unlabelled (unknown, not background). Late gadolinium enhancement shows two
tissues of the wall besides, 4 infarct and 5 no-reflow; masks of cine never have them, and
`scar_as_myocardium` takes them back to the wall for whatever knows the three structures alone.

Public data sets use the same small numbers for different structures, so nothing is ever converted
without a named convention; `guess_convention` offers one, with a confidence and a reason to show
to the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.own_numbers import EXAMPLE, read_numbers, says_numbers
from cmr_synth.errors import InputError

BACKGROUND = 0
LV = 1
MYO = 2
RV = 3
INFARCT = 4
NO_REFLOW = 5
UNLABELLED = 255

STRUCTURES: dict[str, int] = {"LV": LV, "MYO": MYO, "RV": RV}
"""The structures by the name that reports and panels show."""

SCAR: dict[str, int] = {"infarct": INFARCT, "no-reflow": NO_REFLOW}
"""Tissues of the wall that late gadolinium enhancement tells apart from healthy myocardium."""

NUMBERS: dict[str, int] = {**STRUCTURES, **SCAR}
"""Engine label of everything that has a name."""

Structure = Literal["LV", "MYO", "RV", "infarct", "no-reflow"]
"""A key of `STRUCTURES` or `SCAR`, in the settings of what tells them apart."""

HEART = (LV, MYO, RV, INFARCT, NO_REFLOW)
WALL = (MYO, INFARCT, NO_REFLOW)

CONVENTIONS: dict[str, dict[int, int]] = {
    "acdc": {0: BACKGROUND, 1: RV, 2: MYO, 3: LV},
    "mnms": {0: BACKGROUND, 1: LV, 2: MYO, 3: RV},
    "ukbb": {0: BACKGROUND, 1: LV, 2: MYO, 3: RV},
}
"""For each convention, from the number in the file to the engine's label."""

SCAR_CONVENTIONS: dict[str, dict[int, int]] = {
    "emidec": {0: BACKGROUND, 1: LV, 2: MYO, 3: INFARCT, 4: NO_REFLOW},
}
"""The same for masks of late enhancement, which have no RV. They are named, never guessed: what is
3 there is the RV elsewhere."""

_SHOWN = {"acdc": "ACDC", "mnms": "M&Ms", "ukbb": "UK Biobank", "emidec": "EMIDEC"}


@dataclass(frozen=True)
class ConventionGuess:
    """The convention that a mask seems to follow.

    Attributes
    ----------
    convention : str
        A key of `CONVENTIONS`. M&Ms and UK Biobank use the same numbers; "mnms" stands for both.
    confidence : float
        From 0 (nothing in the mask decides) to 1, that converting this mask by `convention`
        gives the right structures.
    reason : str
        One sentence to show beside the guess.
    """

    convention: str
    confidence: float
    reason: str


def is_heart(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a structure is drawn: neither background nor unlabelled; bool, of the same shape."""
    return np.isin(labels, HEART)


def scar_as_myocardium(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Engine labels with infarct and no-reflow counted as the wall that they are part of.

    Parameters
    ----------
    labels : uint8 array of any shape

    Returns
    -------
    uint8 array of the same shape
        The same object where there is no scar.
    """
    scar = np.isin(labels, tuple(SCAR.values()))
    return np.where(scar, np.uint8(MYO), labels) if scar.any() else labels


def translate(
    labels: NDArray[Any], numbers: Mapping[int, int], *, name: str = "mask", source: str
) -> NDArray[np.uint8]:
    """Bring a mask's own numbers to the engine's labels by a table of its data set.

    Parameters
    ----------
    labels : integer array of any shape
        Numbers as they stand in the file, of any integer type; 255 passes through where the table
        has no 255.
    numbers : mapping of number to engine label
    name : str
        What the error message calls the mask.
    source : str
        What it calls the data set.

    Returns
    -------
    uint8 array of the same shape
        A new array.

    Raises
    ------
    InputError
        If the mask holds a number that the table lacks.
    """
    known = {UNLABELLED: UNLABELLED, **numbers}
    found, where = np.unique(labels, return_inverse=True)
    unknown = [n for n in found.tolist() if n not in known]
    if unknown:
        raise InputError(
            f"{name}: found label{'s' * (len(unknown) > 1)} {_listed(unknown)}, {source} has "
            f"{', '.join(map(str, sorted(numbers)))}."
        )
    ours = np.array([known[n] for n in found.tolist()], dtype=np.uint8)
    return ours[where].reshape(np.shape(labels))


def convert(labels: NDArray[Any], convention: str, *, name: str = "mask") -> NDArray[np.uint8]:
    """Bring a mask's own numbers to the engine's labels.

    Parameters
    ----------
    labels : integer array of any shape
        Numbers as they stand in the file; 255 (unlabelled) passes through. Floating-point arrays
        are accepted if every value is a whole number.
    convention : str
        A key of `CONVENTIONS`, or the numbers of each structure, such as ``LV=5,MYO=4,RV=7``; all
        others are background then.
    name : str
        What the error message calls the mask, usually its file name.

    Returns
    -------
    uint8 array of the same shape
        Engine labels; always a new array.

    Raises
    ------
    InputError
        If the convention is unknown, the mask holds a number that the convention lacks, or it has
        none of the numbers that were said.
    """
    if says_numbers(convention):
        return _by_own_numbers(labels, convention, name)
    numbers = _table_of(convention)
    values = _whole_numbers(labels, name)
    unknown = [n for n in np.unique(values).tolist() if n not in numbers and n != UNLABELLED]
    if unknown:
        found = "label " if len(unknown) == 1 else "labels "
        raise InputError(
            f"{name}: found {found}{_listed(unknown)}, {_SHOWN[convention]} has "
            f"{min(numbers)} to {max(numbers)}. If the mask follows another convention, "
            "name it with --labels."
        )
    return _look_up(values, numbers)


def revert(labels: NDArray[Any], convention: str, *, name: str = "mask") -> NDArray[Any]:
    """Bring engine labels back to the numbers of a convention; the inverse of `convert`.

    Parameters
    ----------
    labels : integer array of any shape
        Engine labels; 255 passes through.
    convention : str
        A key of `CONVENTIONS`, or the numbers of each structure, such as
        ``LV=1,MYO=2,RV=3,infarct=4,no-reflow=5``; of several the first is written.
    name : str
        What the error message calls the mask.

    Returns
    -------
    uint8 or uint16 array of the same shape
        Numbers as that convention writes them.

    Raises
    ------
    InputError
        If the convention is unknown, or the array holds something that is no engine label.
    """
    numbers = written_as(convention)
    values = _whole_numbers(labels, name)
    unknown = [n for n in np.unique(values).tolist() if n not in numbers and n != UNLABELLED]
    if unknown and says_numbers(convention):
        names = [name for name, label in NUMBERS.items() if label in unknown]
        raise InputError(
            f"{name}: shows {', '.join(names) or _listed(unknown)}, which has no number in "
            f"{convention}; say one."
        )
    if unknown:
        raise InputError(
            f"{name}: found {_listed(unknown)} where engine labels (0 background, 1 LV, 2 MYO, "
            "3 RV, 255 unlabelled) were expected. Convert the mask first."
        )
    return _look_up(values, numbers)


def meaning_of(convention: str) -> dict[int, str]:
    """Which structure each number means, without the background: ``{1: "LV", 2: "MYO", 3: "RV"}``.

    Parameters
    ----------
    convention : str
        As for `convert`.

    Raises
    ------
    InputError
        If it is unknown, or cannot be read.
    """
    if says_numbers(convention):
        return {n: name for name, some in read_numbers(convention).items() for n in some}
    names = {label: name for name, label in NUMBERS.items()}
    table = _table_of(convention)
    return {number: names[label] for number, label in table.items() if label in names}


def one_hot(labels: NDArray[Any]) -> NDArray[np.float32]:
    """Spread engine labels over four channels.

    Parameters
    ----------
    labels : integer array of any shape
        Engine labels.

    Returns
    -------
    (4, ...) float32 array
        Background, LV, MYO, RV; each 0 or 1. Unlabelled pixels are 0 in all four, which is how a
        network is told that nothing is known there.

    Raises
    ------
    InputError
        If the array holds something that is no engine label.
    """
    values = revert(labels, "mnms")  # the engine's own numbers: checks them and changes nothing
    channels = np.arange(4, dtype=np.uint8).reshape(4, *([1] * values.ndim))
    return (values[np.newaxis] == channels).astype(np.float32)


def guess_convention(labels: NDArray[Any], *, name: str = "mask") -> ConventionGuess:
    """Tell by topology which convention a mask follows: the myocardium encloses the LV.

    The outline of the LV blood pool borders on myocardium nearly all the way round, that of the RV
    only along the septum. Where the mask has no myocardium, the rounder of two cavities is taken
    for the LV, with little confidence.

    Parameters
    ----------
    labels : ([t,] [z,] y, x) integer array
        Numbers as they stand in the file; each 2D slice is judged and the slices are pooled.
    name : str
        What the error message calls the mask.

    Returns
    -------
    ConventionGuess
        Never applied silently: show it and let the user confirm.

    Raises
    ------
    InputError
        If the mask is not 2D, 3D or 4D, is empty of labels, or holds numbers that no known
        convention has.
    """
    values = _whole_numbers(labels, name)
    if values.ndim not in (2, 3, 4):
        raise InputError(
            f"{name}: has {values.ndim} dimensions, a mask has 2 to 4 ([t,] [z,] y, x). "
            "Save it as a single slice, stack or cine."
        )
    present = [n for n in np.unique(values).tolist() if n not in (BACKGROUND, UNLABELLED)]
    unknown = [n for n in present if n not in (1, 2, 3)]
    if unknown:
        raise InputError(
            f"{name}: found label{'s' * (len(unknown) > 1)} {_listed(unknown)}, every known "
            "convention has 0 to 3. Keep only the LV, myocardium and RV blood pool."
        )
    if not present:
        raise InputError(f"{name}: every pixel is background. Give a mask with a heart in it.")

    slices = values.reshape(-1, *values.shape[-2:])
    if MYO not in present:
        return _guess_by_shape(slices, present)
    if present == [MYO]:
        return ConventionGuess(
            "mnms", 1.0, "Only myocardium (2) is labelled, which every convention numbers alike."
        )
    return _guess_by_enclosure(slices, present)


def _guess_by_enclosure(slices: NDArray[np.uint8], present: list[int]) -> ConventionGuess:
    shares = {number: _share_bordered_by_myocardium(slices, number) for number in (1, 3)}
    if 1 in present and 3 in present:
        cavity = 1 if shares[1] >= shares[3] else 3
        # On ACDC, per volume: 0.99 to 1 for the LV, 0.17 to 0.44 for the RV; 0.4 apart is certain.
        confidence = min(1.0, abs(shares[1] - shares[3]) / 0.4)
        reason = (
            f"The myocardium (2) borders {shares[cavity]:.0%} of the outline of label {cavity} "
            f"and {shares[4 - cavity]:.0%} of label {4 - cavity}, so label {cavity} is the LV."
        )
    else:
        only = 1 if 1 in present else 3
        is_lv = shares[only] >= 0.7  # half-way between the two ranges
        cavity = only if is_lv else 4 - only
        confidence = 0.9 * min(1.0, abs(shares[only] - 0.7) / 0.25)
        reason = (
            f"The myocardium (2) borders {shares[only]:.0%} of the outline of label {only}, the "
            f"only cavity labelled, so it is taken for the {'LV' if is_lv else 'RV'}."
        )
    return ConventionGuess(_convention_with_lv(cavity), round(confidence, 3), reason)


def _guess_by_shape(slices: NDArray[np.uint8], present: list[int]) -> ConventionGuess:
    if len(present) == 1:
        return ConventionGuess(
            "mnms",
            0.0,
            f"Only label {present[0]} is present and there is no myocardium: nothing tells LV "
            "from RV. Name the convention.",
        )
    roundness = {number: _roundness(slices, number) for number in (1, 3)}
    cavity = 1 if roundness[1] >= roundness[3] else 3
    confidence = min(0.7, abs(roundness[1] - roundness[3]) / 0.2)
    return ConventionGuess(
        _convention_with_lv(cavity),
        round(confidence, 3),
        f"There is no myocardium (2); label {cavity} is the rounder cavity and is taken for the "
        "LV. Confirm it.",
    )


def _share_bordered_by_myocardium(slices: NDArray[np.uint8], number: int) -> float:
    """Share of the pixel edges around a label, pooled over slices, that lead to myocardium."""
    framed = np.pad(slices, ((0, 0), (1, 1), (1, 1)))
    inside = framed == number
    outline = myocardium = 0
    for axis in (1, 2):
        for step in (-1, 1):
            neighbour = np.roll(framed, step, axis=axis)
            leaving = inside & (neighbour != number)
            outline += int(leaving.sum())
            myocardium += int((leaving & (neighbour == MYO)).sum())
    return myocardium / outline if outline else 0.0


def _roundness(slices: NDArray[np.uint8], number: int) -> float:
    """Mean over slices of 4 pi area / perimeter^2 of a label: 1 for a disc, less for a crescent."""
    from skimage.measure import perimeter_crofton

    values = []
    for labels in slices:
        region = np.pad(labels == number, 1)
        if (area := int(region.sum())) >= 30:  # smaller ones are all corners
            values.append(4 * np.pi * area / perimeter_crofton(region, directions=4) ** 2)
    return float(np.mean(values)) if values else 0.0


def _convention_with_lv(number: int) -> str:
    return next(key for key in ("mnms", "acdc") if CONVENTIONS[key][number] == LV)


def _by_own_numbers(labels: NDArray[Any], said: str, name: str) -> NDArray[np.uint8]:
    values = np.asarray(labels)
    if not np.issubdtype(values.dtype, np.integer) and (values != np.rint(values)).any():
        raise InputError(
            f"{name}: holds numbers that are not whole. Save the mask without interpolation "
            "(nearest neighbour)."
        )
    table = meaning_of(said)
    ours = np.full(values.shape, BACKGROUND, np.uint8)
    ours[values == UNLABELLED] = UNLABELLED
    for number, structure in table.items():
        ours[values == number] = NUMBERS[structure]
    if not is_heart(ours).any() and (values != BACKGROUND).any():
        found = np.unique(values)
        raise InputError(
            f"{name}: found label{'s' * (len(found) > 2)} {_listed(found[found != 0].tolist())}, "
            f"none of {said} is among them. Say which number is which structure."
        )
    return ours


def written_as(convention: str) -> dict[int, int]:
    """From the engine's label to the number that a convention writes, as for `revert`.

    Raises
    ------
    InputError
        If it is unknown, or cannot be read.
    """
    if not says_numbers(convention):
        return {ours: theirs for theirs, ours in _table_of(convention).items()}
    said = read_numbers(convention)
    if any(UNLABELLED in some[:1] for some in said.values()):
        raise InputError(f"labels {convention!r}: {UNLABELLED} is what nobody labelled.")
    return {BACKGROUND: 0, **{NUMBERS[name]: some[0] for name, some in said.items()}}


def _table_of(convention: str) -> dict[int, int]:
    known = {**CONVENTIONS, **SCAR_CONVENTIONS}
    if convention not in known:
        raise InputError(
            f"unknown label convention {convention!r}; known are {', '.join(known)}, or say the "
            f"numbers: {EXAMPLE}."
        )
    return known[convention]


def _whole_numbers(labels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Check that an array holds whole numbers from 0 to 255 and return it as uint8."""
    array = np.asarray(labels)
    if array.dtype == np.uint8:
        return array
    if array.size and not (
        np.isfinite(array).all() and (array >= 0).all() and (array <= 255).all()
    ):
        raise InputError(
            f"{name}: labels run from {np.min(array)} to {np.max(array)}, expected whole numbers "
            "from 0 to 255. Is it an image instead of a mask?"
        )
    values = array.astype(np.uint8)
    if (values != array).any():
        example = array[values != array].flat[0]
        raise InputError(
            f"{name}: found {example:g} where labels are whole numbers. Save the mask without "
            "interpolation (nearest neighbour)."
        )
    return values


def _look_up(values: NDArray[np.uint8], numbers: dict[int, int]) -> NDArray[Any]:
    dtype = np.uint8 if max(numbers.values()) <= UNLABELLED else np.uint16
    table = np.full(256, UNLABELLED, dtype=dtype)
    for source, target in numbers.items():
        table[source] = target
    return table[values]


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(str(n) for n in numbers[:6])
    return shown + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")
