"""`cmr-synth request`: a heart with the volumes, the ejection fraction and the mass asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, remark, result
from cmr_synth.cli.synthesize import MirrorChoice, check_labels


def request(
    mask: Annotated[Path, typer.Argument(help="NIfTI mask at end-diastole to begin with.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the masks.")],
    edv: Annotated[float | None, typer.Option(help="LV end-diastolic volume, mL.")] = None,
    esv: Annotated[float | None, typer.Option(help="LV end-systolic volume, mL.")] = None,
    ef: Annotated[float | None, typer.Option(help="LV ejection fraction in %, 5 to 85.")] = None,
    mass: Annotated[float | None, typer.Option(help="LV mass at ED, g.")] = None,
    wall: Annotated[
        float | None, typer.Option(help="Mean thickness of the LV's wall at ED, mm.")
    ] = None,
    rv_edv: Annotated[float | None, typer.Option(help="RV end-diastolic volume, mL.")] = None,
    rv_esv: Annotated[float | None, typer.Option(help="RV end-systolic volume, mL.")] = None,
    rv_ef: Annotated[float | None, typer.Option(help="RV ejection fraction in %, 5 to 85.")] = None,
    height: Annotated[
        float | None, typer.Option(help="cm; by default that of Info.cfg beside the mask.")
    ] = None,
    weight: Annotated[float | None, typer.Option(help="kg; likewise.")] = None,
    by_surface: Annotated[
        bool,
        typer.Option("--indexed", help="Volumes and mass are meant per m2 of body surface."),
    ] = False,
    labels: Annotated[
        str,
        typer.Option(
            metavar="auto|acdc|mnms|ukbb|emidec|LV=n,MYO=n,RV=n",
            callback=check_labels,
            help="What the mask's numbers mean; auto tells by topology.",
        ),
    ] = "auto",
    mirror: Annotated[
        MirrorChoice, typer.Option(help="Hearts on the wrong side of the picture.")
    ] = MirrorChoice.auto,
    as_json: Json = False,
) -> None:
    """Give a heart the function asked for: masks at ED and, where it is asked for, at ES.

    What is not asked for stays: the wall keeps its mass, and the RV ejects as much as the LV.
    Hearts of nobody with a function come from `sample-masks`.

    \b
    Example, after `cmr-synth sample-masks --n 1 --out hearts`:
      cmr-synth request hearts/heart0000_ED.nii.gz --edv 190 --ef 35 --out requested
    """
    from cmr_synth.anatomy.body_size import body_surface_m2
    from cmr_synth.anatomy.requested import Function, indexed
    from cmr_synth.errors import InputError
    from cmr_synth.files import staged
    from cmr_synth.imaging.masks import read_mask, stem_of
    from cmr_synth.synthesis.dialled import Upright
    from cmr_synth.synthesis.requested import body_of, reach_in, write_reached

    def share(percent: float | None) -> float | None:
        return None if percent is None else percent / 100

    found = body_of(mask)
    height, weight = height or found.get("height"), weight or found.get("weight")
    surface = body_surface_m2(height, weight) if height and weight else None
    wanted = Function(
        edv_ml=edv,
        esv_ml=esv,
        ef=share(ef),
        mass_g=mass,
        wall_mm=wall,
        rv_edv_ml=rv_edv,
        rv_esv_ml=rv_esv,
        rv_ef=share(rv_ef),
    )
    if by_surface:
        if surface is None:
            raise InputError(
                f"{mask.name}: --indexed needs the body surface; give --height and --weight."
            )
        wanted = indexed(wanted, surface)
    convention = None if labels == "auto" else labels
    upright = Upright.of(read_mask(mask, convention=convention).scan, mirror=mirror.value)
    reached = reach_in(upright, wanted)
    with staged(out) as folder:
        record = write_reached(reached, upright, folder, stem_of(mask), surface_m2=surface)
    for note in [*record["notes"], *reached.missed]:
        remark(note)
    lines = [*(str(out / file) for file in record["files"].values()), *_said(record)]
    result(record, lines, as_json=as_json)


def _said(record: dict[str, Any]) -> list[str]:
    """Every measurement in a line, with what was asked."""
    from cmr_synth.anatomy.requested import TITLES

    lines = []
    for name, value in record["measured"].items():
        title, unit = TITLES[name]
        by = 100 if unit == "%" else 1
        asked = record["asked"].get(name)
        told = "" if asked is None else f" (asked {by * asked:.4g})"
        per_m2 = record.get("indexed", {}).get(name)
        told += "" if per_m2 is None else f", {per_m2:.4g} {unit}/m2"
        lines.append(f"  {title}: {by * value:.4g} {unit}{told}")
    return lines
