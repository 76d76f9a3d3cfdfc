"""Write the table of metrics into the page of the documentation.

    .venv/bin/python tools/document_metrics.py

A test fails when the page is not what this writes.
"""

from __future__ import annotations

from pathlib import Path

from cmr_synth.evaluation.realism.contract import Metric, Truths
from cmr_synth.evaluation.realism.metrics import BUILT_IN, load_metric
from cmr_synth.files import write_file

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
BEGIN, END = "<!-- metrics: begin -->", "<!-- metrics: end -->"


def main() -> None:
    text = documented(PAGE.read_text(encoding="utf-8"))
    with write_file(PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")


def documented(page: str) -> str:
    """The page with the table as it is now between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, *table(), END + after])


def table() -> list[str]:
    """One line for each of our metrics."""
    return [
        "| Name | Column | What it says | Damage | Against itself | Slices twice | Because |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_line(load_metric(name)) for name in BUILT_IN),
    ]


def _line(metric: Metric) -> str:
    where = "each feature space" if "features" in metric.needs else metric.section
    truths = metric.truths
    cells = [
        f"`{metric.name}`",
        f"{metric.heading} ({where})",
        metric.sentence,
        "raises it" if truths.worse == "higher" else "lowers it",
        _itself(truths),
        _twice(truths),
        truths.why,
    ]
    return "| " + " | ".join(cells) + " |"


def _itself(truths: Truths) -> str:
    if truths.identity == "floor":
        return "as its floor"
    if truths.identity != truths.identity:
        return "none"
    return f"{'about ' if truths.within > 1e-6 else ''}{truths.identity:g}"


def _twice(truths: Truths) -> str:
    if isinstance(truths.duplicates, str):
        return {"higher": "raise it", "lower": "lower it", "either": "move it"}[truths.duplicates]
    return "nothing" if truths.duplicates <= 1e-6 else f"at most {truths.duplicates:.0%}"


if __name__ == "__main__":
    main()
