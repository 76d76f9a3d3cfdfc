"""How long a cine takes: a heart made to beat, then images of every frame, its noise in common.

    OMP_NUM_THREADS=2 .venv/bin/python benchmarks/cine.py
    .venv/bin/python benchmarks/cine.py --model flow-fast --slices 10 --frames 20 --check

Printed are the seconds of each part, wall clock and processor, and how the cine beats: the largest
step of the LV's volume between frames, and how constant the wall's mass is.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cmr_synth.anatomy.beating import Plan
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.generators import zoo
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.beating import Beating, beat_mask
from cmr_synth.synthesis.dialled import Upright
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request

WANTED_S = 60


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flow-fast")
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--check", action="store_true", help="measure every slice, as by default")
    options = parser.parse_args()
    labels = draw_stack(slices=options.slices, seed=1)
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    mask = Scan(array=labels, spacing=(8.0, 1.5, 1.5), affine=affine, name="drawn")
    import torch

    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    with spent("beat"):
        *_, beating = beat_mask(Upright.of(mask), Plan(ef=0.6, frames=options.frames))
    assert isinstance(beating, Beating)
    with spent("load the model"):
        model = zoo.load(options.model)
    request = Request(redraws=3 if options.check else None, phase=None)
    with spent(f"{options.slices} slices x {options.frames} frames"):
        *_, made = synthesize(beating.mask, model, request)
    assert isinstance(made, Synthetic)
    lv = np.array(beating.record["volumes_ml"]["LV"])
    steps = np.abs(np.diff(np.append(lv, lv[0]))) / (lv.max() - lv.min())
    print(f"{made.scan.shape}; wanted under {WANTED_S} s of two processors")
    print(
        f"EF {100 * beating.record['measured']['lv_ef']:.1f} %, largest step {steps.max():.2f} of "
        f"the stroke, wall mass within {100 * beating.record['measured']['mass_within']:.1f} %"
    )


@contextmanager
def spent(what: str) -> Iterator[None]:
    """Print how long it took."""
    wall, own = time.perf_counter(), time.process_time()
    yield
    wall, own = time.perf_counter() - wall, time.process_time() - own
    print(f"{what}: {wall:.1f} s, {own:.1f} s of a processor", flush=True)


if __name__ == "__main__":
    main()
