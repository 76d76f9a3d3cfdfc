"""`cmr-synth find-heart`: a mask of a scan that nobody has drawn on, and its ED and ES."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result

if TYPE_CHECKING:
    from cmr_synth.judges.confidence import Confidence


def find_heart(
    scans: Annotated[
        list[Path], typer.Argument(metavar="SCAN", help="NIfTI files, DICOM files or folders.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the masks.")],
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Segment short-axis cine with the bundled segmenter, and tell ED and ES of each.

    Masks are NIfTI on the grids of the scans: 1 LV, 2 myocardium, 3 RV. They are a guess to be
    looked at: on other scanners than it was trained on the segmenter finds less (see its card).

    \b
    Example:
      cmr-synth find-heart patient1_4d.nii.gz --out masks
    """
    from cmr_synth.files import staged
    from cmr_synth.imaging.masks import unique_stems
    from cmr_synth.imaging.nifti import write_nifti
    from cmr_synth.imaging.readers import read_scan
    from cmr_synth.judges.find_heart import Found
    from cmr_synth.judges.find_heart import find_heart as find
    from cmr_synth.judges.segmenter import Segmenter

    segmenter = Segmenter.load(device=device)
    facts: list[dict[str, Any]] = []
    lines: list[str] = []
    with progress("find-heart", quiet=as_json) as tell, staged(out) as folder:
        for number, (path, stem) in enumerate(zip(scans, unique_stems(scans), strict=True)):
            scan = read_scan(path)
            for note in scan.notes:
                remark(note)
            for step in find(scan, segmenter):
                if not isinstance(step, Found):
                    tell((number + step) / len(scans), f"{number + 1} of {len(scans)}")
                    continue
                name = f"{stem}_heart.nii.gz"
                write_nifti(step.mask, folder / name)
                about: dict[str, Any] = {
                    "scan": str(path),
                    "mask": str(out / name),
                    "labels": "mnms",
                    "lv_ml": [round(float(v), 1) for v in step.volumes_ml],
                    "least_sure": _least_sure(step.confidence),
                    "segmenter_sha256": step.segmenter_sha256,
                }
                words = ""
                if step.phases is not None:
                    ed, es = step.phases
                    about |= {"ed_frame": ed, "es_frame": es}
                    words = f": ED is frame {ed}, ES frame {es} (counted from 0)"
                facts.append(about)
                lines.append(f"{out / name}{words}")
    result({"scans": facts}, lines, as_json=as_json)


def _least_sure(confidence: Confidence) -> dict[str, Any] | None:
    place = confidence.least_sure()
    if place is None:
        return None
    frame, index, structure = place
    probability, entropy = confidence.by_structure(frame, index)[structure]
    return {
        "frame": frame,
        "slice": index,
        "structure": structure,
        "mean_probability": round(probability, 3),
        "mean_entropy": round(entropy, 3),
    }
