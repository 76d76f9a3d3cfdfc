"""Something to try the plugin on: hearts drawn in code, and six real public-domain slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmr_synth.anatomy.labels import ConventionGuess

    from ._layers import LayerData

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

    from ._layers import image_layer, labels_layer, scan_without_place

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


def _drawn(anatomy: str) -> list[LayerData]:
    from cmr_synth.anatomy.template import draw_stack

    from ._layers import labels_layer, scan_without_place

    stack = draw_stack(anatomy=anatomy, spacing=DRAWN_SPACING)
    scan = scan_without_place(stack, DRAWN_SPACING, f"{anatomy} heart, drawn")
    description = f"SYNTHETIC {anatomy} heart drawn in code, no patient"
    return [labels_layer(scan, guess=_engine_labels(), description=description)]


def _engine_labels() -> ConventionGuess:
    from cmr_synth.anatomy.labels import ConventionGuess

    return ConventionGuess("mnms", 1.0, "Drawn with the engine's own numbers: 1 LV, 2 MYO, 3 RV.")
