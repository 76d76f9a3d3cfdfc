"""What bf16 does to the pictures of every bundled model, and to the time that they take.

    .venv/bin/python benchmarks/precision.py [MODEL ...] [--slices 24]

The same slices of template hearts are made in float32 and in bf16, one after the other. Printed are
the difference of grey values in [0, 1], the amplitude of each third of frequencies as a ratio, the
ratio of times, and how far a picture depends on those that are made beside it. A processor that
does not multiply bf16 imitates it: its pictures are those that it makes, its time is not.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import cycle, islice, product

import numpy as np
import torch
from numpy.typing import NDArray

from cmr_synth.anatomy.template import Level, Phase, draw_slice
from cmr_synth.cohorts.examination import CINE
from cmr_synth.evaluation.realism.spectrum import log_power
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.precision import Precision, computes_bf16
from cmr_synth.generators.registry import families
from cmr_synth.synthesis.request import Request

LEVELS: tuple[Level, ...] = ("basal", "mid", "apical")
PHASES: tuple[Phase, ...] = ("ED", "ES")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="by default all of cine")
    parser.add_argument("--slices", type=int, default=24)
    options = parser.parse_args()

    native = "multiplies" if computes_bf16() else "imitates"
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}, a processor that {native} bf16"
    )
    for name in options.models or bundled():
        model = zoo.load(name, device="cpu")
        if not getattr(model.generator, "in_bf16", False):
            print(f"{name}: stays in float32")
            continue
        asked = conditions(model.card.conditions.vendors, options.slices)
        full, half, ratios = [], [], []
        for number, condition in enumerate(asked):
            picture, seconds = made(model, condition, number, "fp32")
            other, others = made(model, condition, number, "bf16")
            full.append(picture)
            half.append(other)
            ratios.append(others / seconds)
        report(name, np.stack(full), np.stack(half), ratios)
        beside = {
            precision: float(np.abs(together(model, asked, precision) - np.stack(alone)).max())
            for precision, alone in (("fp32", full), ("bf16", half))
        }
        apart = ", ".join(f"{most:.1g} in {precision}" for precision, most in beside.items())
        print(f"{name}: made at once, pictures differ by up to {apart}", flush=True)


def bundled() -> list[str]:
    """Generators of cine."""
    cards = [zoo.card_of(entry) for entry in zoo.entries()]
    return [
        card.name
        for card in cards
        if card.family in families() and card.conditions.contrast == CINE
    ]


def conditions(vendors: tuple[str, ...], count: int) -> list[Condition]:
    """Slices of template hearts in every vendor and phase."""
    kinds = product(LEVELS, PHASES, vendors)
    return [
        Condition(
            mask=draw_slice(level=level, phase=phase, anatomy="normal"), vendor=vendor, phase=phase
        )
        for level, phase, vendor in islice(cycle(kinds), count)
    ]


def made(
    model: zoo.Model, condition: Condition, number: int, precision: Precision
) -> tuple[NDArray[np.float32], float]:
    request = Request(precision=precision)
    start = time.perf_counter()
    *_, images = request.sample(model, [condition], indices=[number])
    assert isinstance(images, Images)
    return images.pixels[0], time.perf_counter() - start


def together(model: zoo.Model, asked: list[Condition], precision: Precision) -> NDArray[np.float32]:
    """The same slices in one batch."""
    *_, images = Request(precision=precision).sample(model, asked, indices=range(len(asked)))
    assert isinstance(images, Images)
    return images.pixels


def report(
    name: str,
    full: NDArray[np.float32],
    half: NDArray[np.float32],
    ratios: list[float],
) -> None:
    apart = np.abs(full - half)
    of_full, of_half = log_power(full), log_power(half)
    rings = np.array_split((of_half - of_full).mean(axis=0) / 2, 3)  # of power: half for amplitude
    thirds = [float(np.exp(third.mean())) for third in rings]
    print(
        f"{name}: grey differs by {apart.mean():.4f}, 99th percentile "
        f"{np.quantile(apart, 0.99):.4f}, most {apart.max():.3f}; amplitude of thirds "
        f"{', '.join(f'{third:.3f}' for third in thirds)}; time x {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, n={len(ratios)})"
    )


if __name__ == "__main__":
    main()
