"""`cmr-synth measure`: volumes, function, mass and wall of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cmr_synth.cli.console import Json, remark, result
from cmr_synth.cli.synthesize import check_labels


def measure(
    masks: Annotated[
        list[Path], typer.Argument(metavar="MASK", help="NIfTI masks: cines, or stacks.")
    ],
    es: Annotated[
        Path | None,
        typer.Option("--es", help="Mask of the other phase, where MASK is one phase."),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="auto|acdc|mnms|ukbb|LV=n,MYO=n,RV=n",
            callback=check_labels,
            help="What the masks' numbers mean; auto tells by topology.",
        ),
    ] = "auto",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Table to write, one number a row.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Page to write, of one mask.")] = None,
    as_json: Json = False,
) -> None:
    """Measure masks: volumes over time, EF, mass, and wall thickness in the 16 AHA segments.

    Normal ranges stand beside what has one. ED and ES are the frames with the largest and the
    smallest LV. Masks are turned to radiological display by their affine first.

    \b
    Example:
      cmr-synth measure patient1_heart.nii.gz --csv patient1.csv
    """
    import numpy as np

    from cmr_synth.anatomy.measured import measure as measured_in
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.masks import read_mask
    from cmr_synth.imaging.orientation import apply, apply_to_spacing, in_plane_orientation
    from cmr_synth.imaging.scan import require_same_grid
    from cmr_synth.reports.measurements import measurements_report, write_csv
    from cmr_synth.reports.output import write_content
    from cmr_synth.reports.text import lines_of

    if es is not None and len(masks) != 1:
        raise InputError("--es: belongs to one mask; give one MASK with it.")
    if html is not None and len(masks) != 1:
        raise InputError("--html: is a page of one mask; give one MASK with it.")
    convention = None if labels == "auto" else labels
    found = []
    for path in masks:
        scan = read_mask(path, convention=convention).scan
        frames = list(scan.array) if scan.is_cine else [scan.array]
        if es is not None:
            other = read_mask(es, convention=convention).scan
            if scan.is_cine or other.is_cine:
                raise InputError("--es: is for masks of one phase; a cine has both phases.")
            require_same_grid(scan, other)
            frames.append(other.array)
        for note in scan.notes:
            remark(note)
        turn = in_plane_orientation(scan.affine)
        found.append(
            measured_in(
                [apply(turn, np.asarray(frame)) for frame in frames],
                apply_to_spacing(turn, scan.spacing),
                name=scan.stem,
                frame_ms=scan.frame_ms,
            )
        )
    pages = [measurements_report(one) for one in found]
    facts: dict[str, Any] = {
        "masks": [
            {"mask": str(path), "phases": one.phases, "not_given": one.doubts, **page.data}
            for path, one, page in zip(masks, found, pages, strict=True)
        ]
    }
    lines = [line for page in pages for line in lines_of(page)]
    if csv is not None:
        facts["csv"] = str(write_csv(found, csv))
        lines.append(f"Wrote {csv}")
    if html is not None:
        facts["html"] = str(write_content(pages[0], html))
        lines.append(f"Wrote {html}")
    result(facts, lines, as_json=as_json)
