"""`cmr-synth evaluate adherence`: do synthetic slices show the heart that their masks asked for."""

from __future__ import annotations

from cmr_synth.cli.console import Json, progress, remark, result
from cmr_synth.cli.evaluate._candidates import (
    Candidates,
    Cohort,
    Data,
    Out,
    Seed,
    Slices,
    Split,
    Steps,
    candidates_of,
    check_options,
    open_slices,
)
from cmr_synth.errors import InputError


def adherence(
    candidates: Candidates,
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """What the segmenter finds against the mask, and the anatomy of both populations.

    Only drawn structures count, so give cohorts with all three drawn, such as ACDC.

    \b
    Example:
      cmr-synth evaluate adherence flow --data acdc=ACDC/training --out adherence
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.adherence.anatomy import anatomy
    from cmr_synth.evaluation.adherence.strata import structure_adherence
    from cmr_synth.evaluation.sample import real_sample, require_masks
    from cmr_synth.judges.segmenter import Segmenter
    from cmr_synth.reports.adherence import Followed, write_adherence

    opened = open_slices(data, slices, out, complete=False, quiet=as_json)
    held_out = real_sample(opened, split, cohort)
    if any(row.completed for row in held_out.rows):
        remark(
            "some masks were completed by the segmenter that now judges them; for figures without "
            "that, name cohorts with all structures drawn"
        )
    segmenter = Segmenter.load()
    with progress("segment real slices", quiet=as_json):
        real_found = segmenter.segment(held_out.pixels)
    followed = []
    for one in candidates_of(
        candidates, opened, split=split, cohorts=cohort, seed=seed, steps=steps, quiet=as_json
    ):
        if not one.masked:
            raise InputError(
                f"{one.name}: follows no mask, so that there is nothing to adhere to; use "
                "`cmr-synth evaluate fidelity`."
            )
        require_masks(one.sample)
        with progress(f"segment {one.name}", quiet=as_json):
            found = segmenter.segment(one.sample.pixels)
        scores = structure_adherence(
            one.sample, found, held_out, real_found, segmenter=segmenter.hash
        )
        measures = anatomy(one.sample, found, held_out, real_found)
        followed.append(Followed(one.name, one.sha256, one.sample, found, scores, measures))
    facts, lines, files = write_adherence(out, held_out, followed, split=split, seed=seed)
    result({"folder": str(out), "files": files, **facts}, lines, as_json=as_json)
