"""`cmr-synth manifold`: cine and T1 contrast of a slice from one simulated scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.errors import InputError


def manifold(
    mask: Annotated[Path, typer.Argument(help="NIfTI mask at end-diastole.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for pictures, T1 and records.")],
    number: Annotated[
        int | None,
        typer.Option("--slice", help="From 0; by default the one with most myocardium."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at", metavar="PHASE,MS", help="A further picture, such as 0.35,450; may be repeated."
        ),
    ] = None,
    cine_time: Annotated[float, typer.Option(help="Inversion time of the cine, ms.")] = 2000.0,
    phase: Annotated[
        float, typer.Option(help="Of the recovery and the T1 map, 0 to below 1; 0 is ED.")
    ] = 0.0,
    frames: Annotated[int, typer.Option(help="Of the cine.")] = 20,
    times: Annotated[int, typer.Option(help="Inversion times of the recovery.")] = 12,
    ef: Annotated[float, typer.Option(help="Ejection fraction of the LV in %.")] = 60.0,
    heart_rate: Annotated[float, typer.Option(help="Beats a minute.")] = 69.0,
    seconds: Annotated[float, typer.Option(help="Length of the scan.")] = 15.0,
    acceleration: Annotated[
        float, typer.Option(help="Samples of the grid over those of each shot.")
    ] = 6.0,
    field: Annotated[float, typer.Option(help="Tesla: 1.5 or 3.")] = 1.5,
    tissue: Annotated[
        list[str] | None,
        typer.Option("--tissue", metavar="TISSUE.FIGURE=VALUE", help="Such as MYO.t1=1250 (ms)."),
    ] = None,
    labels: Annotated[
        str, typer.Option(help="What the mask's numbers mean: acdc, mnms, ukbb, emidec, auto.")
    ] = "auto",
    steps: Annotated[int, typer.Option(help="Of the fit.")] = 800,
    seed: Annotated[int, typer.Option(help="Of the scan and the fit.")] = 0,
    as_json: Json = False,
) -> None:
    """Scan a beating slice during inversion recovery, and ask a fitted manifold for any of it.

    Physics and a network that learns from this scan alone: spokes of k-space at some phases and
    inversion times become a cine at one time, a recovery at one phase, its T1 map, and whatever
    else is asked for. The record says how near the pictures are to shots that were held out.

    \b
    Example, after `cmr-synth demo --out demo-out`:
      cmr-synth manifold demo-out/masks/dilated_mid_ED.nii.gz --at 0.35,450 --out joint
    """
    from cmr_synth.anatomy.beating import Plan
    from cmr_synth.files import staged
    from cmr_synth.imaging.masks import read_mask, stem_of
    from cmr_synth.physics.tissues import changed, tissues
    from cmr_synth.reconstruction.manifold.joint import Asked, Joint, joint, write_joint
    from cmr_synth.reconstruction.manifold.series import Anatomy, Protocol, beating_slice

    asked = Asked(
        frames=frames,
        cine_ms=cine_time,
        recovery=times,
        phase=phase,
        points=[_point(text) for text in at or ()],
    )
    protocol = Protocol(
        seconds=seconds,
        acceleration=acceleration,
        heart_rate=heart_rate,
        tesla=field,
        table=changed(tissues(field), tissue or ()),
        seed=seed,
    )
    read = read_mask(mask, convention=None if labels == "auto" else labels)
    for note in read.scan.notes:
        remark(note)
    plan = Plan(ef=ef / 100)
    made: Joint | None = None
    with progress("manifold", quiet=as_json) as tell, staged(out) as folder:
        *_, anatomy = beating_slice(read.scan, plan, number=number, heart_rate=heart_rate)
        assert isinstance(anatomy, Anatomy)
        for step in joint(anatomy, protocol, asked, steps=steps):
            if isinstance(step, Joint):
                made = step
            else:
                tell(step.step / step.steps, f"step {step.step} of {step.steps}")
        assert made is not None
        about = {"mask_sha256": read.sha256, "labels": read.labels}
        files = [path.name for path in write_joint(made, folder, stem_of(mask), facts=about)]
    found = made.record["measured"]
    lines = [
        *(str(out / name) for name in files),
        f"  NRMSE at {protocol.held_out:.0%} of the shots, held out: manifold "
        f"{found['nrmse_manifold']:.3f}, sliding window {found['nrmse_sliding_window']:.3f}, "
        f"still picture {found['nrmse_still']:.3f}",
        f"  T1 of myocardium: {found['t1_myocardium_ms']:.0f} ms found, "
        f"{found['t1_myocardium_truth_ms']:.0f} ms put in; half of its pixels are off by more than "
        f"{found['t1_myocardium_off_ms']:.0f} ms",
    ]
    result({"files": files, **made.record}, lines, as_json=as_json)


def _point(text: str) -> tuple[float, float]:
    try:
        phase, ms = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--at {text!r}: write PHASE,MS, such as 0.35,450 for the picture at 35 % of the "
            "heartbeat, 450 ms after the inversion."
        ) from None
    return phase, ms
