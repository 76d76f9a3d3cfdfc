"""Try every figure in the worlds where its answer is known, and write the page of what was found.

    make trust

The worlds are in tests/worlds and run as tests as well. The exit status is 1 if a figure that is
not known to be at fault does not hold, or one that is known to be does.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cmr_synth.files import write_file

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the worlds are tests, which are not installed

from tests.worlds.registry import WORLDS  # noqa: E402
from tests.worlds.tried import Tried  # noqa: E402

PAGE = ROOT / "docs" / "explanation" / "trust.md"
BEGIN, END = "<!-- worlds: begin -->", "<!-- worlds: end -->"
HEAD = ("Figure", "World", "Expected", "Found", "Holds")


def main() -> int:
    found, surprises = [], 0
    for name, world in WORLDS.items():
        started = time.perf_counter()
        tried = world.tried()
        found.append(tried)
        surprises += tried.holds == bool(world.defect)
        seconds = time.perf_counter() - started
        print(f"{name}: {tried.found}, {_verdict(tried)} ({seconds:.1f} s)", flush=True)
    text = written(PAGE.read_text(encoding="utf-8"), found)
    with write_file(PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return 1 if surprises else 0


def written(page: str, found: list[Tried]) -> str:
    """The page with what was found between its marks, and below it what does not hold."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [_row(HEAD), _row(["---"] * len(HEAD))]
    lines += [_row([t.figure, t.world, t.expected, t.found, _verdict(t)]) for t in found]
    faults = [f"- **{one.figure}**: {one.defect}." for one in WORLDS.values() if one.defect]
    if faults:
        lines += ["", "What a reader must take from those that do not hold:", "", *faults]
    return "\n".join([before + BEGIN, *lines, END + after])


def told(page: str) -> list[tuple[str, str]]:
    """Figure and world of every row of the page."""
    _, _, rest = page.partition(BEGIN)
    table, _, _ = rest.partition(END)
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("|")]
    return [(figure.strip(), world.strip()) for figure, world in rows[2:]]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _verdict(tried: Tried) -> str:
    return "yes" if tried.holds else "does not hold"


if __name__ == "__main__":
    sys.exit(main())
