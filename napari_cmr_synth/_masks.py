"""Labels layers as masks: which there are, what their numbers mean, and the scan they make.

A mask keeps the numbers it came with. What they mean is, in this order: what the user said, what
was guessed when the file was read, what its topology suggests now.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import (
    CONVENTIONS,
    MYO,
    NUMBERS,
    SCAR,
    STRUCTURES,
    UNLABELLED,
    ConventionGuess,
    convert,
    guess_convention,
    meaning_of,
)
from cmr_synth.anatomy.own_numbers import LARGEST, read_numbers, says_numbers, write_numbers
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan, require_foreground

from ._layer_geometry import attributes_of
from ._layers import GUESS, SURE_ENOUGH, labels_layer, scan_of_layer

if TYPE_CHECKING:
    from napari.layers import Labels

OVERLAY = "cmr_overlay"
"""Key of `layer.metadata`: a labels layer that marks something else than structures."""

CONVENTION = "cmr_label_convention"
"""Key of `layer.metadata`: what the user confirmed that the numbers mean, a key of `CONVENTIONS` or
the numbers of each structure as `own_numbers.read_numbers` reads them."""

SHOWN = {
    "acdc": "ACDC: 1 RV, 2 MYO, 3 LV",
    "mnms": "M&Ms, UK Biobank: 1 LV, 2 MYO, 3 RV",
}
"""How a combo box names each convention; those with the same numbers are one."""

ALIKE = {"ukbb": "mnms"}
"""Conventions that have the numbers of another."""

WITH_SCAR = {"EMIDEC: 1 LV, 2 MYO, 3 infarct, 4 no-reflow": "LV=1,MYO=2,infarct=3,no-reflow=4"}
"""Numbers of late enhancement as a combo box names them; the RV, which they lack, gets a free
one."""

ENGINE = "mnms"
"""The convention with the engine's own numbers."""

MOST_PLANES = 24  # that a guess looks at: enough for any stack, and quick on a long cine


def unwrapped(thing: Any) -> Any:
    """The viewer or layer itself.

    napari hands plugin widgets a proxy that wraps all it gives in turn; layers from it are not
    `is` the ones that events carry, and cannot be compared or kept.
    """
    return getattr(thing, "__wrapped__", thing)


def mask_layers(viewer: Any) -> list[Labels]:
    """The labels layers of a viewer, the topmost first.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Returns
    -------
    list of Labels
    """
    return [layer for layer in reversed(list(unwrapped(viewer).layers)) if is_mask(layer)]


def is_mask(layer: Any) -> bool:
    """Whether a layer is a labels layer of 2 to 4 axes, and no overlay of the plugin's own."""
    from napari.layers import Labels

    if not isinstance(layer, Labels) or layer.metadata.get(OVERLAY):
        return False
    return not layer.multiscale and layer.ndim in (2, 3, 4)


def mask_scan(layer: Any, convention: str) -> Scan:
    """Read a labels layer as engine labels.

    Parameters
    ----------
    layer : napari Labels layer
        ([t,] [z,] y, x) numbers; a single slice becomes a stack of one.
    convention : str
        Meaning of its numbers, as for `convert`.

    Returns
    -------
    Scan
        ([t,] z, y, x) uint8 engine labels, a copy: painting on does not change it.

    Raises
    ------
    InputError
        If the layer is no mask, is empty, or holds numbers that the convention lacks.
    """
    return engine_labels(numbers_of(layer), convention)


def numbers_of(layer: Any) -> Scan:
    """Copy a labels layer with the numbers that it has; quick, for the GUI thread.

    Parameters
    ----------
    layer : napari Labels layer
        ([t,] [z,] y, x) numbers; a single slice becomes a stack of one.

    Returns
    -------
    Scan
        ([t,] z, y, x); painting on does not change it.

    Raises
    ------
    InputError
        If the layer is no mask.
    """
    layer = unwrapped(layer)
    if layer is None:
        raise InputError(
            "there is no mask to follow; open one, paint one with the Heart mask widget, or take "
            "a sample: File > Open Sample > CMR Synth."
        )
    if not is_mask(layer):
        raise InputError(
            f"{getattr(layer, 'name', 'mask')}: is {_kind(layer)}, a mask is a labels layer of 2 "
            "to 4 axes. Choose one; a right click on an image turns it into one (Convert to "
            "Labels)."
        )
    attributes = attributes_of(layer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a place that nobody knows matters to files only
        scan = scan_of_layer(layer.data, attributes)
    return scan.with_array(np.array(scan.array))


def engine_labels(numbers: Scan, convention: str | None) -> Scan:
    """Convert the numbers of a mask; may take a moment for a long cine, so for a worker thread.

    Parameters
    ----------
    numbers : Scan
        From `numbers_of`.
    convention : str or None
        As for `convert`.

    Returns
    -------
    Scan
        uint8 engine labels.

    Raises
    ------
    InputError
        If no convention is given, or the mask is empty or holds numbers that it lacks.
    """
    name = numbers.name
    require_foreground(numbers)
    if convention is None or not _is_known(convention):
        raise InputError(
            f"{name}: what do its numbers mean? Choose the label convention: "
            f"{'; '.join(SHOWN.values())}; or say the number of each structure."
        )
    extra = [] if says_numbers(convention) else _extra_labels(numbers.array, convention)
    if extra:
        listed = ", ".join(str(n) for n in extra[:6]) + (", ..." if len(extra) > 6 else "")
        raise InputError(
            f"{name}: found label{'s' * (len(extra) > 1)} {listed}; {shown(convention)}. Erase "
            "what is not LV, myocardium or RV blood pool, or say which number is which structure."
        )
    return numbers.with_array(convert(numbers.array, convention, name=name))


def guess(layer: Any) -> ConventionGuess | None:
    """What the numbers of a mask seem to mean.

    Parameters
    ----------
    layer : napari Labels layer

    Returns
    -------
    ConventionGuess or None
        None if the mask is empty, has numbers that no convention has, or is no mask.
    """
    layer = unwrapped(layer)
    if not is_mask(layer):
        return None
    known = layer.metadata.get(GUESS)
    if isinstance(known, ConventionGuess):
        return known
    try:
        return guess_convention(_some_planes(layer.data), name=layer.name)
    except InputError:
        return None


def confirmed(layer: Any) -> str | None:
    """What the user confirmed that the numbers of a mask mean, if anything."""
    return stated_in(unwrapped(layer).metadata)


def stated_in(metadata: Mapping[Any, Any]) -> str | None:
    """What was confirmed of the numbers of a mask, from the metadata of its layer."""
    stated = metadata.get(CONVENTION)
    if not isinstance(stated, str) or not _is_known(stated):
        return None
    return ALIKE.get(stated, stated)


def confirm(layer: Any, convention: str) -> None:
    """Keep what the user said about a mask's numbers, and colour its structures by it.

    Every panel that shows the mask follows, by the layer's event `metadata`.

    Parameters
    ----------
    layer : napari Labels layer
        Its numbers stay as they are.
    convention : str
        A key of `CONVENTIONS`, or the numbers of each structure. A structure of which none is said
        gets one that is free, to paint it with.

    Raises
    ------
    InputError
        If the numbers cannot be read.
    """
    from napari.utils.colormaps import DirectLabelColormap

    layer = unwrapped(layer)
    if says_numbers(convention):
        convention = _with_all_structures(convention, layer)
    layer.metadata[CONVENTION] = convention
    said = ConventionGuess(convention, 1.0, "Chosen by you.")
    one_voxel = Scan(
        array=np.zeros((1, 1, 1), np.uint8), spacing=(1.0,) * 3, affine=np.eye(4), name=layer.name
    )
    _, attributes, _ = labels_layer(one_voxel, guess=said)
    layer.colormap = DirectLabelColormap(color_dict=attributes["colormap"])
    layer.features = attributes["features"]
    layer.events.metadata()


def convention_of(layer: Any) -> str | None:
    """What to read a mask by: confirmed, or guessed with enough confidence."""
    stated = confirmed(layer)
    if stated is not None:
        return stated
    seems = guess(layer)
    return seems.convention if seems and seems.confidence >= SURE_ENOUGH else None


def meaning(layer: Any) -> str:
    """What the numbers of a mask were taken for, and who said so, for the record."""
    known = convention_of(layer)
    if known is None:
        return "not known"
    return f"{shown(known)}; {'confirmed' if confirmed(layer) else 'told by topology'}"


def shown(convention: str) -> str:
    """How a convention, or numbers said one by one, is named to the user."""
    if not says_numbers(convention):
        return SHOWN.get(ALIKE.get(convention, convention), convention)
    parts = (
        f"{' and '.join(map(str, numbers))} {structure}"
        for structure, numbers in read_numbers(convention).items()
    )
    return f"own numbers: {', '.join(parts)}, all others background"


def structure_numbers(layer: Any) -> dict[str, int]:
    """The number that each structure has in a mask.

    Parameters
    ----------
    layer : napari Labels layer

    Returns
    -------
    dict
        From "LV", "MYO" and "RV", and the kinds of scar where the mask knows them, to the number to
        paint with: by what was confirmed or guessed, else the engine's own.
    """
    table = meaning_of(convention_of(layer) or ENGINE)
    first = {name: number for number, name in reversed(table.items())}
    return {name: first[name] for name in NUMBERS if name in first}


def add_scar(layer: Any) -> None:
    """Give a mask numbers for infarct and no-reflow, the engine's own where they are free.

    Raises
    ------
    InputError
        If nobody knows yet what its numbers mean.
    """
    layer = unwrapped(layer)
    convention = convention_of(layer)
    if convention is None:
        raise InputError(
            f"{layer.name}: what do its numbers mean? Say that first, under Numbers; scar is then "
            "painted into its wall."
        )
    known: dict[str, tuple[int, ...]] = {}
    for number, name in meaning_of(convention).items():
        known[name] = (*known.get(name, ()), number)
    if SCAR.keys() <= known.keys():
        return
    free = _free_numbers(layer, known, first=[SCAR[name] for name in SCAR])
    known |= {name: (next(free),) for name in SCAR if name not in known}
    confirm(layer, write_numbers(known))


def numbers_in(layer: Any) -> list[int]:
    """The numbers that a mask holds, without 0 and 255."""
    return sorted(_numbers(layer.data) - {0, UNLABELLED})


def _is_known(convention: str) -> bool:
    if not says_numbers(convention):
        return convention in CONVENTIONS
    try:
        return read_numbers(convention).keys() >= STRUCTURES.keys()
    except InputError:
        return False


def _with_all_structures(said: str, layer: Any) -> str:
    """Numbers for all three structures; those that the mask lacks get the lowest free ones."""
    numbers = read_numbers(said)
    free = _free_numbers(layer, numbers)
    return write_numbers(
        numbers | {name: (next(free),) for name in STRUCTURES if name not in numbers}
    )


def _free_numbers(
    layer: Any, numbers: Mapping[str, tuple[int, ...]], *, first: Sequence[int] = ()
) -> Iterator[int]:
    """Numbers that mean nothing and that the mask does not hold; those wished for, then upwards."""
    taken = {n for some in numbers.values() for n in some} | {UNLABELLED, *numbers_in(layer)}
    return (n for n in dict.fromkeys((*first, *range(1, LARGEST))) if n not in taken)


def _kind(layer: Any) -> str:
    kind = type(layer).__name__.lower()
    if kind == "labels":
        return f"a labels layer of {layer.ndim} axes" + (", multiscale" * layer.multiscale)
    return f"a{'n' * (kind[0] in 'aeiou')} {kind} layer"


def _extra_labels(array: NDArray[Any], convention: str) -> list[int]:
    """Numbers that the convention lacks."""
    return sorted(_numbers(array) - {*CONVENTIONS[convention], UNLABELLED})


def _numbers(array: Any) -> set[int]:
    """All numbers of a mask; plane by plane, so that a cine needs no copy."""
    found: set[int] = set()
    for plane in _planes(array):
        if plane.dtype == np.uint8:
            counts = np.bincount(plane.ravel(), minlength=256)
            found.update(np.flatnonzero(counts).tolist())
        else:
            found.update(np.unique(plane).tolist())
    return found


def _some_planes(data: Any) -> NDArray[Any]:
    """Evenly chosen (y, x) planes, those with a label before those without, as (z, y, x)."""
    planes = [plane for plane in _planes(data) if plane.any()]
    if not planes:
        return np.zeros((1, *np.shape(data)[-2:]), np.uint8)
    with_wall = [plane for plane in planes if (plane == MYO).any()] or planes
    chosen = np.unique(np.linspace(0, len(with_wall) - 1, MOST_PLANES).round().astype(int))
    return np.stack([with_wall[i] for i in chosen])


def _planes(data: Any) -> Iterator[NDArray[Any]]:
    for index in np.ndindex(*np.shape(data)[:-2]):
        yield np.asarray(data[index])
