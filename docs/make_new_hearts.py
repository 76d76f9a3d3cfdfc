"""Draw docs/img/new_hearts.png: a sampled heart of each pathology, both phases.

Run with `make docs-images` after learning the shape model again.
"""

from __future__ import annotations

from pathlib import Path

from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.anatomy.shapes.new_heart import HeartGrid, new_heart
from cmr_synth.anatomy.shapes.wishes import Wishes
from cmr_synth.reports.mask_sheet import SheetHeart, mask_sheet

PICTURE = Path(__file__).parent / "img" / "new_hearts.png"
GRID = HeartGrid(spacing=(None, 1.5, 1.5), slices=9)
SEED = 1


def main() -> None:
    """Draw the sheet."""
    model = ShapeModel.load()
    hearts = [
        new_heart(model, Wishes(pathology=name), seed=SEED, number=k, grid=GRID)
        for k, name in enumerate(model.pathologies)
    ]
    rows = [
        SheetHeart(
            ed=heart.ed,
            es=heart.es,
            name=heart.pathology,
            detail=f"EF {heart.measured['lv_ef']:.0%}",
        )
        for heart in hearts
    ]
    mask_sheet(rows, title="Sampled hearts").save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
