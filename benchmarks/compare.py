"""Every generator of cine in the package under one protocol.

    .venv/bin/python benchmarks/compare.py [--slices prepared] [--out compared]

Runs `cmr-synth compare` on all bundled generators of cine. Without `--slices` a slice set is found,
or made, as for `benchmarks/quality.py`. How families compare: `one_budget.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from _slices import find_slices

from cmr_synth.cohorts.examination import CINE
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.generators.registry import families


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--out", type=Path, help="keep table, page and figures here")
    options = parser.parse_args()

    slices = options.slices or find_slices()
    if slices is None:
        print("no patient data, so nothing is compared; set CMR_SYNTH_DATA, or give --slices.")
        return
    names = [
        entry.name
        for entry in zoo.entries()
        if entry.source == "bundled" and _draws_cine(zoo.card_of(entry))
    ]
    with tempfile.TemporaryDirectory(prefix="cmr-synth-") as temporary:
        out = options.out or Path(temporary) / "compared"
        program = [sys.executable, "-c", "from cmr_synth.cli import main; main()", "compare"]
        asked = [*names, "--slices", str(slices), "--no-real", "--out", str(out)]
        subprocess.run([*program, *asked], check=True)


def _draws_cine(card: Card) -> bool:
    return card.family in families() and card.conditions.contrast == CINE


if __name__ == "__main__":
    main()
