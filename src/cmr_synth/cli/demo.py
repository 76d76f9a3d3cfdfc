"""`cmr-synth demo`: hearts drawn in code, every vendor of the model, three seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, result

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan

HEARTS = (
    ("normal", "basal", "ED"),
    ("normal", "mid", "ES"),
    ("dilated", "mid", "ED"),
    ("dilated", "apical", "ES"),
    ("hypertrophic", "mid", "ED"),
    ("hypertrophic", "apical", "ES"),
)
"""Anatomy, level and phase of each mask."""

PATHOLOGY = {"normal": "normal", "dilated": "dcm", "hypertrophic": "hcm"}
VENDOR_NAMES = {"siemens": "Siemens", "philips": "Philips", "ge": "GE", "canon": "Canon"}
SEEDS = 3
SPACING_MM = (8.0, 1.5, 1.5)
CANVAS, SHAPE = (192, 192), (128, 128)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for images, sheet and page.")],
    seed: Annotated[int, typer.Option(help="First of three seeds in a row.")] = 0,
    model: Annotated[str, typer.Option(help="Name in the zoo, or a model's folder.")] = "flow",
    as_json: Json = False,
) -> None:
    """Make synthetic hearts from drawn masks: images, a contact sheet and a short page.

    \b
    Example:
      cmr-synth demo --out demo-out
    """
    from cmr_synth.files import staged
    from cmr_synth.generators import zoo
    from cmr_synth.imaging.nifti import write_nifti

    loaded = zoo.load(model)
    card = loaded.card
    vendors: tuple[str | None, ...] = card.conditions.vendors or (None,)
    masks = {"_".join(heart): draw_mask(*heart) for heart in HEARTS}
    with staged(out) as folder, progress("demo", quiet=as_json) as tell:
        (folder / "images").mkdir()
        (folder / "masks").mkdir()
        for name, mask in masks.items():
            drawn = f"SYNTHETIC {name.replace('_', ' ')} heart drawn in code, no patient"
            write_nifti(mask, folder / "masks" / f"{name}.nii.gz", description=drawn)
        pictures, records = _make(loaded, masks, vendors, seed, folder / "images", tell)
        sheet = _sheet(pictures, masks, vendors, seed, card)
        sheet.save(folder / "contact_sheet.png", optimize=True)

        from cmr_synth.reports.images import images_content
        from cmr_synth.reports.output import write_content

        content = images_content(
            title="Synthetic cardiac MRI from drawn hearts",
            lead=f"{len(masks)} masks drawn in code, in the style of "
            f"{len(vendors)} scanner vendors, with {SEEDS} seeds each.",
            sheet=sheet,
            card=card,
            records=records,
            folder="images",
        )
        write_content(content, folder / "index.html")
    files = [str(out / "images" / record["file"]) for record in records]
    facts = {
        "page": str(out / "index.html"),
        "sheet": str(out / "contact_sheet.png"),
        "masks": [str(out / "masks" / f"{name}.nii.gz") for name in masks],
        "files": files,
        "model": records[0]["model"],
        "records": records,
    }
    lines = [
        f"{len(files)} synthetic images of {len(masks)} masks: {out / 'images'}",
        f"contact sheet: {facts['sheet']}",
        f"page: {facts['page']}",
    ]
    result(facts, lines, as_json=as_json)


def draw_mask(anatomy: Any, level: Any, phase: Any) -> Scan:
    """One drawn slice, cropped so that the heart is in the middle."""
    import numpy as np

    from cmr_synth.anatomy.template import draw_slice
    from cmr_synth.imaging.scan import Scan

    labels = draw_slice(
        shape=CANVAS, spacing=SPACING_MM[1:], level=level, phase=phase, anatomy=anatomy
    )
    corner = []
    for axis in (0, 1):
        index = np.flatnonzero(labels.any(axis=1 - axis))
        corner.append(int(index[0] + index[-1] + 1 - SHAPE[axis]) // 2)
    y, x = corner
    cropped = labels[y : y + SHAPE[0], x : x + SHAPE[1]]
    # toward the patient's left, posterior, and the base
    affine = np.diag([-SPACING_MM[2], -SPACING_MM[1], SPACING_MM[0], 1.0])
    return Scan(
        array=np.ascontiguousarray(cropped)[None],
        spacing=SPACING_MM,
        affine=affine,
        name=f"{anatomy}_{level}_{phase}.nii.gz",
    )


def _make(
    loaded: Any,
    masks: dict[str, Scan],
    vendors: tuple[str | None, ...],
    seed: int,
    folder: Path,
    tell: Any,
) -> tuple[dict[str, list[Any]], list[dict[str, Any]]]:
    """Write every image; pictures by mask, in the order of vendors and then seeds."""
    from cmr_synth.anatomy.template import LEVELS
    from cmr_synth.synthesis.formats import write_synthetic
    from cmr_synth.synthesis.from_mask import synthesize
    from cmr_synth.synthesis.record import Synthetic
    from cmr_synth.synthesis.request import Request

    known = loaded.card.conditions
    pictures: dict[str, list[Any]] = {name: [] for name in masks}
    records = []
    total = len(masks) * len(vendors) * SEEDS
    for (anatomy, level, phase), (name, mask) in zip(HEARTS, masks.items(), strict=True):
        pathology = PATHOLOGY[anatomy]
        for vendor in vendors:
            for own_seed in range(seed, seed + SEEDS):
                request = Request(
                    vendor=vendor,
                    phase=phase if phase in known.phases else None,
                    pathology=pathology if pathology in known.pathologies else None,
                    z=LEVELS[level],
                    seed=own_seed,
                )
                for step in synthesize(mask, loaded, request):
                    if isinstance(step, Synthetic):
                        stem = f"{name}_{vendor or 'any'}_seed{own_seed}"
                        records.append(write_synthetic(step, folder, stem))
                        pictures[name].append(step.scan.array[0])
                        tell(len(records) / total, stem)
    return pictures, records


def _sheet(
    pictures: dict[str, list[Any]],
    masks: dict[str, Scan],
    vendors: tuple[str | None, ...],
    seed: int,
    card: Any,
) -> Any:
    from cmr_synth.reports.sheet import SheetRow, contact_sheet

    rows = [
        SheetRow(
            pictures=pictures[name],
            labels=masks[name].array[0],
            name=anatomy,
            detail=f"{level}, {phase}",
        )
        for (anatomy, level, phase), name in zip(HEARTS, masks, strict=True)
    ]
    steps = f", {card.default_steps} steps" if card.default_steps else ""
    return contact_sheet(
        rows,
        columns=[f"seed {seed + k}" for _ in vendors for k in range(SEEDS)],
        groups=[(VENDOR_NAMES.get(v or "", v or "vendor left open"), SEEDS) for v in vendors],
        title="Synthetic cardiac MRI",
        subtitle="Each row: a mask drawn in code, and synthetic images that follow it.",
        footnote=f"model {card.name} {card.sha256[:8]}{steps}; no picture shows a patient",
    )
