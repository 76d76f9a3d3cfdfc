"""Who wins when data are few? Families with one budget, on all training patients and on ten.

    .venv/bin/python benchmarks/few_patients.py --slices prepared --drawn drawn --work runs/few \
        [--minutes 20] [--write-docs]

`prepared` is what models learn from, `drawn` the same patients prepared with `--no-complete`, since
a segmenter's guess is no truth to test on. Every family is trained for so many minutes on so many
patients of ACDC and measured on its test patients by `cmr-synth compare`; then a segmenter learns
from each one's synthetic slices of the same patients' masks (`cmr-synth evaluate utility`, shorter
than by default). What `--work` holds is not made again. Hours on two cores; `--write-docs` writes
docs/reference/few-patients.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _slices import find_slices

from cmr_synth.cohorts.slices import open_slice_set, persons_of
from cmr_synth.reports.numbers import NONE, interval, number

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "few-patients.md"
FAMILIES = (
    "flow",
    "ddpm",
    "autoencoder+latent-flow",
    "spade-gan-first+spade-gan",
    "cvae",
)
FEW = 10
STRUCTURES = ("LV", "MYO", "RV")
WINNERS = {
    "Ratio": ("pictures like real ones", min),
    "Adherence": ("pictures that follow their masks", max),
    "Recall": ("the variety of real ones", max),
    "Privacy loss": ("privacy kept", min),
    "Utility": ("what a segmenter learns", max),
}
HEAD = """# Who wins when data are few

Families of generators trained for {minutes:g} minutes each on {machine}, once on all training
patients of ACDC and once on {few} of them, and measured on its test patients, whom none has seen.
The table is written by

```sh
cmr-synth cohort prepare acdc=ACDC/training --out prepared
cmr-synth cohort prepare acdc=ACDC/training --no-complete --out drawn
python benchmarks/few_patients.py --slices prepared --drawn drawn --work few --write-docs
```

One training a family: differences as small as between two trainings of one family say nothing.

"""
TAIL = """
- **Ratio**: Fréchet distance over that of real training to real test pictures, with its 95 %
  interval over patients
- **LV, MYO, RV**: Dice of the structure found in synthetic pictures, over that in real ones
- **Recall**: share of real pictures within the reach of synthetic ones
- **Privacy loss**: how much closer pictures lie to training than to test patients; above 0 a model
  gives patients away
- **Utility**: mean Dice, on the test patients, of a segmenter that learned from the synthetic
  slices alone, less that of one that learned from the same patients' real slices; {images:,} slices
  seen, 5 seeds, with the interval over patients and seeds
- **Images**: seen in the training, all stages together
"""


@dataclass(frozen=True)
class Line:
    """One family at one size; figures as (value, low, high)."""

    name: str
    family: str
    images: int
    ratio: tuple[float, float, float]
    adherence: tuple[float, float, float] | None
    recall: float
    loss: tuple[float, float, float]
    utility: tuple[float, float, float] | None

    def figure(self, heading: str) -> float | None:
        """What is compared under a heading of `WINNERS`."""
        if heading == "Adherence":
            return None if self.adherence is None else sum(self.adherence) / len(self.adherence)
        found = {"Ratio": self.ratio, "Privacy loss": self.loss, "Utility": self.utility}
        if heading == "Recall":
            return self.recall
        own = found[heading]
        return None if own is None else own[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", default=FAMILIES)
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--drawn", type=Path, help="prepared with --no-complete; by default slices")
    parser.add_argument("--work", type=Path, default=Path("runs/few"))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--images", type=int, default=2400, help="seen by each segmenter")
    parser.add_argument("--split", default="test")
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    slices = options.slices or find_slices()
    if slices is None:
        print("no patient data, so nothing is compared; set CMR_SYNTH_DATA, or give --slices.")
        return
    rows = open_slice_set(slices).rows
    training = [row for row in rows if (row.cohort, row.split) == ("acdc", "train")]
    everyone = len(set(persons_of(training)))
    tables = {
        f"{count} training patients": _size(
            options, slices, options.drawn or slices, options.work / str(count), count
        )
        for count in (everyone, FEW)
    }
    text = "\n".join(
        "\n".join([f"## {words}", "", *_table(lines), "", *_winners(lines), ""])
        for words, lines in tables.items()
    )
    print(text)
    if options.write_docs:
        facts = {"minutes": options.minutes, "machine": _machine(), "few": FEW}
        page = HEAD.format(**facts) + text + TAIL.format(images=options.images)
        PAGE.write_text(page, encoding="utf-8")


def _size(
    options: argparse.Namespace, slices: Path, drawn: Path, work: Path, patients: int
) -> list[Line]:
    on = ["--training-patients", str(patients)]
    trained = [*options.families, "--train", "--minutes", str(options.minutes), "--resume", *on]
    where = ["--slices", str(slices), "--split", options.split, "--out", str(work)]
    compared = _program("compare", *trained, "--no-real", *where)
    lines = []
    for row in compared["models"]:
        folder = work / "models" / row["name"]
        gained = None
        if row["adherence"] is not None:
            short = ["--no-mixtures", "--no-rivals", "--images", str(options.images), *on]
            out = ["--slices", str(drawn), "--split", options.split, "--out", str(work / "utility")]
            found = _program("evaluate", "utility", str(folder), *short, *out)
            gained = _gained(found)
        lines.append(_line(row, gained))
    return lines


def _program(*arguments: str) -> dict[str, Any]:
    program = [sys.executable, "-m", "cmr_synth.cli", *arguments, "--json"]
    done = subprocess.run(program, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)  # it has said why
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _gained(found: dict[str, Any]) -> tuple[float, float, float] | None:
    (model,) = found["models"].values()
    for one in model["results"]:
        stratum = one["stratum"]
        where = (one["arm"], one["score"], stratum["by"], stratum["value"], stratum["structure"])
        if where == ("synthetic", "dice", "cohort", "acdc", "mean"):
            return one["difference"], one["difference_low"], one["difference_high"]
    return None


def _line(row: dict[str, Any], gained: tuple[float, float, float] | None) -> Line:
    ratio, loss = row["fidelity"]["metrics"]["frechet_ratio"], row["privacy_loss"]
    adherence = None
    if row["adherence"] is not None:
        seen = {s["structure"]: s for s in row["adherence"]["strata"] if s["by"] == "all"}
        adherence = tuple(seen[name]["scores"]["dice"]["ratio"] for name in STRUCTURES)
    return Line(
        name=row["name"],
        family=row["family"],
        images=row["images_seen"],
        ratio=(ratio["value"], ratio["low"], ratio["high"]),
        adherence=adherence,
        recall=row["fidelity"]["metrics"]["recall"]["value"],
        loss=(loss["value"], loss["low"], loss["high"]),
        utility=gained,
    )


def _table(lines: Sequence[Line]) -> list[str]:
    rows = [
        "| Recipe | Ratio | LV | MYO | RV | Recall | Privacy loss | Utility | Images |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in lines:
        followed = [NONE] * 3 if one.adherence is None else [number(v, 3) for v in one.adherence]
        gained = NONE if one.utility is None else interval(*one.utility, sign=True)
        cells = [
            one.name,
            interval(*one.ratio, 2),
            *followed,
            number(one.recall, 2),
            interval(*one.loss, sign=True),
            gained,
            f"{one.images:,}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _winners(lines: Sequence[Line]) -> list[str]:
    """Who has the best figure; not that the next one is worse beyond chance."""
    said = []
    for heading, (words, best) in WINNERS.items():
        known = {one.name: v for one in lines if (v := one.figure(heading)) is not None}
        if len(known) > 1:
            said.append(f"{words}: `{best(known, key=lambda name: known[name])}`")
    return [f"First by {'; '.join(said)}."] if said else []


def _machine() -> str:
    import torch

    kind = torch.backends.cpu.get_cpu_capability()
    return f"{torch.get_num_threads()} processor cores ({platform.machine()}, {kind})"


if __name__ == "__main__":
    main()
