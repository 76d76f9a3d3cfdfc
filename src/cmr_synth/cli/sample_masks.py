"""`cmr-synth sample-masks`: hearts that nobody has, as masks of both phases."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result

if TYPE_CHECKING:
    from cmr_synth.anatomy.shapes.new_heart import HeartGrid
    from cmr_synth.generators.mask_flow.masks import MaskFlow
    from cmr_synth.reports.mask_sheet import SheetHeart
    from cmr_synth.synthesis.new_hearts import Written

SHOWN = 12  # hearts on the contact sheet
PIXEL_MM = 1.5


class PhaseChoice(str, Enum):
    """Whose masks are written."""

    both = "both"
    ED = "ED"
    ES = "ES"


def sample_masks(
    out: Annotated[Path, typer.Option("--out", help="Folder for the masks.")],
    n: Annotated[int, typer.Option("--n", help="How many hearts.")] = 1,
    pathology: Annotated[
        str | None,
        typer.Option(
            help="normal, dcm, hcm, minf or arv; if not given, one that has what is asked for."
        ),
    ] = None,
    severity: Annotated[
        float, typer.Option(help="0 healthy, 1 the average patient, up to 2.")
    ] = 1.0,
    phase: Annotated[PhaseChoice, typer.Option(help="Whose masks are written.")] = PhaseChoice.both,
    ef: Annotated[
        float | None, typer.Option(help="LV ejection fraction in per cent, 5 to 85.")
    ] = None,
    edv: Annotated[float | None, typer.Option(help="LV end-diastolic volume, mL.")] = None,
    mass: Annotated[float | None, typer.Option(help="LV mass, g.")] = None,
    rv_ef: Annotated[
        float | None, typer.Option(help="RV ejection fraction in per cent, 5 to 85.")
    ] = None,
    rv_edv: Annotated[float | None, typer.Option(help="RV end-diastolic volume, mL.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same hearts.")] = 0,
    first: Annotated[
        int, typer.Option(help="Number of the first, to add to hearts made earlier.")
    ] = 0,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="mm, columns x rows x slices; 1.5x1.5x8 if neither this nor --slices is given."
        ),
    ] = None,
    slices: Annotated[
        int | None,
        typer.Option(
            help="Slices of a stack; by default as many as the heart needs. Without --spacing they "
            "are as far apart as it takes to span it."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a shape model; the bundled one if not given.")
    ] = None,
    detail: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a trained mask-flow, which draws the slices anew with what outlines "
            "cannot show; what they measure then is no longer exactly what was asked for."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="For --detail: cpu, cuda or mps.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Draw whole hearts from the shape model: no patient's, and as many as you like.

    Each heart has two masks, at end-diastole and end-systole, on one grid with the base first
    (1 LV, 2 myocardium, 3 RV), and a JSON sidecar that says how it was made and what it measures.
    Every heart is plausible: others are drawn again, and counted. Heart number i depends on the
    seed and i alone.

    \b
    Example:
      cmr-synth sample-masks --n 5 --pathology dcm --ef 25 --out hearts
      cmr-synth synthesize hearts --vendor siemens --out images
    """
    from cmr_synth.anatomy.shapes import ShapeModel
    from cmr_synth.anatomy.shapes.wishes import Wishes
    from cmr_synth.files import staged
    from cmr_synth.reports.mask_sheet import SheetHeart, mask_sheet
    from cmr_synth.synthesis.new_hearts import (
        PHASES,
        TABLE,
        Order,
        counted,
        make_hearts,
        write_table,
    )

    shapes = ShapeModel.load(model)
    wishes = Wishes(
        pathology=pathology,
        severity=severity,
        ef=_share(ef),
        edv=edv,
        mass=mass,
        rv_ef=_share(rv_ef),
        rv_edv=rv_edv,
    )
    order = Order(
        n=n,
        seed=seed,
        first=first,
        phases=PHASES if phase is PhaseChoice.both else (phase.value,),
    )
    written: list[Written] = []
    shown: list[SheetHeart] = []
    with progress("sample-masks", quiet=as_json) as tell, staged(out) as folder:
        hearts = make_hearts(
            shapes, wishes, order, _grid(spacing, slices), folder, detail=_detail(detail, device)
        )
        for heart, one in hearts:
            written.append(one)
            if len(shown) < SHOWN:
                ef_shown = f"EF {one.measured['lv_ef']:.0%}"
                shown.append(
                    SheetHeart(ed=heart.ed, es=heart.es, name=f"{one.pathology}", detail=ef_shown)
                )
            tell(len(written) / n, f"{len(written)} of {n}")
        write_table(written, folder / TABLE)
        sheet = mask_sheet(shown, title="Sampled hearts", subtitle="No patient's; base to apex.")
        sheet.save(folder / "contact_sheet.png", optimize=True)
    facts: dict[str, Any] = {
        **counted(written),
        "model": written[0].records[0]["model"],
        "table": str(out / TABLE),
        "sheet": str(out / "contact_sheet.png"),
        "files": [str(out / r["file"]) for one in written for r in one.records],
        "records": [record for one in written for record in one.records],
    }
    if facts["redrawn"]:
        remark(f"{facts['redrawn']} draws were no plausible hearts and were drawn again.")
    if detail is not None:
        done = facts["detail"]
        remark(
            f"detail: {done['slices']} slices drawn anew, {done['drawn_again']} draws thrown away, "
            f"{done['kept']} slices left as outlines."
        )
    lines = [
        f"{len(written)} hearts, {len(facts['files'])} masks: {out}",
        f"what they measure: {facts['table']}",
        f"contact sheet: {facts['sheet']}",
    ]
    result(facts, lines, as_json=as_json)


def _detail(folder: Path | None, device: str) -> MaskFlow | None:
    if folder is None:
        return None
    from cmr_synth.generators.device import require
    from cmr_synth.generators.mask_flow.masks import MaskFlow

    require(device)
    return MaskFlow.load(folder, device=device)


def _share(per_cent: float | None) -> float | None:
    return None if per_cent is None else per_cent / 100


def _grid(spacing: str | None, slices: int | None) -> HeartGrid:
    from cmr_synth.anatomy.shapes.new_heart import HeartGrid
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.spacing import spacing_of

    if slices is not None and not 3 <= slices <= 200:
        raise InputError(f"--slices {slices}: a whole heart takes 3 to 200.")
    if spacing is not None:
        return HeartGrid(spacing=spacing_of(spacing), slices=slices)
    return HeartGrid(slices=slices, spacing=(8.0 if slices is None else None, PIXEL_MM, PIXEL_MM))
