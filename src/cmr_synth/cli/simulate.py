"""`cmr-synth simulate`: what a sequence shows of a mask, by its signal equation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, remark, result


def simulate(
    masks: Annotated[list[Path], typer.Argument(metavar="MASK", help="NIfTI masks.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for pictures, maps and records.")],
    sequence: Annotated[
        str,
        typer.Option(help="cine (bSSFP), molli (with T1 map), t2 (with T2 map) or lge."),
    ] = "cine",
    field: Annotated[float, typer.Option(help="Tesla: 1.5 or 3.")] = 1.5,
    tissue: Annotated[
        list[str] | None,
        typer.Option("--tissue", metavar="TISSUE.FIGURE=VALUE", help="Such as MYO.t1=1250 (ms)."),
    ] = None,
    agent: Annotated[
        float | None,
        typer.Option(help="Contrast agent in plasma, mmol/L; 0.75 for lge, else none."),
    ] = None,
    beat: Annotated[float, typer.Option(help="Length of a heartbeat, ms.")] = 1000.0,
    snr: Annotated[float, typer.Option(help="Signal of blood over noise.")] = 50.0,
    scheme: Annotated[str, typer.Option(help="Of MOLLI: images, rest, images.")] = "5(3)3",
    inversion: Annotated[
        float | None, typer.Option(help="Of lge, ms; by default it nulls healthy myocardium.")
    ] = None,
    labels: Annotated[
        str,
        typer.Option(help="What the mask's numbers mean: acdc, mnms, ukbb, emidec, auto."),
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    as_json: Json = False,
) -> None:
    """Compute pictures from relaxation times, so that a pipeline meets a truth that is known.

    Physics, not a model: a drawn chest, plain tissues, and the sequence's equation. Series and maps
    are NIfTI on the mask's grid, maps in ms, with what a fit of the pictures finds (T1, T2) beside
    what was put in (T1-truth, T2-truth).

    \b
    Example:
      cmr-synth simulate heart.nii.gz --sequence molli --tissue MYO.t1=1250 --out relaxometry
    """
    import json

    from cmr_synth.files import sha256, staged
    from cmr_synth.imaging.masks import read_mask, unique_stems
    from cmr_synth.imaging.nifti import write_nifti
    from cmr_synth.physics.simulate import Setup
    from cmr_synth.physics.simulate import simulate as run
    from cmr_synth.physics.tissues import changed, tissues

    setup = Setup(
        sequence=sequence,
        field=field,
        table=changed(tissues(field), tissue or ()),
        agent=agent,
        beat=beat,
        snr=snr,
        scheme=scheme,
        inversion=inversion,
        seed=seed,
    )
    facts, lines = [], []
    with staged(out) as folder:
        for path, stem in zip(masks, unique_stems(masks), strict=True):
            mask = read_mask(path, convention=None if labels == "auto" else labels)
            for note in mask.scan.notes:
                remark(note)
            made = run(mask.scan, setup)
            scans = {sequence: made.images, **made.maps}
            files = {}
            for kind, scan in scans.items():
                name = f"{stem}_{kind}.nii.gz"
                write_nifti(
                    scan, folder / name, description=f"SYNTHETIC cmr-synth signal equation {kind}"
                )
                files[name] = sha256(folder / name)
                lines.append(str(out / name))
            record = made.record | {"files": files}
            record["mask"] |= {"sha256": mask.sha256, "labels": mask.labels}
            text = json.dumps(record, indent=2) + "\n"
            (folder / f"{stem}_{sequence}.json").write_text(text, encoding="utf-8")
            facts.append(record)
    result({"simulated": facts}, lines, as_json=as_json)
