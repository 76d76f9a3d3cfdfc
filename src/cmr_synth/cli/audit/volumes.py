"""`cmr-synth audit volumes`: whole synthetic stacks beside those of the training patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.cli.options import Cohort, Split

TABLE = "nearest_stacks.csv"


def volumes(
    made: Annotated[
        Path, typer.Argument(help="Folder of synthetic stacks with masks, as of sample-volumes.")
    ],
    slices: Annotated[Path, typer.Option(help="The slice set that the model was trained on.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the table.")],
    split: Split = "test",
    cohort: Cohort = None,
    depth: Annotated[int, typer.Option(min=2, help="Slices that stacks are brought to.")] = 12,
    between: Annotated[float, typer.Option(min=0.1, help="Their distance in mm.")] = 10.0,
    copies: Annotated[
        int, typer.Option(min=1, help="Planted copies, which say what would have been found.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Look for whole stacks that are somebody's, though no slice may be.

    Every synthetic stack is compared with every training stack as a whole. What tells is by how
    much it is more like one patient than like the next; a stack for which that is more than for
    any patient whom the model has not seen is named.

    \b
    Example:
      cmr-synth sample-volumes --model runs/latent-stacks --n 50 --phase ED --out made
      cmr-synth audit volumes made --slices prepared --cohort acdc --out audit
    """
    if split not in ("test", "validation"):
        raise typer.BadParameter("--split is test or validation.")
    import csv
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from cmr_synth.cohorts.prepare import prepare
    from cmr_synth.cohorts.preparing import Preparing
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.cohorts.volumes import Depth
    from cmr_synth.files import staged
    from cmr_synth.privacy.volumes import audit_volumes

    real = open_slice_set(slices)
    choices = Preparing(shape=real.shape, spacing_mm=real.spacing)
    with TemporaryDirectory() as place, progress("audit volumes", quiet=as_json) as tell:
        for line in prepare([("folder", made)], Path(place) / "made", choices=choices):
            tell(None, line)
        found = audit_volumes(
            open_slice_set(Path(place) / "made"),
            real,
            Depth(axis="z", count=depth, between_mm=between, least=2),
            split=split,
            cohorts=cohort,
            copies=copies,
        )
    for line in found.left_out:
        remark(line)
    with staged(out) as folder, (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        rows = [asdict(one) for one in found.synthetic]
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    facts = {
        "table": str(out / TABLE),
        "threshold": found.threshold,
        "unseen_patients": len({one.patient for one in found.unseen}),
        "synthetic": len(found.synthetic),
        "suspects": [asdict(one) for one in found.suspects],
        "copies": len(found.copies),
        "copies_found": found.copies_found,
    }
    lines = [
        f"{len(found.suspects)} of {len(found.synthetic)} synthetic stacks are more like one "
        f"training patient than like the next by more than any of {facts['unseen_patients']} "
        f"unseen patients' (a lead of {found.threshold:.3f} in correlation)",
        f"of {len(found.copies)} planted copies {found.copies_found} are found",
        *(
            f"  {one.patient} {one.phase}".rstrip()
            + f": {one.nearest_cohort} {one.nearest_patient} {one.nearest_phase}, "
            f"correlation {one.correlation:.3f}, lead {one.lead:.3f}"
            for one in found.suspects
        ),
        f"every stack and its nearest: {facts['table']}",
    ]
    result(facts, lines, as_json=as_json)
