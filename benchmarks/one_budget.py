"""Who wins with one budget, and who when data are few? Families on all patients and on ten.

    .venv/bin/python benchmarks/one_budget.py [NAME ...] --slices prepared --work one-budget \
        [--images 16000] [--patients 10] [--only-few | --only-all] [--write-docs]

Every family is trained for so many images in each of its stages, on all training patients of the
slices and once more on ten of ACDC, and is measured on the test patients of ACDC as `cmr-synth
compare` does. What `--work` holds, in `all/` and `10/`, is neither trained nor measured again:
models may be trained elsewhere (`models/FIRST+SECOND`), and two processes may take NAMEs each.
`--write-docs` writes docs/reference/one-budget.md and its sheet of what is there.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from _slices import find_slices

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.cohorts.fewer import fewer_patients
from cmr_synth.cohorts.slices import SliceSet, open_slice_set, persons_of
from cmr_synth.comparison.entrants import Budget, entrants, trained
from cmr_synth.comparison.protocol import Comparison, Row
from cmr_synth.evaluation.events import Told
from cmr_synth.files import sha256, write_file
from cmr_synth.generators.card import read_card, write_card
from cmr_synth.generators.zoo import CARD, WEIGHTS
from cmr_synth.reports.numbers import NONE, interval, number
from cmr_synth.reports.sheet import SheetRow, colour_labels, contact_sheet

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference" / "one-budget.md"
SHEET = DOCS / "img" / "one_budget.png"
RECIPES = Path(__file__).with_name("one_budget_recipes")
COHORT = "acdc"
CODES = "latent-codes"
NO_MASK = "no mask"
FAMILIES = {
    "flow@16": "flow matching, U-Net",
    "flow@4": "flow matching, U-Net",
    "flow-dit@4": "flow matching, DiT",
    "flow-uvit@4": "flow matching, U-ViT",
    "flow-direct@4": "flow matching that starts at the mask",
    "flow-phenotypes@4": "flow matching told phenotypes",
    "ddpm": "diffusion",
    "autoencoder+latent-flow": "flow of latents",
    "autoencoder+latent-diffusion": "diffusion of latents",
    f"autoencoder+{CODES}": "flow of latents told codes",
    "autoencoder+latent-unconditional+latent-control": "flow of latents, mask by a ControlNet",
    "autoencoder+mar": "masked autoregression, flow head",
    "autoencoder-vq+maskgit": "masked tokens",
    "spade-gan-first+spade-gan": "conditional GAN, SPADE",
    "cvae": "conditional VAE",
    "factorised": "factorised VAE",
    "autoencoder+latent-unconditional": f"flow of latents, {NO_MASK}",
    "ddpm-unconditional": f"diffusion, {NO_MASK}",
    "dcgan": f"GAN, {NO_MASK}",
    "progressive-gan": f"progressive GAN, {NO_MASK}",
}
"""Names of the recipes, with the sampler's steps where they are not the card's; and in words."""
FEW = (
    "flow@16",
    "flow@4",
    "ddpm",
    "autoencoder+latent-flow",
    "autoencoder+mar",
    "autoencoder-vq+maskgit",
    "spade-gan-first+spade-gan",
    "cvae",
    "factorised",
)
METRICS = ("frechet_ratio", "precision", "recall")
HEAD = """# Families with one budget

Which family of generators is best? Models that were trained for different lengths cannot tell.
Here every family was trained for {images:,} images in each of its stages and measured on the test
patients of ACDC, whom none has seen: once trained on all training patients, once on {few} of ACDC.
The second is the case of most clinics.

```sh
python benchmarks/one_budget.py --slices prepared --images {images} --patients {few}
```

A stage that time ended earlier saw fewer: the last column and [the log](training-log.md) say how
many. One training a family: differences as small as between two trainings of one family say
nothing, and {images:,} images are few. Families that learn in small steps would gain on the others
with more.

![Rows are families, columns masks of test patients](../img/one_budget.png)

"""
TAIL = """
- **Ratio**: Fréchet distance over that of real training to real test pictures, with its 95 %
  interval over patients; 1 is as near as real patients are to each other
- **Precision, recall**: share of synthetic pictures within the reach of real ones, and of real ones
  within that of synthetic ones
- **LV, MYO, RV**: Dice of the structure that the segmenter finds in synthetic pictures, over that
  in real ones
- **Privacy loss**: how much closer pictures lie to training than to test patients, by their nearest
  neighbours; above 0 a model gives patients away
- **Steps**: network evaluations a slice, where they are not the family's own
- **Images**: seen by the last stage
"""
RECORD = DOCS.parent / "tools" / "records" / "one_budget.json"
"""Figures for other pages, where there are no patients."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/one-budget"))
    parser.add_argument("--images", type=int, default=16000, help="budget of each stage")
    parser.add_argument("--patients", type=int, default=10, help="how many are few")
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--only-all", action="store_true", help="nobody on few patients")
    only.add_argument("--only-few", action="store_true")
    parser.add_argument("--write-docs", action="store_true", help="of what is measured already")
    options = parser.parse_args()
    slices = options.slices or find_slices()
    if slices is None:
        print("no patient data, so nothing is compared; set CMR_SYNTH_DATA, or give --slices.")
        return
    whole = open_slice_set(slices)
    few = fewer_patients(whole, options.patients, cohorts=[COHORT])
    sets = {"all": (whole, tuple(FAMILIES)), str(options.patients): (few, FEW)}
    if options.only_all or options.only_few:
        (left_out,) = [size for size in sets if (size == "all") is options.only_few]
        sets.pop(left_out)
    if not options.write_docs:
        for size, (trained_on, names) in sets.items():
            wanted = [name for name in names if not options.names or name in options.names]
            _size(options, whole, trained_on, options.work / size, wanted)
    found = {
        size: {name: facts for name in names if (facts := _kept(options.work / size, name))}
        for size, (_, names) in sets.items()
    }
    text = "\n".join(
        "\n".join([f"## {_told(sets[size][0])}", "", *_table(rows), "", *_winners(rows), ""])
        for size, rows in found.items()
    )
    print(text)
    if options.write_docs:
        facts = {"images": options.images, "few": options.patients}
        PAGE.write_text(HEAD.format(**facts) + text + TAIL, encoding="utf-8")
        _sheet(options.work / "all", list(found["all"]))
        kept = {size: {k: _brief(row) for k, row in rows.items()} for size, rows in found.items()}
        RECORD.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _size(
    options: argparse.Namespace,
    whole: SliceSet,
    trained_on: SliceSet,
    work: Path,
    names: Sequence[str],
) -> None:
    comparison = Comparison(whole, split=options.split, cohorts=[COHORT], trained_on=trained_on)
    work.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(work / "masks.npz", masks=comparison.basis.masks)
    budget = Budget(images=options.images)
    for name in names:
        recipes, _, steps = name.partition("@")
        folder = work / "models" / recipes
        if not (folder / CARD).is_file():
            stages = [_recipe(stage, work) for stage in recipes.split("+")]
            (one,) = entrants(["+".join(stages)], train=True)
            (folder,) = _said(trained(one, trained_on, work, budget, resume=True))
        if _kept(work, name) is None:
            if steps:
                folder = _sampled_with(folder, int(steps))
            (row,) = _said(comparison.rows(folder, name))
            _keep(work, row)


def _sampled_with(folder: Path, steps: int) -> Path:
    """The same model whose card has so many steps."""
    copy = folder.with_name(f"{folder.name}@{steps}")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    card = read_card(folder / CARD)
    write_card(card.model_copy(update={"default_steps": steps}), copy / CARD)
    return copy


def _recipe(stage: str, work: Path) -> str:
    """Of this budget if it has its own; codes are read by the factorised model trained here."""
    if stage == CODES:
        from cmr_synth.training.recipe import load_recipe

        recipe = load_recipe(stage)
        stated = recipe.model_dump(mode="json", exclude_unset=True, exclude={"name"})
        stated["model"] = {**recipe.model, "factorised": str(work / "models" / "factorised")}
        own = work / f"{stage}.yaml"
        own.write_text(yaml.safe_dump(stated), encoding="utf-8")
        return str(own)
    own = RECIPES / f"{stage}.yaml"
    return str(own) if own.is_file() else stage


def _said(events: Any) -> list[Any]:
    """What is no event, once all is done."""
    return [one for one in events if not isinstance(one, Told)]


def _keep(work: Path, row: Row) -> None:
    kept = work / "rows"
    kept.mkdir(exist_ok=True)
    np.savez_compressed(kept / f"{row.name}.npz", pictures=(row.pictures * 255).astype(np.uint8))
    with write_file(kept / f"{row.name}.json") as temporary:
        temporary.write_text(json.dumps(row.as_dict(), indent=1), encoding="utf-8")
    print(f"measured {row.name}", flush=True)


def _kept(work: Path, name: str) -> dict[str, Any] | None:
    """Figures of a model, unless it was trained again since."""
    path = work / "rows" / f"{name}.json"
    weights = work / "models" / name.partition("@")[0] / WEIGHTS
    if not path.is_file():
        return None
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts if not weights.is_file() or facts["sha256"] == sha256(weights) else None


def _told(slices: SliceSet) -> str:
    """How many patients there were to learn from, in words."""
    rows = [row for row in slices.rows if row.split == "train"]
    cohorts = list(dict.fromkeys(row.cohort for row in rows))
    return f"{len(set(persons_of(rows)))} training patients of {', '.join(cohorts)}"


def _table(rows: Mapping[str, dict[str, Any]]) -> list[str]:
    heads = ["Recipe", "What it is", "Ratio", "Precision", "Recall", *STRUCTURES, "Privacy loss"]
    heads += ["Steps", "Parameters", "Images"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, row in rows.items():
        ratio, precision, recall = (row["fidelity"]["metrics"].get(one) for one in METRICS)
        loss = row["privacy_loss"]
        cells = [
            f"`{name.partition('@')[0]}`",
            FAMILIES[name],
            NONE if ratio is None else interval(ratio["value"], ratio["low"], ratio["high"], 2),
            *(NONE if one is None else number(one["value"], 2) for one in (precision, recall)),
            *(number(one, 3) for one in _followed(row)),
            NONE if loss is None else interval(loss["value"], loss["low"], loss["high"], sign=True),
            NONE if row["steps"] is None else str(row["steps"]),
            f"{row['cost']['parameters'] / 1e6:.1f} M",
            f"{row['images_seen']:,}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _followed(row: Mapping[str, Any]) -> list[float | None]:
    if row["adherence"] is None or FAMILIES[row["name"]].endswith(NO_MASK):
        return [None] * len(STRUCTURES)
    seen = {s["structure"]: s for s in row["adherence"]["strata"] if s["by"] == "all"}
    return [seen[name]["scores"]["dice"]["ratio"] for name in STRUCTURES]


def _brief(row: Mapping[str, Any]) -> dict[str, Any]:
    ratio = row["fidelity"]["metrics"]["frechet_ratio"]
    return {
        "sha256": row["sha256"],
        "images": row["images_seen"],
        "ratio": [round(ratio[key], 4) for key in ("value", "low", "high")],
        "adherence": [one and round(one, 4) for one in _followed(row)],
    }


def _winners(rows: Mapping[str, dict[str, Any]]) -> list[str]:
    """Who has the best figure; not that the next one is worse beyond chance."""

    def first(words: str, figures: Mapping[str, float | None], best: Any) -> str | None:
        known = {name: value for name, value in figures.items() if value is not None}
        if len(known) < 2:
            return None
        return f"{words}: `{best(known, key=lambda name: known[name]).partition('@')[0]}`"

    def metric(name: str) -> dict[str, float | None]:
        return {
            k: (row["fidelity"]["metrics"].get(name) or {}).get("value") for k, row in rows.items()
        }

    adherence = {
        name: None if None in (one := _followed(row)) else sum(one) / len(one)  # type: ignore[arg-type]
        for name, row in rows.items()
    }
    loss = {name: (row["privacy_loss"] or {}).get("value") for name, row in rows.items()}
    said = [
        first("pictures like real ones", metric("frechet_ratio"), min),
        first("the variety of real ones", metric("recall"), max),
        first("pictures that follow their masks", adherence, max),
        first("privacy kept", loss, min),
    ]
    return [f"First by {'; '.join(one for one in said if one)}."] if any(said) else []


def _sheet(work: Path, names: Sequence[str]) -> None:
    with np.load(work / "masks.npz") as file:
        masks = file["masks"]
    lines = [SheetRow(pictures=[colour_labels(mask) for mask in masks], name="mask")]
    for name in names:
        with np.load(work / "rows" / f"{name}.npz") as file:
            pictures = file["pictures"].astype(np.float32) / 255
        recipe, _, steps = name.split("+")[-1].partition("@")
        told = f"{steps} steps" if steps else NO_MASK if FAMILIES[name].endswith(NO_MASK) else ""
        shown = recipe.replace("unconditional", "uncond.")  # the margin is narrow
        lines.append(SheetRow(pictures=list(pictures), name=shown, detail=told))
    drawn = contact_sheet(
        lines,
        title="Families with one budget",
        subtitle="Every row below the masks is synthetic and shows no patient.",
        footnote="Masks of test patients of ACDC; families without one draw hearts of their own.",
        tile=112,
    )
    with write_file(SHEET) as temporary:
        drawn.save(temporary, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
