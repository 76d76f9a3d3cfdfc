"""Images and the masks on their grids as cases of an nnU-Net data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .layer_data import description_of, engine_mask, parted, record_of, scan_of

if TYPE_CHECKING:
    from cmr_synth.imaging.nnunet import Case

    from .._layers import LayerData


def write_nnunet(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write image layers and the mask that they share as cases of an nnU-Net data set.

    Parameters
    ----------
    path : str
        A folder, or the `dataset.json` in it. An nnU-Net data set that is there gets the cases in
        addition.
    layers : sequence of (data, attributes, layer type)
        Images, and one mask on their grid. Each image is a case called as its layer; each frame
        of a cine in which anything is drawn is one.

    Returns
    -------
    list of str
        The files written.

    Raises
    ------
    InputError
        If the grids differ, the numbers of the mask cannot be understood, a case is there
        already, or the folder holds something else.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.nnunet import ABOUT, write_cases

    goal = Path(path)
    if goal.name == ABOUT:
        goal = goal.parent
    elif goal.suffix.lower() == ".json":
        raise InputError(
            f"{goal.name}: an nnU-Net data set is a folder with {ABOUT} in it; name the folder, "
            f"or {ABOUT} in it."
        )
    return [str(written) for written in write_cases(goal, nnunet_cases(layers))]


def nnunet_cases(layers: Sequence[LayerData]) -> list[Case]:
    """Image layers and the mask that they share, as cases.

    Raises
    ------
    InputError
        As `write_nnunet`, of the layers.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.nnunet import cases_of

    images, masks = parted(layers)
    if not images or len(masks) != 1:
        raise InputError(
            f"{len(images)} images and {len(masks)} masks given, nnU-Net cases are made of images "
            "and the one mask that they share; choose these layers."
        )
    mask = engine_mask(masks[0], layers)
    return [
        case
        for layer in images
        for case in cases_of(
            scan_of(layer, layers),
            mask,
            name=str(layer[1].get("name", "")) or None,
            description=description_of(layer[1]),
            record=record_of(layer[1]),
        )
    ]
