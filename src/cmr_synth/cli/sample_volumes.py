"""`cmr-synth sample-volumes`: whole stacks or beating slices that nobody has, with their masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.cli.synthesize import Format


def sample_volumes(
    model: Annotated[
        str,
        typer.Option(help="Name in the zoo, or folder of a model of the family latent-volume."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for images and masks.")],
    n: Annotated[int, typer.Option("--n", help="How many volumes.")] = 1,
    vendor: Annotated[
        str | None, typer.Option(help="Scanner style, such as siemens; left open if not given.")
    ] = None,
    phase: Annotated[str | None, typer.Option(help="Of a stack: ED or ES.")] = None,
    pathology: Annotated[str | None, typer.Option(help="Such as normal, dcm, hcm.")] = None,
    cohort: Annotated[
        str | None, typer.Option(help="Data set that it shall look like, such as acdc.")
    ] = None,
    slice_position: Annotated[
        float | None, typer.Option(help="Of a slice over a heartbeat: 0 base to 1 apex.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same volumes.")] = 0,
    first: Annotated[
        int, typer.Option(min=0, help="Number of the first, to add to volumes made earlier.")
    ] = 0,
    steps: Annotated[int | None, typer.Option(help="Network evaluations.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Above 1: follows the conditions more strictly.")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="dpm-solver++, ddim or ddpm; the first if not given.")
    ] = None,
    formats: Annotated[
        list[Format], typer.Option("--format", help="May be repeated.", show_choices=True)
    ] = [Format.nifti],  # noqa: B006  which typer copies
    batch: Annotated[int, typer.Option(help="Volumes made at once.")] = 4,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    as_json: Json = False,
) -> None:
    """Make whole stacks, or slices over a heartbeat, together with their masks.

    A latent diffusion of volumes draws picture and mask of all slices at once, so that they belong
    together by construction. A volume whose mask is not plausible is drawn again, and counted.
    Volume number i depends on the seed and i alone. Each is an image and a mask (`_gt`; 1 LV,
    2 myocardium, 3 RV) in NIfTI with a JSON sidecar, named as the cohort `folder` reads them.

    \b
    Example, once models are trained:
      cmr-synth train autoencoder-stack --slices prepared --out stacks
      cmr-synth train latent-stack --from stacks/weights.safetensors --slices prepared --out volumes
      cmr-synth sample-volumes --model volumes --n 10 --phase ED --pathology dcm --out made
      cmr-synth audit neighbours folder=made --archive archive --slices prepared --out audit
    """
    from cmr_synth.generators.interface import Progress
    from cmr_synth.synthesis.request import Request
    from cmr_synth.synthesis.volumes import MOST_DRAWS, run_volumes

    request = Request(
        model=model,
        device=device,
        vendor=vendor,
        phase=phase,
        pathology=pathology,
        cohort=cohort,
        z=slice_position,
        n=n,
        seed=seed,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        batch=batch,
    )
    records: tuple[dict[str, Any], ...] = ()
    with progress("sample-volumes", quiet=as_json) as tell:
        names = [one.value for one in formats]
        for step in run_volumes(out, request, first=first, formats=names):
            if isinstance(step, Progress):
                tell(step.step / step.steps, "")
            else:
                records = step
    volumes = [record["volume"] for record in records]
    again = sum(volume["draws"] - 1 for volume in volumes)
    odd = [r["file"] for r in records if not r["volume"]["plausible"]]
    facts = {
        "folder": str(out),
        "volumes": len(records),
        "drawn_again": again,
        "implausible": odd,
        "records": records,
    }
    if again:
        remark(f"{again} draws had implausible masks and were drawn again.")
    if odd:
        remark(
            f"{len(odd)} of {len(records)} volumes had no plausible mask in {MOST_DRAWS} draws; "
            f"their sidecars say why: {', '.join(odd[:3])}{' ...' if len(odd) > 3 else ''}"
        )
    result(facts, [f"{len(records)} volumes with masks: {out}"], as_json=as_json)
