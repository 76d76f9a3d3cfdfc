"""How the LV's volume runs over a heart beat, from real cines, for hearts made to beat.

    .venv/bin/python tools/measure_volume_curves.py ../shared/data/acdc_cine/training

The bundled segmenter draws the three middle slices of every frame, which hardly pass through the
base or the apex as the heart moves. Of each cine: volume as a share of the stroke, 1 at ED and
0 at ES, over time from ED, stretched so that ES lies at the median time of all patients; patients
count once. Printed are the mean at even steps and the time of ES, for `anatomy/beating/curves.py`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from cmr_synth.imaging.readers import read_scan
from cmr_synth.imaging.scan import Scan
from cmr_synth.judges.find_heart import Found, find_heart
from cmr_synth.judges.segmenter import Segmenter

STEPS = 24
SMOOTH = 1.0  # frames
FILLED = 0.75  # of the stroke by the last frame; prospective gating stops in mid-diastole
BEATING = 0.2  # EF below which the curve is the segmenter's noise


def main() -> None:
    """Print the curve of every patient and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cines", type=Path)
    options = parser.parse_args()
    segmenter = Segmenter.load()
    curves, times = [], []
    for folder in sorted(p for p in options.cines.iterdir() if p.is_dir()):
        (path,) = folder.glob("*_4d.nii.gz")
        covers_the_cycle(path)
        volumes = next(
            step.volumes_ml
            for step in find_heart(middle(read_scan(path)), segmenter)
            if isinstance(step, Found)
        )
        smooth = gaussian_filter1d(volumes, SMOOTH, mode="wrap")
        around = np.roll(smooth, -int(np.argmax(smooth)))
        es = int(np.argmin(around))
        share = (around - around.min()) / (around.max() - around.min())
        ef = 1 - around.min() / around.max()
        at_es, end = es / len(volumes), share[-1]
        print(
            f"{folder.name}: {len(volumes)} frames, ES at {at_es:.2f}, EF {ef:.2f}, filled to "
            f"{end:.2f} at the end",
            flush=True,
        )
        if end < FILLED or ef < BEATING:
            print("  left out: it stops before the heart is full, or hardly beats")
            continue
        curves.append(share)
        times.append(es / len(volumes))
    typical = float(np.median(times))
    at = np.arange(STEPS + 1) / STEPS
    aligned = []
    for share, es in zip(curves, times, strict=True):
        closed = np.append(share, share[0])
        own = np.interp(at, [0, typical, 1], [0, es, 1])
        aligned.append(np.interp(own, np.linspace(0, 1, len(closed)), closed))
    mean = np.mean(aligned, axis=0)
    curve = PchipInterpolator(at, mean)
    print(f"{len(curves)} patients, ES at {typical:.3f} of the cycle")
    print("share of the stroke at even steps:", ", ".join(f"{v:.3f}" for v in curve(at)))


def middle(cine: Scan) -> Scan:
    """Its three middle slices; where they lie does not matter here."""
    k = cine.n_slices // 2
    return replace(cine, array=cine.array[:, max(0, k - 1) : k + 2], origin=None)


def covers_the_cycle(path: Path) -> None:
    """Refuse what is no cine."""
    shape = nib.load(path).shape
    if len(shape) != 4 or shape[3] < 10:
        raise SystemExit(f"{path}: {shape} is no cine of a whole beat.")


if __name__ == "__main__":
    main()
