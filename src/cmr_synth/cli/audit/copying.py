"""`cmr-synth audit copying`: is a set closer to its training patients than new patients are."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.console import Json, progress, result
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


def copying(
    candidates: Candidates,
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    styles: Annotated[
        bool, typer.Option("--styles/--no-styles", help="Make slices for texture and style leaks.")
    ] = True,
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Test sets for overfitting and copying: seven measures beside what real patients give.

    \b
    Example:
      cmr-synth audit copying flow --slices prepared --out copying
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.sample import joined, real_sample, splits_besides
    from cmr_synth.generators import zoo
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.overfitting.audit import Overfitting, audit_overfitting, real_sets
    from cmr_synth.reports.overfitting import write_overfitting

    opened = open_slices(data, slices, out, complete=True, quiet=as_json)
    detector = CopyDetector.load()
    remaining = splits_besides(opened, "train")
    real = real_sets(
        real_sample(opened, "train", cohort),
        joined([real_sample(opened, name, cohort) for name in remaining], name="held-out"),
        detector,
    )
    made = candidates_of(
        candidates, opened, split=split, cohorts=cohort, seed=seed, steps=steps, quiet=as_json
    )
    found = []
    for name, one in zip(candidates, made, strict=True):
        asked = None
        if styles and one.sha256 is not None and one.masked:
            asked = zoo.load(zoo.find(name).folder)
        with progress(f"test {one.name}", quiet=as_json) as tell:
            for event in audit_overfitting(
                one.sample,
                real,
                detector,
                sha256=one.sha256,
                generator=asked.generator if asked else None,
                steps=steps or (asked.card.default_steps if asked else None),
                seed=seed,
            ):
                if isinstance(event, Overfitting):
                    found.append(event)
                else:
                    tell(event.step / event.steps, f"{event.step} of {event.steps} slices")
    facts, lines, files = write_overfitting(out, found)
    result({"folder": str(out), "files": files, **facts}, lines, as_json=as_json)
