"""Do dials do what is asked of them, and how quickly? On drawn hearts and on patients' masks.

    .venv/bin/python benchmarks/dials.py
    .venv/bin/python benchmarks/dials.py --masks ACDC/training --plot docs/img/dials-effects.png

Every dial is turned to several amounts on every heart (ED). Asked and measured: the measurement
that the dial is about, by its median over hearts and its median absolute error in % of what was
asked. There and back: Dice of the mask that the inverse warp makes of the turned mask with the
original, the worst structure, over all amounts; along the axis both ways pass between slices.
Slider: time until the labels of one slice, and of the stack, are there, the heart being prepared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.dials import Dials, Effect, Heart, Region, Regional, move_labels
from cmr_synth.anatomy.labels import LV, MYO, RV, scar_as_myocardium
from cmr_synth.anatomy.template import SIZES, draw_stack
from cmr_synth.errors import InputError

DRAWN = 8  # of each anatomy
SPACING = (8.0, 1.5, 1.5)
SEPTAL, INFERIOR = Region("septal"), Region("inferior")

TRIED: dict[str, list[tuple[float, Dials]]] = {
    "dilation": [(a, Dials(dilation=a)) for a in (-0.5, -0.25, 0.25, 0.5, 1.0)],
    "hypertrophy": [(a, Dials(hypertrophy=(Regional(a),))) for a in (0.25, 0.5, 1.0)],
    "hypertrophy@septal": [
        (a, Dials(hypertrophy=(Regional(a, SEPTAL),))) for a in (0.25, 0.5, 1.0)
    ],
    "thinning@inferior": [(a, Dials(thinning=(Regional(a, INFERIOR),))) for a in (0.25, 0.5)],
    "scar@inferior": [(a, Dials(scar=(Regional(a, INFERIOR),))) for a in (0.25, 0.5, 1.0)],
    "rv_dilation": [(a, Dials(rv_dilation=a)) for a in (-0.4, 0.25, 0.5, 1.0)],
    "septal_flattening": [(a, Dials(septal_flattening=a)) for a in (0.25, 0.5, 1.0)],
    "apical_displacement": [(a, Dials(apical_displacement=a)) for a in (-0.15, 0.1, 0.2)],
    "basal_shift": [(a, Dials(basal_shift=a)) for a in (-0.1, 0.1, 0.2)],
}


@dataclass(frozen=True)
class Turn:
    """One dial at one amount on one heart."""

    dial: str
    amount: float
    effect: Effect
    dice: float


def main() -> None:
    """Print the table and the times; draw asked against measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=Path, help="folder of ACDC; drawn hearts if not given")
    parser.add_argument("--patients", type=int, default=20, help="of every so-manieth")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    hearts = list(drawn() if options.masks is None else patients(options.masks, options.patients))
    turns, refused = [], 0
    for heart in hearts:
        for name, amounts in TRIED.items():
            for amount, dials in amounts:
                try:
                    turns.append(turned(heart, name, amount, dials))
                except InputError:  # such as no slice beyond the apex for it to move to
                    refused += 1
    print(f"{len(hearts)} hearts; {refused} of {refused + len(turns)} turns refused by the mask\n")
    print("| dial | amount | n | asked | measured | error % | there and back |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, amounts in TRIED.items():
        for amount, _ in amounts:
            line(name, amount, [t for t in turns if (t.dial, t.amount) == (name, amount)])
    inside = [t.dice for t in turns if t.dial not in ("apical_displacement", "basal_shift")]
    print(f"\nthere and back, within slices: median {statistics.median(inside):.3f}, ", end="")
    print(f"5th percentile {np.percentile(inside, 5):.3f}, worst {min(inside):.3f}")
    times(hearts[0])
    if options.plot:
        plot(turns, options.plot)


def drawn() -> Iterator[Heart]:
    """Hearts drawn in code, with two empty slices on either side."""
    for anatomy in SIZES:
        for seed in range(DRAWN):
            labels = draw_stack(seed=seed, anatomy=anatomy, shape=(144, 144))
            yield Heart(np.pad(labels, ((2, 2), (0, 0), (0, 0))), SPACING, name=f"{anatomy} {seed}")


def patients(folder: Path, count: int) -> Iterator[Heart]:
    """ED masks of patients spread over the folder, with two empty slices on either side."""
    from cmr_synth.imaging.masks import read_mask

    found = sorted(p for p in folder.glob("patient*") if p.is_dir())
    for patient in found[:: max(1, len(found) // count)][:count]:
        scan = read_mask(sorted(patient.glob("*_gt.nii.gz"))[0], convention="acdc").scan
        labels = np.pad(scan.array.astype(np.uint8), ((2, 2), (24, 24), (24, 24)))
        try:
            yield Heart(labels, scan.spacing, name=patient.name)
        except InputError as error:
            print(f"left out: {error}")


def turned(heart: Heart, name: str, amount: float, dials: Dials) -> Turn:
    """Turn a dial, and back."""
    done = heart.turned(dials)
    (effect, *_) = [e for e in done.effects if e.dial == name.split("@")[0]]
    back = move_labels(scar_as_myocardium(done.labels), done.warp.inverse)
    present = [s for s in (LV, MYO, RV) if (heart.labels == s).any()]
    return Turn(name, amount, effect, min(dice(back, heart.labels, s) for s in present))


def dice(one: np.ndarray, other: np.ndarray, label: int) -> float:
    """Of one structure."""
    a, b = one == label, other == label
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def line(name: str, amount: float, turns: list[Turn]) -> None:
    """One row of the table."""
    if not turns:
        print(f"| {name} | {amount:g} | 0 | | | | |")
        return
    asked, measured = (
        statistics.median(getattr(t.effect, what) for t in turns) for what in ("asked", "measured")
    )
    error = statistics.median(100 * abs(t.effect.error) for t in turns)
    unit, back = turns[0].effect.unit, statistics.median(t.dice for t in turns)
    print(
        f"| {name} | {amount:g} | {len(turns)} | {asked:.4g} {unit} | {measured:.4g} {unit} | "
        f"{error:.1f} | {back:.3f} |"
    )


def times(heart: Heart) -> None:
    """How long a slider waits for its labels."""
    k = len(heart.labels) // 2
    dials = [Dials(dilation=a, hypertrophy=(Regional(0.3, SEPTAL),)) for a in np.linspace(0, 1, 21)]
    heart.slices(dials[0])  # prepares the heart
    for what, which in (("one slice", (k,)), ("the stack", None)):
        spent = []
        for one in dials:
            begin = time.perf_counter()
            heart.slices(one, which)
            spent.append(1000 * (time.perf_counter() - begin))
        print(
            f"labels of {what} {heart.labels.shape}: median {statistics.median(spent):.0f} ms, "
            f"at most {max(spent):.0f} ms (n={len(spent)})"
        )


def plot(turns: list[Turn], path: Path) -> None:
    """Asked against measured, as change of what there was, a panel a dial."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 9), layout="constrained")
    for axes, name in zip(figure.subplots(3, 3).flat, TRIED, strict=True):
        own = [t.effect for t in turns if t.dial == name]
        if not own:
            continue
        unit = own[0].unit
        asked, measured = [e.asked for e in own], [e.measured for e in own]
        ends = [min(asked + measured), max(asked + measured)]
        axes.plot(ends, ends, color="0.6", linewidth=1)
        axes.scatter(asked, measured, s=8, alpha=0.6)
        axes.set_title(f"{name}: {own[0].name}", fontsize=8)
        axes.set_xlabel(f"asked {unit}".rstrip(), fontsize=8)
        axes.set_ylabel(f"measured {unit}".rstrip(), fontsize=8)
        axes.tick_params(labelsize=7)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
