"""What an AUC of the two-sample test means: the same test on real slices with known damage.

    .venv/bin/python benchmarks/auc_scale.py [--slices prepared] [--epochs 14]

Real slices of held-out patients against copies of them that are blurred, noisy or of another gamma,
against the copies untouched, and against as many slices of other real patients: the last two are
what nobody should be able to tell. Beside the AUC of the trained network stand those of the spectra
and the amplitude that is left in the finest third. Trains one classifier for each line, minutes
each on one core. `--slices` as for `quality.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _slices import find_slices

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.realism.in_pixels import two_sample_auc
from cmr_synth.evaluation.realism.metrics import Found, load_metric, measure
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.two_sample import Settings
from cmr_synth.evaluation.resampling import matched_rows
from cmr_synth.evaluation.sample import Sample
from cmr_synth.evaluation.setting import Setting
from cmr_synth.imaging.damage import blurred

BLURS = (0.3, 0.6, 1.0)  # pixels
NOISES = (0.005, 0.01, 0.02)  # of the range of grey values
GAMMAS = (0.95, 0.9, 0.8)
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    options = parser.parse_args()

    folder = options.slices or find_slices()
    if folder is None:
        print(
            "no patient data, so no scale is made; set CMR_SYNTH_DATA to the folder that holds "
            "acdc/training, or give --slices."
        )
        return
    setting = Setting(slices=open_slice_set(folder), cohorts=["acdc"])
    settings = Settings(epochs=options.epochs)
    print("| Against real slices | AUC | AUC of spectra | Finest third |", flush=True)
    print("| --- | --- | --- | --- |", flush=True)
    for line in scale(setting.held_out, setting.training, settings):
        print(line, flush=True)


def scale(real: Sample, others: Sample, settings: Settings) -> Iterator[str]:
    """One line of the table for each damage.

    Parameters
    ----------
    real, others : Sample
        Of held-out and of other patients.
    settings : Settings
        Of the classifier.
    """
    metrics = {
        "two_sample_auc": two_sample_auc(settings),
        **{name: load_metric(name) for name in ("spectrum_auc", "spectrum_fine")},
    }
    for words, sample in against(real, others):
        *_, found = measure(Sets(sample, real, others, seed=SEED), metrics)
        assert isinstance(found, Found)
        known = [found.estimates.get(name) for name in metrics]
        cells = [
            f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" if one else "–" for one in known
        ]
        yield f"| {' | '.join([words, *cells])} |"


def against(real: Sample, others: Sample) -> Iterator[tuple[str, Sample]]:
    """What real slices are compared with, and what to call it."""
    yield "the same, untouched", real
    yield "other real patients", others.take(matched_rows(others.patients, len(real), seed=SEED))
    for sigma in BLURS:
        pixels = [blurred(torch.from_numpy(one)[None], sigma)[0].numpy() for one in real.pixels]
        yield f"blur of {sigma:g} pixels", replace(real, pixels=np.stack(pixels))
    for spread in NOISES:
        noise = np.random.default_rng(SEED).normal(0, spread, real.pixels.shape)
        pixels = np.clip(real.pixels + noise, 0, 1).astype(np.float32)
        yield f"noise of {spread:g}", replace(real, pixels=pixels)
    for gamma in GAMMAS:
        yield f"gamma of {gamma:g}", replace(real, pixels=real.pixels**gamma)


if __name__ == "__main__":
    main()
