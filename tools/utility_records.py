"""The scores of every training of the utility study, kept with the program and laid out again.

    .venv/bin/python tools/utility_records.py keep runs/zoo/utility
    .venv/bin/python tools/utility_records.py lay runs/zoo/utility

A study of hours is thereby gone on with on another machine, and what a card says of it can be
counted again from the scores of each patient. A training's folder is named after all that it
depends on (data, protocol, recipe, model), so that scores of other pictures are never taken.
`tools/measure_zoo.py` does both by itself.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

from cmr_synth.evaluation.utility.runs import SCORES, Run
from cmr_synth.files import write_file

RECORDS = Path(__file__).parent / "records" / "utility.jsonl.gz"
DIGITS = 5  # of a score: a pixel of a structure is more than that


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["keep", "lay"])
    parser.add_argument("folder", type=Path, help="of the study")
    options = parser.parse_args()
    count = keep(options.folder) if options.what == "keep" else lay(options.folder)
    print(f"{RECORDS}: {count} trainings")


def keep(folder: Path, records: Path = RECORDS) -> int:
    """Add a study's scores to the records; the number of trainings that they hold then."""
    known = dict(_lines(records))
    for path in folder.rglob(SCORES):
        facts = json.loads(path.read_text(encoding="utf-8"))
        known[path.parent.relative_to(folder).as_posix()] = _rounded(facts)
    lines = [json.dumps({"folder": own, **known[own]}, allow_nan=False) for own in sorted(known)]
    packed = gzip.compress("\n".join(lines).encode(), compresslevel=9, mtime=0)
    records.parent.mkdir(parents=True, exist_ok=True)
    with write_file(records) as temporary:
        temporary.write_bytes(packed)
    return len(known)


def lay(folder: Path, records: Path = RECORDS) -> int:
    """Write recorded scores into a study's folder where it has none; how many were written."""
    written = 0
    for own, facts in _lines(records):
        path = folder / own / SCORES
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_file(path) as temporary:
                temporary.write_text(json.dumps(facts, allow_nan=False) + "\n", encoding="utf-8")
            Run.read(path)  # a record that cannot be read is found here
            written += 1
    return written


def _lines(records: Path) -> list[tuple[str, dict[str, object]]]:
    if not records.exists():
        return []
    lines = gzip.decompress(records.read_bytes()).decode().splitlines()
    found = [json.loads(line) for line in lines]
    return [(facts.pop("folder"), facts) for facts in found]


def _rounded(facts: object) -> object:
    if isinstance(facts, float):
        return round(facts, DIGITS)
    if isinstance(facts, list):
        return [_rounded(one) for one in facts]
    return {k: _rounded(v) for k, v in facts.items()} if isinstance(facts, dict) else facts


if __name__ == "__main__":
    main()
