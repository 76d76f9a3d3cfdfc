"""`cmr-synth beat`: a mask at end-diastole becomes a cine of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.cli.synthesize import MirrorChoice, check_labels


def beat(
    mask: Annotated[Path, typer.Argument(help="NIfTI mask at end-diastole.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the cine of masks.")],
    ef: Annotated[float, typer.Option(help="Ejection fraction of the LV in %, 5 to 85.")] = 60.0,
    rv_ef: Annotated[
        float | None,
        typer.Option(help="Of the RV in %; by default it ejects as many mL as the LV."),
    ] = None,
    es: Annotated[
        Path | None,
        typer.Option(help="Mask of the same heart at end-systole, in place of --ef and --rv-ef."),
    ] = None,
    frames: Annotated[int, typer.Option(help="Of one beat, 2 to 100.")] = 20,
    heart_rate: Annotated[float, typer.Option(help="Beats a minute.")] = 60.0,
    systole: Annotated[
        float | None,
        typer.Option(help="Time of ES as a share of the beat; that of real cines if not given."),
    ] = None,
    shortening: Annotated[
        float,
        typer.Option(help="0 to 0.25: how far the base comes down, as a share of LV length."),
    ] = 0.0,
    labels: Annotated[
        str,
        typer.Option(
            help="What the numbers mean: acdc, mnms, ukbb, emidec, numbers such as "
            "LV=3,MYO=2,RV=1, or auto, by topology.",
            callback=check_labels,
        ),
    ] = "auto",
    mirror: Annotated[
        MirrorChoice, typer.Option(help="Hearts on the wrong side of the picture.")
    ] = MirrorChoice.auto,
    as_json: Json = False,
) -> None:
    """Let a heart beat: from ED to ES and back, along the volume curve of real cines.

    The wall keeps its mass. The cine of masks is NIfTI (1 LV, 2 myocardium, 3 RV) with a JSON
    record; `synthesize` makes images of it whose noise frames have in common.

    \b
    Example, after `cmr-synth demo --out demo-out`:
      cmr-synth beat demo-out/masks/dilated_mid_ED.nii.gz --ef 30 --frames 12 --out beating
      cmr-synth synthesize beating/dilated_mid_ED_beat_mask.nii.gz --model flow-fast --out cine
    """
    from cmr_synth.anatomy.beating import TYPICAL, Plan
    from cmr_synth.files import staged
    from cmr_synth.imaging.masks import read_mask, stem_of
    from cmr_synth.synthesis.beating import Beating, beat_mask, plan_like, write_beating
    from cmr_synth.synthesis.dialled import Upright

    plan = Plan(
        ef=ef / 100,
        rv_ef=None if rv_ef is None else rv_ef / 100,
        frames=frames,
        systole=TYPICAL.systole if systole is None else systole,
        shortening=shortening,
    )
    convention = None if labels == "auto" else labels
    upright = Upright.of(read_mask(mask, convention=convention).scan, mirror=mirror.value)
    if es is not None:
        plan = plan_like(upright, read_mask(es, convention=convention).scan, plan)
    for note in upright.mask.notes:
        remark(note)
    with progress("beat", quiet=as_json) as tell, staged(out) as folder:
        for step in beat_mask(upright, plan, heart_rate=heart_rate):
            if not isinstance(step, Beating):
                tell(step.step / step.steps, f"frame {step.step} of {step.steps}")
                continue
            record = write_beating(step, folder, stem_of(mask))
    lv, found = record["volumes_ml"]["LV"], record["measured"]
    lines = [
        str(out / record["file"]),
        f"  LV {max(lv):.0f} mL at ED (frame {record['ed_frame']}), {min(lv):.0f} mL at ES (frame "
        f"{record['es_frame']}), EF {100 * found['lv_ef']:.1f} %; wall mass constant within "
        f"{100 * found['mass_within']:.1f} %",
    ]
    result(record, lines, as_json=as_json)
