"""Measure what is usual among real slices, for the Fidelity panel; ships aggregates only.

.venv/bin/python tools/measure_real_reference.py --slices prepared
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.one_picture.real_reference import FILE, measure_real_reference
from cmr_synth.evaluation.sample import real_sample
from cmr_synth.files import write_file
from cmr_synth.judges.encoder import Encoder
from cmr_synth.judges.segmenter import Segmenter


def main() -> None:
    """Write `data/real_reference.npz` of the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path, required=True)
    slices = open_slice_set(parser.parse_args().slices)
    training = real_sample(slices, "train")
    # patients of ACDC only: elsewhere the segmenter has completed what it would be judged by
    held_out = real_sample(slices, "validation", ["acdc"])
    segmenter, encoder = Segmenter.load(), Encoder.load()
    found = measure_real_reference(
        training,
        held_out,
        segmenter.segment(held_out.pixels),
        encoder.features(training.pixels),
        encoder=encoder.hash,
        segmenter=segmenter.hash,
    )
    arrays = {
        name: value.astype(np.float16) if name == "whitening" else value
        for name, value in asdict(found).items()
    }
    with write_file(FILE) as temporary:
        np.savez_compressed(temporary, **arrays)
    print(
        f"{FILE}: {found.slices} slices of {found.patients} patients, {', '.join(found.vendors)}; "
        f"{FILE.stat().st_size / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
