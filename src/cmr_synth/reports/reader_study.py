"""Results of a reader study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmr_synth.reports.content import Content, Section, Table
from cmr_synth.reports.numbers import interval, number
from cmr_synth.reports.plots import Span, intervals

if TYPE_CHECKING:
    from cmr_synth.evaluation.readers.study import Calls, StudyResult

COLUMNS = {
    "Of": "",
    "Images": "read",
    "Right": "",
    "Accuracy": "share called rightly, with Wilson's 95 % interval; 0.5 is guessing",
    "d'": "detectability, with the log-linear correction; 0 is guessing, above 1 is easy",
    "Quality, real": "mean, from 1 (not diagnostic) to 5 (excellent)",
    "Quality, synthetic": "",
}


def reader_study_content(found: StudyResult) -> Content:
    """Accuracy, detectability and agreement of the readers, overall and by vendor."""
    readers = [found.overall, *found.readers]
    main = Table(COLUMNS, [_cells(one) for one in readers])
    lead = (
        f"{len(found.readers)} reader{'s' * (len(found.readers) != 1)} of {found.images} pictures, "
        "half of them real. An interval around 0.5 means that they could not be told apart; a "
        "narrow one needs many pictures."
    )
    plot = intervals(
        [
            Span(name=f"{one.of} (n={one.images})", value=one.accuracy, low=one.low, high=one.high)
            for one in [*readers, *found.vendors]
        ],
        says="Accuracy with its 95 % interval",
        label="accuracy",
        centre=0.5,
        limits=(0, 1),
    )
    by_vendor = Table(list(COLUMNS), [_cells(one) for one in found.vendors])
    sections = [
        Section(title="Real or synthetic", tables=[main], plots=[plot]),
        Section(title="By vendor", tables=[by_vendor]),
    ]
    if found.kappas:
        columns = {"Readers": "", "Kappa": "agreement beyond chance; 0 is chance, 1 is always"}
        rows = [[pair, number(kappa, 2)] for pair, kappa in found.kappas.items()]
        rows.append([f"all, on {found.shared} pictures (Fleiss)", number(found.fleiss, 2)])
        sections.append(Section(title="Do readers agree", tables=[Table(columns, rows)]))
    return Content(
        title="Reader study",
        lead=lead,
        sections=sections,
        data=found.as_dict(),
        brief=[main, "", lead],
    )


def _cells(one: Calls) -> list[str]:
    return [
        one.of,
        str(one.images),
        str(one.right),
        interval(one.accuracy, one.low, one.high, 2),
        number(one.d_prime, 2),
        number(one.quality_real, 1),
        number(one.quality_synthetic, 1),
    ]
