"""What storing weights in 8 bits per channel changes, beside half precision.

    .venv/bin/python tools/what_8_bits_cost.py runs/ddpm runs/cvae --slices prepared

For every run: the same pictures of the validation patients with `weights.safetensors` and with
`weights-fp16.safetensors`; how far pixels are apart, and kernel distance and adherence of both, as
`cmr-synth evaluate` has them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.candidates import Candidate
from cmr_synth.evaluation.counterparts import counterpart_sample
from cmr_synth.evaluation.protocol import Followed, Measured, Protocol
from cmr_synth.evaluation.realism.spaces import open_space
from cmr_synth.evaluation.sample import Sample
from cmr_synth.evaluation.setting import Setting
from cmr_synth.generators.registry import load_family


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--slices", type=Path, required=True)
    options = parser.parse_args()

    slices = open_slice_set(options.slices)
    setting = Setting(slices=slices, split="validation", cohorts=["acdc"])
    protocol = Protocol(setting=setting, spaces=[open_space("encoder")], without=["two_sample_auc"])
    for run in options.runs:
        family = json.loads((run / "config.json").read_text(encoding="utf-8"))["family"]
        made = {}
        with tempfile.TemporaryDirectory() as temporary:
            for name in ("weights-fp16.safetensors", "weights.safetensors"):
                shutil.copy(run / "config.json", temporary)
                shutil.copy(run / name, Path(temporary) / "weights.safetensors")
                generator = load_family(family).load(Path(temporary))
                *_, made[name] = counterpart_sample(
                    generator, setting.held_out, name=name, seed=setting.seed
                )
        half, eight = (_figures(protocol, name, sample) for name, sample in made.items())
        apart = np.abs(np.subtract(*(sample.pixels for sample in made.values()))).mean()
        adherence = max(abs(eight[1][k] - half[1][k]) for k in half[1])
        print(
            f"{run.name}: {len(setting.held_out)} slices, pixels {apart:.4f} apart, kernel "
            f"distance {half[0]:.3f} in 16 and {eight[0]:.3f} in 8 bits "
            f"({eight[0] / half[0] - 1:+.1%}), adherence at most {adherence:.4f} apart",
            flush=True,
        )


def _figures(protocol: Protocol, name: str, sample: Sample) -> tuple[float, dict[str, float]]:
    """Kernel distance, and adherence by structure."""
    one = Candidate(name, None, sample, paired=True)
    *_, near = protocol.fidelity([one])
    *_, seen = protocol.adherence([one])
    assert isinstance(near, Measured) and isinstance(seen, Followed)
    overall = seen.adherence.overall()
    dice = {structure: stratum.scores["dice"].ratio for structure, stratum in overall.items()}
    return near.spaces[0].estimates["kernel"].value, dice


if __name__ == "__main__":
    main()
