"""From which frequency a calibration should count: spectra, detail and the encoder's distance.

    .venv/bin/python benchmarks/calibration.py flow --slices prepared [--kept pictures]

Pictures of training and validation masks of every vendor, as the network makes them, are given the
gains of `cmr-synth calibrate` above some frequency. Gains for a training patient are measured on
the other half of the training patients, those for validation patients on all. AUC: of a linear
classifier on spectra of training patients. Thirds: amplitude of synthetic over real. Frechet:
distance to the real slices in the space of the bundled encoder. No test patient is looked at.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.calibration import DETAIL, LAYOUT, MOST, curve
from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.realism.spaces import EncoderSpace
from cmr_synth.evaluation.realism.spectrum import THIRDS, compared, log_power
from cmr_synth.evaluation.sample import Sample, real_sample
from cmr_synth.files import write_file
from cmr_synth.generators import zoo
from cmr_synth.generators.transfer import filtered

SEED = 2026
FROM = {  # (nothing changed below, everything above), cycles a pixel
    "nothing": (0.6, 0.7),
    "all": (-1.0, 0.0),
    "coarse left alone": (LAYOUT, DETAIL),
    "above 0.2": (0.17, 0.23),
    "above 0.25": (0.22, 0.28),
}


def main() -> None:
    """Print a table, a line for each cohort and choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--slices", type=Path, required=True)
    parser.add_argument("--cohorts", nargs="+", default=["acdc", "chla", "sunnybrook"])
    parser.add_argument("--kept", type=Path, help="pictures of this model that were made before")
    options = parser.parse_args()
    slices, model, space = open_slice_set(options.slices), zoo.load(options.model), EncoderSpace()
    print(
        "| cohort | gains of | AUC | training low, middle, fine | Frechet | validation | Frechet |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for cohort in options.cohorts:
        real, made = {}, {}
        for split in ("train", "validation"):
            whole = real_sample(slices, split, [cohort])
            order = np.random.default_rng(1).permutation(len(whole))[:MOST]
            real[split] = whole.take(np.sort(order))
            made[split] = pictures(model, real[split], options.kept, f"{split}-{cohort}.npy")
        halves = halved(real["train"].patients)
        for name, (below, above) in FROM.items():
            crossed = made["train"].copy()
            for own in halves:
                gains = curve(
                    real["train"].pixels[~own],
                    made["train"][~own],
                    real["train"].patients[~own],
                    below=below,
                    above=above,
                )
                crossed[own] = with_gains(crossed[own], gains)
            gains = curve(
                real["train"].pixels,
                made["train"],
                real["train"].patients,
                below=below,
                above=above,
            )
            validation = with_gains(made["validation"], gains)
            cells = [cohort, name, f"{auc(crossed, real['train']):.3f}"]
            for split, of in (("train", crossed), ("validation", validation)):
                far = frechet_distance(
                    space.features(real[split]), space.features(replace(real[split], pixels=of))
                )
                cells += [thirds(of, real[split]), f"{far:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def pictures(model: zoo.Model, real: Sample, kept: Path | None, name: str) -> NDArray[np.float32]:
    """Counterparts as the network makes them, before any gains."""
    if kept is not None and (kept / name).exists():
        found: NDArray[np.float32] = np.load(kept / name, allow_pickle=False)
        return found
    model.generator.transfer = None  # type: ignore[attr-defined]
    steps = model.card.default_steps
    made = np.concatenate(list(counterparts(model.generator, real, seed=SEED, steps=steps)))
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        with write_file(kept / name) as path, path.open("wb") as file:
            np.save(file, made, allow_pickle=False)
    return made


def halved(patients: NDArray[np.str_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Slices of one half of the patients, and of the other."""
    names = np.random.default_rng(0).permutation(np.unique(patients))
    first = np.isin(patients, names[: len(names) // 2])
    return first, ~first


def with_gains(pictures: NDArray[np.float32], gains: NDArray[np.float64]) -> NDArray[np.float32]:
    """Pictures that all have the same gains, as logarithms by ring."""
    return filtered(pictures, np.tile(gains, (len(pictures), 1)))


def auc(made: NDArray[np.float32], real: Sample) -> float:
    """Of a linear classifier on spectra, by patient."""
    synthetic = replace(real, pixels=made)
    rng = np.random.default_rng(SEED)
    wins, pairs = compared(synthetic, log_power(made), real, log_power(real.pixels), rng)
    return float(wins.sum() / pairs.sum())


def thirds(made: NDArray[np.float32], real: Sample) -> str:
    """Amplitude of synthetic over real by thirds of frequency."""
    beyond = (log_power(made) - log_power(real.pixels)) / 2
    found = [
        np.exp(patient_means(beyond[:, rings].mean(axis=1), real.patients).mean())
        for rings in THIRDS.values()
    ]
    return ", ".join(f"{one:.2f}" for one in found)


if __name__ == "__main__":
    main()
