"""Write the table of cohorts in docs/reference/cohorts.md from the registry.

Run after adding a cohort; a test fails while the table is stale.
"""

from __future__ import annotations

from pathlib import Path

from cmr_synth.cohorts.registry import BUILT_IN, load_cohort

PAGE = Path(__file__).parent / "reference" / "cohorts.md"
BEGIN = "<!-- written by docs/make_cohorts_reference.py -->\n"
END = "<!-- end of what is written -->\n"


def main() -> None:
    """Replace the table of the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def page(text: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def table() -> str:
    """A row for every built-in cohort, then their citations."""
    rows = ["| `NAME` | what | vendor | licence | asked for |", "| --- | --- | --- | --- | --- |"]
    cited = []
    for name in sorted(BUILT_IN):
        cohort = load_cohort(name)
        asked = cohort.asked_for
        link = f"<{asked}>" if asked.startswith("https://") else asked
        rows.append(
            f"| `{name}` | {cohort.title} | {cohort.vendor or 'several, or not stated'} | "
            f"{cohort.licence} | {link} |"
        )
        if cohort.citation != "not stated":
            cited.append(f"- `{name}`: {cohort.citation}")
    return "\n".join([*rows, "", "To be cited:", "", *cited]) + "\n"


if __name__ == "__main__":
    main()
