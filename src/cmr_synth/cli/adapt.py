"""`cmr-synth adapt`: scans in the looks of another scanner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.errors import InputError


def adapt(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN", help="NIfTI files, DICOM files or folders.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the scans and their records.")],
    vendor: Annotated[str | None, typer.Option(help="Whose looks: siemens, philips or ge.")] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            help="Mask of each scan, in their order, to be drawn too. Without, the bundled "
            "segmenter finds where the heart is, and no mask is drawn."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(help="What the masks' numbers mean: acdc, mnms, ukbb, auto.")
    ] = "auto",
    keep_mm: Annotated[
        float, typer.Option(help="Structures coarser than this are kept; less keeps more.")
    ] = 1.5,
    model: Annotated[str, typer.Option(help="A flow of the zoo, or its folder.")] = "flow",
    steps: Annotated[int | None, typer.Option(help="Network evaluations a slice.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same pictures.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    as_json: Json = False,
) -> None:
    """Draw scans anew in another vendor's looks, their anatomy kept.

    For a network that was trained on one vendor's scans and meets another's. What comes out is a
    real patient's picture that was altered, and is marked so.

    \b
    Example:
      cmr-synth adapt philips_patient.nii.gz --vendor siemens --out as-siemens
    """
    from cmr_synth.files import staged
    from cmr_synth.generators import zoo
    from cmr_synth.imaging.masks import read_mask, unique_stems
    from cmr_synth.imaging.readers import read_scan
    from cmr_synth.synthesis.adapting import Adapted, write_adapted
    from cmr_synth.synthesis.adapting import adapt as run
    from cmr_synth.synthesis.request import Request

    if mask and len(mask) != len(scans):
        raise InputError(f"--mask: {len(mask)} given for {len(scans)} scans; give one for each.")
    request = Request(model=model, vendor=vendor, steps=steps, seed=seed, device=device)
    loaded = zoo.load(model, device=device)
    facts: list[dict[str, Any]] = []
    lines: list[str] = []
    with progress("adapt", quiet=as_json) as tell, staged(out) as folder:
        for number, (path, stem) in enumerate(zip(scans, unique_stems(scans), strict=True)):
            scan = read_scan(path)
            for note in scan.notes:
                remark(note)
            if mask:
                read = read_mask(mask[number], convention=None if labels == "auto" else labels)
                heart, whose = read.scan, read.labels
            else:
                heart, whose = found_heart(scan, str(loaded.generator.device))
            for step in run(scan, heart, loaded, request, keep_mm=keep_mm, follow=bool(mask)):
                if not isinstance(step, Adapted):
                    done = (number + step.step / step.steps) / len(scans)
                    tell(done, f"{number + 1} of {len(scans)}")
                    continue
                name = f"{stem}_{vendor or 'any'}"
                about = {"file_of_scan": str(path), "mask": {"labels": whose}}
                facts.append(write_adapted(step, folder, name, facts=about))
                lines.append(str(out / f"{name}.nii.gz"))
    result({"adapted": facts}, lines, as_json=as_json)


def found_heart(scan: Any, device: str) -> tuple[Any, str]:
    """The heart that the bundled segmenter finds, and whose mask that is."""
    from cmr_synth.judges.find_heart import Found, find_heart
    from cmr_synth.judges.segmenter import Segmenter

    *_, found = find_heart(scan, Segmenter.load(device=device))
    assert isinstance(found, Found)
    return found.mask, f"found by the bundled segmenter {found.segmenter_sha256[:8]}"
