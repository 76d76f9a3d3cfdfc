"""Something to try the plugin on: drawn hearts, six real slices (CC0), a synthetic stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmr_synth.anatomy.labels import ConventionGuess
    from cmr_synth.anatomy.template import Anatomy
    from cmr_synth.imaging.scan import Scan

    from .._layers import LayerData

DRAWN_SPACING = (8.0, 1.5, 1.5)  # mm (z, y, x)
SUNNYBROOK_SPACING = (8.0, 1.37, 1.37)  # mm; in-plane size is not recorded, 1.37 is typical there


def drawn_normal() -> list[LayerData]:
    """Mask of a normal heart at end-diastole, eight slices from base to apex."""
    return _drawn("normal")


def drawn_dilated() -> list[LayerData]:
    """Mask of a dilated heart at end-diastole, eight slices from base to apex."""
    return _drawn("dilated")


def drawn_hypertrophic() -> list[LayerData]:
    """Mask of a hypertrophic heart at end-diastole, eight slices from base to apex."""
    return _drawn("hypertrophic")


def sunnybrook() -> list[LayerData]:
    """Two slices each of three patients, and the LV blood pool that was drawn in them."""
    from importlib.resources import as_file, files

    import numpy as np

    from cmr_synth.anatomy.labels import LV

    from .._layers import image_layer, labels_layer, scan_without_place

    with as_file(files("cmr_synth") / "data" / "sunnybrook_sample.npz") as path:
        arrays = np.load(path)
        image, lv = arrays["image"].astype(np.float32), arrays["lv"]
    # Brightness differs between patients; all six share one pair of contrast limits.
    image /= np.percentile(image, 99.5, axis=(1, 2), keepdims=True)
    mask = np.where(lv > 0, LV, 0).astype(np.uint8)
    return [
        image_layer(scan_without_place(image, SUNNYBROOK_SPACING, "Sunnybrook slices")),
        labels_layer(
            scan_without_place(mask, SUNNYBROOK_SPACING, "Sunnybrook LV"), guess=_engine_labels()
        ),
    ]


def synthetic_stack() -> list[LayerData]:
    """A drawn heart, and the MRI that the bundled flow makes of it.

    In a window the mask comes at once and the images follow when they are made, so that the
    window answers meanwhile; without one, the images are made here.
    """
    from .._layers import GRID, image_layer
    from .._messages import in_a_window
    from .._results import RECORD
    from .._settings import get

    mask = _drawn_scan("normal")
    layer = _drawn_layer(mask, "normal")
    if in_a_window():
        _follow(mask, layer[1]["metadata"][GRID])
        return [layer]
    *_, made = _synthesis(mask, get("device"), get("vendor"))
    from cmr_synth.synthesis.record import description

    data, attributes, kind = image_layer(made.scan, description=description(made.record))
    attributes["name"] = f"synthetic {mask.name}"
    attributes["metadata"][RECORD] = made.record
    return [(data, attributes, kind), layer]


def _synthesis(mask: Scan, device: str, vendor: str) -> Iterator[Any]:
    """Progress, then the one `Synthetic`; imports torch."""
    from cmr_synth.generators.zoo import DEFAULT
    from cmr_synth.synthesis.from_mask import synthesize
    from cmr_synth.synthesis.request import Request

    from .._models import loaded

    model = loaded(DEFAULT, device)
    known = model.card.conditions
    request = Request(
        vendor=vendor if vendor in known.vendors else None,
        phase="ED" if "ED" in known.phases else None,
    )
    return synthesize(mask, model, request)


def _follow(mask: Scan, grid: Scan) -> None:
    """Make the images in a worker, and add them beside the mask once napari has added that."""
    import napari

    from .._jobs import Job
    from .._layers import GRID
    from .._results import add_result
    from .._settings import get

    viewer = napari.current_viewer()
    device, vendor = (
        get("device"),
        get("vendor"),
    )  # settings emit events: not in the worker

    def show(made: Any) -> None:
        own = [layer for layer in viewer.layers if layer.metadata.get(GRID) is grid]
        if own:  # the user may have removed it meanwhile
            add_result(viewer, made, own[0], name=f"synthetic {mask.name}")

    Job("Synthetic stack", lambda: _synthesis(mask, device, vendor), on_result=show).start()


def _drawn(anatomy: Anatomy) -> list[LayerData]:
    return [_drawn_layer(_drawn_scan(anatomy), anatomy)]


def _drawn_scan(anatomy: Anatomy) -> Scan:
    from cmr_synth.anatomy.template import draw_stack

    from .._layers import scan_without_place

    stack = draw_stack(anatomy=anatomy, spacing=DRAWN_SPACING)
    return scan_without_place(stack, DRAWN_SPACING, f"{anatomy} heart, drawn")


def _drawn_layer(scan: Scan, anatomy: str) -> LayerData:
    from .._layers import labels_layer

    description = f"SYNTHETIC {anatomy} heart drawn in code, no patient"
    return labels_layer(scan, guess=_engine_labels(), description=description)


def _engine_labels() -> ConventionGuess:
    from cmr_synth.anatomy.labels import ConventionGuess

    return ConventionGuess("mnms", 1.0, "Drawn with the engine's own numbers: 1 LV, 2 MYO, 3 RV.")
