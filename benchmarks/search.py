"""How long exact search takes: many queries over large archives, and one over 100,000 slices.

    .venv/bin/python benchmarks/search.py [--repeats 3] [--slices 1000000]

Searches 1,000 vectors of 256 numbers among 100,000 and 1,000,000 of half precision on disk, twenty
to a patient, and looks one slice up in an archive of 100,000 in all the ways that an audit does, as
the app's panel does. Prints the seconds of each repeat, the slices a second, and the most memory
that the process has held. Vectors are random: the time does not depend on them.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive import Archive
from cmr_synth.privacy.calibration import STATISTICS, Calibration
from cmr_synth.privacy.look_up import look_up
from cmr_synth.privacy.pixels import COMPONENTS, SIDE
from cmr_synth.privacy.search import closest_by_patient

WIDTH, WINDOWS, WINDOW_WIDTH, EACH = 256, 25, 64, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slices", type=int, default=1_000_000, help="of the largest archive")
    parser.add_argument("--queries", type=int, default=1_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    queries = _unit(rng.standard_normal((options.queries, WIDTH), np.float32))
    with tempfile.TemporaryDirectory() as scratch:
        for count in sorted({min(100_000, options.slices), options.slices}):
            bank = _bank(Path(scratch) / "whole.npy", rng, (count, WIDTH))
            starts = np.arange(0, count, EACH)
            seconds = [
                _timed(lambda bank=bank, starts=starts: closest_by_patient(queries, bank, starts))
                for _ in range(options.repeats)
            ]
            _tell(f"{options.queries} queries over {count} x {WIDTH}", seconds)
        archive = _archive(Path(scratch), rng, min(100_000, options.slices))
        detector = CopyDetector.load()
        picture = rng.random((1, 128, 128), np.float32)
        look_up(picture, archive, detector)  # reads the files once, as the first click does
        seconds = [
            _timed(lambda: look_up(picture, archive, detector)) for _ in range(options.repeats)
        ]
        _tell(f"one slice looked up in an archive of {len(archive)}", seconds)


def _archive(folder: Path, rng: np.random.Generator, count: int) -> Archive:
    rows = tuple(
        {"patient": f"p{i // EACH:06d}", "vendor": "", "level": "mid", "phase": "", "slice": "0"}
        for i in range(count)
    )
    held_out = Calibration.of(
        rng.uniform(0.5, 1, (400, len(STATISTICS))).astype(np.float32),
        np.array([f"h{i // 10}" for i in range(400)]),
        np.array([""] * 400),
        np.array(["mid"] * 400),
    )
    return Archive(
        folder,
        {"shape": [128, 128], "detector": CopyDetector.load().hash},
        rows,
        _bank(folder / "whole.npy", rng, (count, WIDTH)),
        _bank(folder / "windows.npy", rng, (count, WINDOWS, WINDOW_WIDTH)),
        _bank(folder / "pca.npy", rng, (count, COMPONENTS)),
        _unit(rng.standard_normal((COMPONENTS, SIDE * SIDE), np.float32)),
        None,
        held_out,
        None,
    )


def _bank(path: Path, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    bank = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for first in range(0, len(bank), 50_000):
        part = bank[first : first + 50_000]
        part[:] = _unit(rng.standard_normal(part.shape, np.float32))
    bank.flush()
    return np.load(path, mmap_mode="r")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _tell(what: str, seconds: list[float]) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6
    )
    shown = ", ".join(f"{one:.2f}" for one in seconds)
    print(f"{what}: {shown} s; at most {peak:.1f} GB held", flush=True)


if __name__ == "__main__":
    main()
