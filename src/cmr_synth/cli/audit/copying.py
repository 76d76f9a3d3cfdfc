"""`cmr-synth audit copying`: is a set closer to its training patients than new patients are."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.console import Json, followed
from cmr_synth.cli.options import (
    Candidates,
    Cohort,
    Data,
    Out,
    Seed,
    Slices,
    Split,
    Steps,
    check_options,
    open_slices,
)
from cmr_synth.cli.report import report


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
    from cmr_synth.evaluation.candidates import candidates as made_by
    from cmr_synth.evaluation.events import titled
    from cmr_synth.evaluation.sample import joined, real_sample, splits_besides
    from cmr_synth.evaluation.setting import Setting
    from cmr_synth.generators import zoo
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.overfitting.audit import Overfitting, audit_overfitting, real_sets
    from cmr_synth.reports.overfitting import overfitting_content

    opened = open_slices(data, slices, out, complete=True, quiet=as_json)
    detector = CopyDetector.load()
    remaining = splits_besides(opened, "train")
    real = real_sets(
        real_sample(opened, "train", cohort),
        joined([real_sample(opened, name, cohort) for name in remaining], name="held-out"),
        detector,
    )
    setting = Setting(slices=opened, split=split, cohorts=cohort, seed=seed, steps=steps)
    made = list(followed(made_by(candidates, setting), quiet=as_json))
    found: list[Overfitting] = []
    for one in made:
        asked = styles and one.folder is not None and one.masked
        events = audit_overfitting(
            one.sample,
            real,
            detector,
            sha256=one.sha256,
            generator=zoo.load(one.folder).generator if asked else None,
            steps=one.steps,
            seed=seed,
        )
        found += followed(titled(f"test {one.name}", events), quiet=as_json)
    report(overfitting_content(found), out, as_json=as_json)
