"""Results of a reader study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmr_synth.reports.content import Content, Section, Table
from cmr_synth.reports.numbers import interval, number
from cmr_synth.reports.plots import Span, intervals

if TYPE_CHECKING:
    from cmr_synth.evaluation.readers.calls import Calls
    from cmr_synth.evaluation.readers.study import StudyResult

COLUMNS = {
    "Of": "",
    "Images": "read, once for each reader",
    "Right": "",
    "Accuracy": "share called rightly; 0.5 is guessing",
    "Sensitivity": "share of synthetic images called synthetic",
    "Specificity": "share of real images called real",
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
        f"narrow one needs many pictures and many readers. {_meaning(len(found.readers))}"
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


def _meaning(readers: int) -> str:
    """Of whom the intervals speak."""
    alone = "they say what this reader would do on other pictures, and nothing of other readers."
    if readers == 1:
        return f"Intervals are of 95 %, patients drawn anew: {alone}"
    return (
        "Intervals are of 95 %, readers and patients drawn anew together: the one of all readers "
        "says what other readers would do on other pictures. Intervals of a single reader draw "
        "patients alone and speak of that reader only."
    )


def _cells(one: Calls) -> list[str]:
    return [
        one.of,
        str(one.images),
        str(one.right),
        interval(one.accuracy, one.low, one.high, 2),
        interval(one.sensitivity, one.sensitivity_low, one.sensitivity_high, 2),
        interval(one.specificity, one.specificity_low, one.specificity_high, 2),
        interval(one.d_prime, one.d_prime_low, one.d_prime_high, 2),
        number(one.quality_real, 1),
        number(one.quality_synthetic, 1),
    ]
