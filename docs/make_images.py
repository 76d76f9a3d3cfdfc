"""Make pictures in docs/img with the real program: contact sheet, comparison and planted copies.

Run with `make docs-images`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

IMAGES = Path(__file__).parent / "img"
VENDOR, SEEDS = "ge", (0, 1, 2)  # of the synthetic pictures beside the Sunnybrook slices
FINDINGS = {"SC-HF-NI": "heart failure", "SC-HYP": "hypertrophic", "SC-N": "normal"}


def main() -> None:
    """Write every picture, replacing the old ones."""
    IMAGES.mkdir(exist_ok=True)
    contact_sheet(IMAGES / "contact_sheet.png")
    comparison(IMAGES / "real_and_synthetic.png")
    copies(IMAGES / "copies.png")


def contact_sheet(path: Path) -> None:
    """Run the demo and keep its contact sheet."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "cmr_synth.cli", "demo", "--out", folder], check=True)
        shutil.copyfile(Path(folder) / "contact_sheet.png", path)


def comparison(path: Path) -> None:
    """Draw the bundled real slices above synthetic ones of the same masks, equally scaled.

    The masks are the drawn LV blood pool, completed by the bundled segmenter.
    """
    import numpy as np

    from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
    from cmr_synth.cohorts import sunnybrook
    from cmr_synth.generators.interface import Condition, Images
    from cmr_synth.generators.zoo import load
    from cmr_synth.imaging.grid import WorkingGrid, place
    from cmr_synth.imaging.normalise import around_heart, heart_window, percentile
    from cmr_synth.judges.segmenter import Segmenter
    from cmr_synth.reports.sheet import SheetRow, colour_labels, contact_sheet

    model, segmenter = load(), Segmenter.load()
    grid = WorkingGrid(shape=model.card.grid.shape, spacing=model.card.grid.spacing_mm)
    may_hide = np.zeros((1, 4), dtype=bool)
    may_hide[:, [MYO, RV]] = True
    sample = np.load(files("cmr_synth") / "data" / "sunnybrook_sample.npz")
    real, masks = [], []
    for image, lv in zip(sample["image"], sample["lv"] > 0, strict=True):
        placement = place(lv, sunnybrook.SPACING_MM[1:], grid=grid)
        drawn = np.where(lv, LV, UNLABELLED).astype(np.uint8)
        pixels = placement.image_to_grid(percentile(image))
        labels = placement.labels_to_grid(drawn, fill=UNLABELLED)
        masks.append(segmenter.complete(pixels[None], labels[None], may_hide)[0])
        # at the brightness of the synthetic ones
        window = heart_window(lv, sunnybrook.SPACING_MM[1:])
        real.append(placement.image_to_grid(around_heart(image, window)))
    conditions = [Condition(mask=mask, vendor=VENDOR) for mask in masks]
    rows = [
        SheetRow(name="real", detail="Sunnybrook, GE", pictures=real),
        SheetRow(name="mask", detail="completed", pictures=[colour_labels(m) for m in masks]),
    ]
    for seed in SEEDS:
        *_, last = model.generator.sample(conditions, seed=seed, steps=model.card.default_steps)
        assert isinstance(last, Images)
        rows.append(SheetRow(name="synthetic", detail=f"GE, seed {seed}", pictures=[*last.pixels]))
    patients = [str(patient) for patient in sample["patient"]]
    sheet = contact_sheet(
        rows,
        groups=[
            (FINDINGS[patient.rpartition("-")[0]], patients.count(patient))
            for patient in dict.fromkeys(patients)
        ],
        title="Real slices, and synthetic ones of the same masks",
        # with the default seed of the split all three are training patients of the bundled model
        subtitle="LV drawn by hand, the rest of the mask by the segmenter. The model was trained "
        "with these patients.",
        footnote=f"model {model.card.name} {model.card.sha256[:8]}; real: Sunnybrook, CC0",
    )
    sheet.save(path, optimize=True)


def copies(path: Path) -> None:
    """Draw a bundled real slice (CC0) and the copies of it that the privacy audit plants."""
    import numpy as np
    from matplotlib.figure import Figure

    from cmr_synth.cohorts import sunnybrook
    from cmr_synth.evaluation.one_picture.agreement import GRID
    from cmr_synth.generators.zoo import card_of
    from cmr_synth.imaging.copies import PLANTED, planted
    from cmr_synth.imaging.grid import place
    from cmr_synth.imaging.normalise import percentile

    sample = np.load(files("cmr_synth") / "data" / "sunnybrook_sample.npz")
    slices = [
        place(lv > 0, sunnybrook.SPACING_MM[1:], grid=GRID).image_to_grid(percentile(image))
        for image, lv in zip(sample["image"], sample["lv"], strict=True)
    ]
    image, beside, other = slices[0], slices[1], slices[-1]
    rows = card_of("copy-detector").measured.privacy["archive of training patients"]
    found = rows["share_found"]
    rng = np.random.default_rng(3)
    figure = Figure(figsize=(11.5, 5.2), layout="constrained")
    axes = figure.subplots(2, (len(PLANTED) + 3) // 2).ravel()
    shown = [("the patient's slice", image), ("another patient", other)]
    for kind in PLANTED:
        share = f"\nfound: {100 * found[kind]['embeddings']:.1f} %" if kind in found else ""
        shown.append((f"{kind}{share}", planted(kind, image, other, beside, rng)))
    for axis, (title, picture) in zip(axes, shown, strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=9)
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
