"""What the privacy audit sees: planted copies found, likeness explained, and the time it takes.

    .venv/bin/python benchmarks/copy_detection.py [--slices prepared] [--copies 400]

An archive of the training patients is built, and calibrated on all others. Copies of archived
slices of every kind are planted and looked for at 1 % false alarms by patient; the share that is
found is printed for the embeddings alone and for all detectors, with its 95 % interval. Then
counterfactuals: how often synthetic slices, and copies of training patients, are called nearer to a
patient by their texture than other pictures of the same mask are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _slices import find_slices

from cmr_synth.cohorts.slices import SliceSet, open_slice_set
from cmr_synth.evaluation.counterparts import counterpart_sample
from cmr_synth.evaluation.readers.statistics import wilson_interval
from cmr_synth.evaluation.sample import Sample, joined, real_sample, splits_besides
from cmr_synth.generators import zoo
from cmr_synth.imaging.copies import planted
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive import Archive
from cmr_synth.privacy.archive_writer import build
from cmr_synth.privacy.audit import audit_neighbours
from cmr_synth.privacy.certificate import EMBEDDINGS, certify
from cmr_synth.privacy.explain import explain
from cmr_synth.privacy.pixels import MOVES

KINDS = ("exact", "shifted", "blended", "patch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--copies", type=int, default=400, help="of each kind")
    parser.add_argument("--model", default="flow-fast", help="whose slices are explained")
    parser.add_argument("--explained", type=int, default=60, help="slices of each kind")
    options = parser.parse_args()
    folder = options.slices or find_slices()
    if folder is None:
        print("no patient data: set CMR_SYNTH_DATA to the folder that holds acdc/training.")
        return
    slices = open_slice_set(folder)
    detector = CopyDetector.load()
    trained = real_sample(slices, "train")
    others = [real_sample(slices, name) for name in splits_besides(slices, "train")]
    held_out = joined(others, name="held-out patients")
    with tempfile.TemporaryDirectory() as scratch:
        since = time.perf_counter()
        list(build(trained, Path(scratch) / "bare", detector))
        alone = time.perf_counter() - since
        since = time.perf_counter()
        archive: Archive = _last(
            build(trained, Path(scratch) / "archive", detector, held_out=held_out)
        )
        whole = time.perf_counter() - since
        print(
            f"archive of {len(trained)} slices: {len(trained) / alone:.0f} slices/s; with the "
            f"search of {len(held_out)} held-out slices in {len(MOVES)} positions and 4 "
            f"reflections {len(trained) / whole:.0f} slices/s"
        )
        assert archive.calibration is not None
        certificate = _last(certify(archive, archive.calibration, detector, copies=options.copies))
        print(f"planted copies found at {certificate.alarms:.0%} false alarms")
        for kind, row in certificate.found.items():
            print(f"  {kind}: embeddings {_share(row[EMBEDDINGS])}, all {_share(row['any'])}")
        _explain(slices, trained, archive, detector, options)


def _explain(
    slices: SliceSet,
    trained: Sample,
    archive: Archive,
    detector: CopyDetector,
    options: argparse.Namespace,
) -> None:
    model = zoo.load(options.model)
    steps = model.card.default_steps
    rng = np.random.default_rng(0)
    test = real_sample(slices, "test", ["acdc"])
    index = np.sort(rng.choice(len(test), min(options.explained, len(test)), replace=False))
    sets = {
        f"made by {options.model}": _last(
            counterpart_sample(
                model.generator, test.take(index), name=options.model, seed=2026, steps=steps
            )
        )
    }
    rows = np.sort(rng.choice(len(trained), min(options.explained, len(trained)), replace=False))
    copied = trained.take(rows)
    for kind in KINDS:
        second = trained.pixels[rng.choice(len(trained), len(rows))]
        pixels = [
            planted(kind, one, other, None, rng)
            for one, other in zip(copied.pixels, second, strict=True)
        ]
        sets[f"{kind} copies"] = Sample(
            kind, np.stack(pixels), copied.labels, copied.rows, copied.spacing
        )
    print(f"nearest patient explained by other pictures of the same mask ({options.model})")
    for name, sample in sets.items():
        audit = audit_neighbours(sample, archive, detector, None)
        found = _last(
            explain(audit, archive, detector, model.generator, most=len(sample), steps=steps)
        )
        leaks = found.leaks()
        print(f"  {name}: " + ", ".join(f"{count} by {word}" for word, count in leaks.items()))


def _share(found: tuple[int, int]) -> str:
    low, high = wilson_interval(*found)
    return f"{found[0] / found[1]:.3f} [{low:.3f}, {high:.3f}]"


def _last(events: Iterable[Any]) -> Any:
    *_, found = events
    return found


if __name__ == "__main__":
    main()
