"""`cmr-synth synthesize`: masks on disk become synthetic images on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.cli.masks import Labels

SHOWN_FINDINGS = 4  # of each mask; all of them are in the sidecar


def synthesize(
    masks: Annotated[list[Path], typer.Argument(metavar="MASK", help="NIfTI masks, 2D to 4D.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the images.")],
    vendor: Annotated[
        str | None, typer.Option(help="Scanner style, such as siemens; left open if not given.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name in the zoo, or a model's folder.")] = "flow",
    phase: Annotated[str | None, typer.Option(help="ED or ES.")] = None,
    pathology: Annotated[str | None, typer.Option(help="Such as normal, dcm, hcm.")] = None,
    n: Annotated[int, typer.Option("--n", help="Different images of each mask.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Network evaluations; more are slower and sharper.")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Above 1: follows the conditions more strictly.")
    ] = None,
    labels: Annotated[
        Labels, typer.Option(help="What the mask's numbers mean; auto tells by topology.")
    ] = Labels.auto,
    slice_position: Annotated[
        float | None,
        typer.Option(help="0 base to 1 apex, for masks of one slice; stacks need none."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Images computed at once.")] = 8,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    as_json: Json = False,
) -> None:
    """Make synthetic images that follow masks, on the masks' own grids.

    Each image gets a JSON sidecar that says how it was made.

    \b
    Example, after `cmr-synth demo --out demo-out`:
      cmr-synth synthesize demo-out/masks/normal_mid_ES.nii.gz --vendor siemens --n 3 --out out
    """
    from cmr_synth.cli.masks import read_masks
    from cmr_synth.files import sha256
    from cmr_synth.generators import zoo

    known_vendor = vendor.lower() if vendor else None
    known_phase = phase.upper() if phase else None
    known_pathology = pathology.lower() if pathology else None
    read = read_masks(masks, labels)
    card = zoo.require_generator(zoo.card_of(model))

    from cmr_synth.generators.synthesis import Synthetic, check_conditions
    from cmr_synth.generators.synthesis import synthesize as run

    check_conditions(card, vendor=known_vendor, phase=known_phase, pathology=known_pathology)
    for mask in read:
        remark(f"{mask.scan.name}: {mask.labels}")
        for note in mask.scan.notes:
            remark(note)
    loaded = zoo.load(model, device=device)

    from cmr_synth.cli.output import staged
    from cmr_synth.generators.record import write_synthetic

    words = [known_vendor or "any", *filter(None, (known_phase, known_pathology))]
    records: list[dict[str, Any]] = []
    with progress("synthesize", quiet=as_json) as tell:
        for number, mask in enumerate(read):
            own: list[dict[str, Any]] = []
            with staged(out) as folder:
                for step in run(
                    mask.scan,
                    loaded,
                    vendor=known_vendor,
                    phase=known_phase,
                    pathology=known_pathology,
                    z=slice_position,
                    n=n,
                    seed=seed,
                    steps=steps,
                    guidance=guidance,
                    batch=batch,
                ):
                    if not isinstance(step, Synthetic):
                        tell((number + step.step / step.steps) / len(read), mask.stem)
                        continue
                    step.record["mask"] |= {
                        "file_sha256": sha256(mask.path),
                        "labels": mask.labels,
                    }
                    stem = "_".join(
                        [mask.stem, *words, f"seed{seed}", f"{step.record['variant']:03d}"]
                    )
                    own.append(write_synthetic(step, folder, stem))
            _warn(mask.scan.name, own[0])
            records += own
    files = [str(out / record["file"]) for record in records]
    result(
        {"files": files, "model": records[0]["model"], "records": records},
        [*files, f"{len(files)} synthetic images with sidecars in {out}"],
        as_json=as_json,
    )


def _warn(name: str, record: dict[str, Any]) -> None:
    findings = record["findings"]
    for finding in findings[:SHOWN_FINDINGS]:
        where = "" if finding["slice_index"] is None else f" slice {finding['slice_index']}"
        if "frame" in finding:
            where = f" frame {finding['frame']}{where}"
        remark(f"{name}{where}: {finding['message']}")
    if len(findings) > SHOWN_FINDINGS:
        remark(f"{name}: {len(findings) - SHOWN_FINDINGS} more remarks are in the sidecar.")
    if record["skipped_slices"]:
        skipped = ", ".join(str(k) for k in record["skipped_slices"])
        remark(f"{name}: slices without a heart were skipped and are 0: {skipped}.")
    if not record["orientation"].startswith("From the affine"):
        remark(f"{name}: {record['orientation']}")
