"""`cmr-synth audit neighbours`: synthetic slices beside the patients of an archive."""

from __future__ import annotations

from typing import Annotated

import typer

from cmr_synth.cli.audit._archive import ArchiveFolder, Copies, certificate_of
from cmr_synth.cli.console import Json, followed, progress
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


def neighbours(
    candidates: Candidates,
    archive: ArchiveFolder,
    out: Out,
    data: Data = None,
    slices: Slices = None,
    split: Split = "test",
    cohort: Cohort = None,
    copies: Copies = 100,
    counterfactuals: Annotated[
        int,
        typer.Option(min=0, help="Other pictures made of the masks of the nearest slices."),
    ] = 9,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Show the nearest patients' slices in the report.")
    ] = False,
    seed: Seed = 2026,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Look for copies of archived patients, and prove what would have been found.

    \b
    Example:
      cmr-synth archive build --slices prepared --out archive
      cmr-synth audit neighbours flow --archive archive --slices prepared --out audit
    """
    check_options(data, slices, split)
    from cmr_synth.evaluation.candidates import candidates as made_by
    from cmr_synth.evaluation.events import titled
    from cmr_synth.evaluation.setting import Setting
    from cmr_synth.generators import zoo
    from cmr_synth.privacy.archive import open_with_detector
    from cmr_synth.privacy.audit import audit_neighbours
    from cmr_synth.privacy.explain import explain
    from cmr_synth.reports.privacy import neighbours_content, without_slices

    opened, detector = open_with_detector(archive)
    real = open_slices(data, slices, out, complete=True, quiet=as_json)
    setting = Setting(slices=real, split=split, cohorts=cohort, seed=seed, steps=steps)
    made = list(followed(made_by(candidates, setting), quiet=as_json))
    certificate = certificate_of(opened, detector, copies, quiet=as_json)
    audits = []
    for one in made:
        with progress(f"{one.name}: search", quiet=as_json):
            found = audit_neighbours(one.sample, opened, detector, certificate, sha256=one.sha256)
        if counterfactuals and one.folder is not None and one.masked:
            events = explain(
                found,
                opened,
                detector,
                zoo.load(one.folder).generator,
                count=counterfactuals,
                seed=seed,
                steps=one.steps,
            )
            title = f"{one.name}: other pictures"
            (found,) = followed(titled(title, events), quiet=as_json)
        audits.append(found)
    content = neighbours_content(opened, audits, certificate, pictures=pictures)
    report(content, out, as_json=as_json, facts=without_slices(content.data))
