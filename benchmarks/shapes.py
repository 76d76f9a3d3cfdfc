"""How good sampled hearts are, and whether their model gives patients away.

    .venv/bin/python benchmarks/shapes.py [NAME=PATH] [--n 1000] [--sheets DIR] [--write-card]

By default ACDC below CMR_SYNTH_DATA or ../shared/data, split as the model on its card: patients who
were not trained on are compared with. Draws `--n` hearts of each pathology in turn on slices 10 mm
apart and prints how many draws were implausible, how often healthy ones lie in published ranges,
the two-sample test of ten measurements (Kolmogorov and Smirnov, Holm's correction), the Dice of
unseen patients that the model draws again, and the privacy audit. `--sheets` writes contact sheets;
`--write-card` puts the figures on the bundled model's card.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cmr_synth.anatomy.plausibility import is_plausible
from cmr_synth.anatomy.plausible_pairs import pair_findings
from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.anatomy.shapes.card import write_card
from cmr_synth.anatomy.shapes.model import BUNDLED
from cmr_synth.anatomy.shapes.new_heart import HeartGrid, NewHeart, new_heart
from cmr_synth.anatomy.shapes.wishes import Wishes
from cmr_synth.cohorts.examination import LeftOut
from cmr_synth.cohorts.hearts import Heart, read_hearts
from cmr_synth.cohorts.registry import parse_sources
from cmr_synth.evaluation.new_hearts import (
    compared,
    mean_with_interval,
    measurements,
    reconstruction,
    within_ranges,
)
from cmr_synth.privacy.shapes import Person, audit_shapes
from cmr_synth.reports.mask_sheet import SheetHeart, mask_sheet

SPACING = (10.0, 1.5, 1.5)  # as most stacks of ACDC
ON_A_SHEET = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", metavar="NAME=PATH")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--write-card", action="store_true")
    options = parser.parse_args()
    data = Path(os.environ.get("CMR_SYNTH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if options.source is None and not (data / "acdc" / "training").is_dir():
        print(f"no patient data at {data}; set CMR_SYNTH_DATA to the folder that holds acdc/")
        return
    ((name, root),) = parse_sources([options.source or f"acdc={data / 'acdc' / 'training'}"])
    model = ShapeModel.load()
    left_out: list[LeftOut] = []
    hearts = list(read_hearts(name, root, left_out, seed=int(model.card.split["seed"])))
    hearts = [heart for heart in hearts if heart.pathology in model.pathologies]
    test = [heart for heart in hearts if heart.split == "test"]
    facts: dict[str, Any] = {
        "cohort": name,
        "reconstruction": reconstructed(model, test),
        "sampled": sampled(model, test, options.n, options.seed, options.sheets),
        "asked_for": asked_for(model, options.seed),
        "privacy": audited(model, hearts, options.n, options.seed),
    }
    if options.write_card:
        write_card(model.card.model_copy(update={"measured": facts}), BUNDLED)
        print(f"\nwritten to the card: {BUNDLED}")


def reconstructed(model: ShapeModel, test: Sequence[Heart]) -> dict[str, Any]:
    """Dice of unseen patients, whole shapes and what the modes alone make of them."""
    print(f"\nDice of {len(test)} test patients drawn again, mean and 95 % interval")
    facts: dict[str, Any] = {"patients": len(test)}
    for title, alone in (("whole shape", False), ("mean and modes alone", True)):
        found = reconstruction(model, test, modes_alone=alone)
        facts[title] = {
            phase: {
                structure: [round(v, 3) for v in mean_with_interval(values)]
                for structure, values in by_structure.items()
            }
            for phase, by_structure in found.items()
        }
        for phase, by_structure in facts[title].items():
            shown = "  ".join(
                f"{structure} {v:.3f} ({low:.3f} to {high:.3f})"
                for structure, (v, low, high) in by_structure.items()
            )
            print(f"  {title:<21}{phase}  {shown}")
    return facts


def sampled(
    model: ShapeModel, test: Sequence[Heart], n: int, seed: int, sheets: Path | None
) -> dict[str, Any]:
    """Plausibility, ranges and the two-sample test of n hearts."""
    grid, kinds = HeartGrid(spacing=SPACING), model.pathologies
    made: list[tuple[str, dict[str, float]]] = []
    plausible = redrawn = 0
    shown: dict[str, list[NewHeart]] = {kind: [] for kind in kinds}
    clock, processor = time.perf_counter(), time.process_time()
    for number in range(n):
        kind = kinds[number % len(kinds)]
        heart = new_heart(model, Wishes(pathology=kind), seed=seed, number=number, grid=grid)
        plausible += is_plausible(pair_findings(heart.ed, heart.es, heart.spacing))
        redrawn += len(heart.redrawn)
        made.append((kind, measurements(heart.ed, heart.es, heart.spacing)))
        if len(shown[kind]) < ON_A_SHEET:
            shown[kind].append(heart)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    if sheets is not None:
        write_sheets(shown, sheets)
    healthy = within_ranges([one for kind, one in made if kind == "normal"])
    real = [measurements(heart.ed, heart.es, heart.spacing) for heart in test]
    tests = compared([one for _, one in made], real)
    kept = sum(one.p_corrected >= 0.05 for one in tests.values())
    print(f"\n{n} hearts: {plausible} plausible, {redrawn} draws thrown away", end="; ")
    print(f"{processor / n:.2f} s of processor and {clock / n:.2f} s on the clock each")
    print(f"healthy ones inside published ranges: {healthy['all']:.1%} of measurements")
    print(f"against {len(real)} test patients: {kept} of {len(tests)} measurements not rejected")
    print("  measurement  sampled mean (SD)   patients mean (SD)  KS     p      p corrected")
    for name, one in tests.items():
        (a, b), (c, d) = one.sampled, one.real
        print(
            f"  {name:<12} {a:8.2f} ({b:7.2f})  {c:9.2f} ({d:7.2f})   {one.statistic:.3f}  "
            f"{one.p:.3f}  {one.p_corrected:.3f}"
        )
    return {
        "hearts": n,
        "plausible": plausible,
        "thrown_away": redrawn,
        "healthy_in_published_ranges": round(healthy["all"], 4),
        "test_patients": len(real),
        "not_rejected": kept,
        "two_sample": {
            name: {"statistic": round(one.statistic, 3), "p_holm": round(one.p_corrected, 3)}
            for name, one in tests.items()
        },
    }


def asked_for(model: ShapeModel, seed: int) -> dict[str, Any]:
    """Error of the ejection fraction that masks have where one is asked for, 10 to 75 %."""
    grid = HeartGrid(spacing=SPACING)
    errors = []
    for number, ef in enumerate(range(10, 76, 5)):
        heart = new_heart(model, Wishes(ef=ef / 100), seed=seed, number=number, grid=grid)
        errors.append(abs(100 * heart.measured["lv_ef"] - ef))
    middle = sorted(errors)[len(errors) // 2]
    most = max(errors)
    print(f"\nEF asked for, 10 to 75 %: off by {middle:.2f} points (median), {most:.2f} at most")
    return {"ef_points_median": round(middle, 2), "ef_points_most": round(most, 2)}


def audited(model: ShapeModel, hearts: Sequence[Heart], n: int, seed: int) -> dict[str, Any]:
    """Nearest training shapes, and membership."""
    persons = {
        side: [
            Person(
                name=heart.patient,
                pathology=str(heart.pathology),
                shape=model.encode(heart.ed, heart.es, heart.spacing),
            )
            for heart in hearts
            if (heart.split == "train") == (side == "members")
        ]
        for side in ("members", "others")
    }
    kinds = model.pathologies
    drawn = [model.sample([seed, i], pathology=kinds[i % len(kinds)]) for i in range(n)]
    found = audit_shapes(model, persons["members"], persons["others"], drawn, seed=seed)
    print(f"\nprivacy: {len(persons['members'])} members, {len(persons['others'])} others")
    for side, values in (("sampled", found.sampled_mm), ("held out", found.held_out_mm)):
        low, middle, high = values
        print(f"  {side:<9} nearest training shape {middle:.1f} mm ({low:.1f} to {high:.1f})")
    print(f"  sampled nearer than 5 % of the held-out are: {found.nearer_share:.1%}")
    copying = found.copying
    print(f"  data copying C_T {copying.value:.2f} ({copying.low:.2f} to {copying.high:.2f})")
    for title, one in (("samples", found.from_samples), ("the model", found.from_model)):
        print(
            f"  membership from {title}: AUC {one.auc[0]:.2f} ({one.auc[1]:.2f} to "
            f"{one.auc[2]:.2f}), p {one.p:.4f}"
        )
    return found.as_dict()


def write_sheets(shown: dict[str, list[NewHeart]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, some in shown.items():
        rows = [
            SheetHeart(
                ed=heart.ed,
                es=heart.es,
                name=f"EDV {heart.measured['lv_edv_ml']:.0f} mL",
                detail=f"EF {heart.measured['lv_ef']:.0%}",
            )
            for heart in some
        ]
        mask_sheet(rows, title=f"Sampled hearts: {kind}").save(folder / f"{kind}.png")


if __name__ == "__main__":
    main()
