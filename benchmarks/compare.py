"""Every generator of cine in the package under one protocol, and its table for the documentation.

    .venv/bin/python benchmarks/compare.py [--slices prepared] [--out compared] [--write-docs]

Runs `cmr-synth compare` on all bundled generators. With `--write-docs` the table replaces
docs/reference/comparison.md, and the sheet docs/img/comparison.png, without real pictures. Without
`--slices` a slice set is found, or made, as for `benchmarks/quality.py`.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from _slices import find_slices

from cmr_synth.cohorts.examination import CINE
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.generators.registry import families
from cmr_synth.reports.comparison import SHEET, TABLE

DOCS = Path(__file__).resolve().parents[1] / "docs"
HEAD = """# The bundled generators compared

Every generator of cine that comes with the package, on patients that none of them has seen. The
table is written by

```sh
python benchmarks/compare.py --slices prepared --write-docs
```

Machine: {machine}.

These models had different budgets, which their cards state: the table says which file to use, not
which family is better. That is [families with one budget](one-budget.md), or [yours, on your
patients](../how-to/compare.md).

![One row per generator, one column per mask](../img/comparison.png)

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--out", type=Path, help="keep table, page and figures here")
    parser.add_argument("--write-docs", action="store_true")
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
        if options.write_docs:
            table = (out / TABLE).read_text(encoding="utf-8")
            page = HEAD.format(machine=_machine()) + table
            (DOCS / "reference" / "comparison.md").write_text(page, encoding="utf-8")
            shutil.copyfile(out / SHEET, DOCS / "img" / "comparison.png")


def _draws_cine(card: Card) -> bool:
    return card.family in families() and card.conditions.contrast == CINE


def _machine() -> str:
    import torch

    kind = torch.backends.cpu.get_cpu_capability()
    return f"{torch.get_num_threads()} processor cores ({platform.machine()}, {kind}), no GPU"


if __name__ == "__main__":
    main()
