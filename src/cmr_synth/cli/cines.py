"""`cmr-synth cohort prepare-cines`: slices over a heartbeat, every frame with a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, progress, remark, result


def prepare_cines(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME=PATH", help="The cohort whose cines they are, and a folder of 4D NIfTI."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the slice set; replaced if there.")
    ],
    stills: Annotated[
        Path | None,
        typer.Option(
            help="Folder with single frames of the same patients, for the spacing of cines whose "
            "header says 1 x 1 x 1 mm; by default the cines' own."
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            help="A slice set of the same cohort: its patients keep their side of the split, their "
            "vendor and their pathology."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split into training and test patients.")] = 0,
    shape: Annotated[
        tuple[int, int], typer.Option(help="Rows and columns of the networks to be trained.")
    ] = (128, 128),
    spacing: Annotated[float, typer.Option(help="Pixel size in mm.")] = 1.5,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Put the slices of cines on one grid over time, for models of beating slices.

    The bundled segmenter draws the heart on every frame. Taken are slices with a left ventricle in
    all of them.

    \b
    Example, on ACDC as its authors publish it, with the split of a set of its stacks:
      cmr-synth cohort prepare acdc=ACDC/training --out slices
      cmr-synth cohort prepare-cines acdc=ACDC/training --like slices --out cines
      cmr-synth train autoencoder-cine --slices cines --out beats
    """
    from numpy import uint8
    from numpy.typing import NDArray

    from cmr_synth.cohorts.cines import prepare_cines as run
    from cmr_synth.cohorts.preparing import Preparing
    from cmr_synth.cohorts.registry import parse_sources
    from cmr_synth.cohorts.slices import open_slice_set
    from cmr_synth.cohorts.splits import SPLITS
    from cmr_synth.errors import InputError
    from cmr_synth.generators.device import require
    from cmr_synth.imaging.scan import Scan
    from cmr_synth.judges.find_heart import Found, find_heart
    from cmr_synth.judges.segmenter import Segmenter
    from cmr_synth.training.recipe import checked

    require(device)
    stated = {"shape": shape, "spacing_mm": spacing}
    choices = checked(Preparing, stated, where="cohort prepare-cines")
    segmenter = Segmenter.load(device=device)

    def find(scan: Scan) -> tuple[NDArray[uint8], tuple[int, int]]:
        *_, found = find_heart(scan, segmenter)
        assert isinstance(found, Found)
        if found.phases is None:
            raise InputError("the phases of the beat were not found; give a whole cine.")
        return found.mask.array.astype(uint8), found.phases

    (chosen,) = parse_sources([source])
    alike = None if like is None else open_slice_set(like)
    with progress("prepare-cines", quiet=as_json) as tell:
        for line in run(chosen, out, find, choices=choices, stills=stills, like=alike, seed=seed):
            tell(None, line)
    slices = open_slice_set(out)
    facts = slices.about["cohorts"]
    for name, about in facts.items():
        for one in about["left_out"]:
            remark(f"{name}: {one['what']}: {one['reason']}")
    beats = {
        split: len({(r.patient, r.slice) for r in slices.rows if r.split == split})
        for split in SPLITS
    }
    counts = ", ".join(f"{count} {split}" for split, count in beats.items())
    said = {"folder": str(out), "beats": beats, "slices": len(slices), "cohorts": facts}
    result(said, [f"{out}: {counts} slices over a beat"], as_json=as_json)
