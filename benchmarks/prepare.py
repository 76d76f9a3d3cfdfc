"""How fast slice sets are prepared from NIfTI, and in how much memory.

    python benchmarks/prepare.py --slices 20000 --jobs 2

Draws the files of some patients, links them under as many names as the slices need, prepares them
twice by `cmr-synth cohort prepare`, a tenth and all, and prints slices a second and the memory of
all processes together (the proportional set size, sampled). Where other programs are at work, as
the load tells, the seconds of processor time say what the machine would do alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from cmr_synth.anatomy.labels import revert
from cmr_synth.anatomy.template import draw_slice

DRAWN = 8
LEVELS = 10
SHAPE, SPACING = (208, 208), 1.5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {options.jobs} jobs")
    print(
        "  slices  seconds  slices/s  CPU seconds  slices/CPU second  peak MB  load before, after"
    )
    with tempfile.TemporaryDirectory() as scratch:
        drawn = _draw(Path(scratch) / "drawn")
        for slices in (options.slices // 10, options.slices):
            root = _linked(Path(scratch) / f"cohort{slices}", drawn, slices // (2 * LEVELS))
            before = os.getloadavg()[0]
            used = _processor_seconds()
            seconds, peak = _prepare(root, Path(scratch) / "set", options.jobs)
            made = len((Path(scratch) / "set" / "slices.csv").read_text().splitlines()) - 1
            used = _processor_seconds() - used
            print(
                f"{made:>8} {seconds:>8.1f} {made / seconds:>9.0f} {used:>12.1f} "
                f"{made / used:>18.0f} {peak / 1e6:>8.0f} "
                f"{before:>12.1f}, {os.getloadavg()[0]:.1f}",
                flush=True,
            )


def _processor_seconds() -> float:
    """What all ended children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _draw(folder: Path) -> list[tuple[Path, Path]]:
    """ED and ES of some patients: images with grain, and masks with ACDC's numbers."""
    folder.mkdir()
    pairs = []
    affine = np.diag([SPACING, SPACING, 8.0, 1.0])
    for seed in range(DRAWN):
        rng = np.random.default_rng(seed)
        for phase in ("ED", "ES"):
            levels = [(k + 0.5) / LEVELS for k in range(LEVELS)]
            labels = np.stack(
                [draw_slice(level=v, shape=SHAPE, phase=phase, seed=seed) for v in levels]
            )
            grey = np.array([200, 900, 350, 850])[labels] + rng.normal(0, 30, labels.shape)
            pair = folder / f"{seed}_{phase}.nii.gz", folder / f"{seed}_{phase}_gt.nii.gz"
            for path, array in zip(pair, (grey, revert(labels, "acdc")), strict=True):
                kind = np.int16 if array is grey else np.uint8
                nib.save(nib.Nifti1Image(array.astype(kind).transpose(), affine), path)
            pairs.append(pair)
    return pairs


def _linked(root: Path, drawn: list[tuple[Path, Path]], patients: int) -> Path:
    """As many patients as wanted, in ACDC's layout."""
    for number in range(patients):
        patient = f"patient{number:05d}"
        (root / patient).mkdir(parents=True)
        (root / patient / "Info.cfg").write_text("ED: 1\nES: 12\nGroup: NOR\n")
        for k, frame in enumerate(("01", "12")):
            pair = drawn[(2 * number + k) % len(drawn)]
            for path, ending in zip(pair, ("", "_gt"), strict=True):
                os.link(path, root / patient / f"{patient}_frame{frame}{ending}.nii.gz")
    return root


def _prepare(root: Path, out: Path, jobs: int) -> tuple[float, int]:
    """Seconds, and the most bytes that all processes had together."""
    command = [sys.executable, "-m", "cmr_synth.cli", "cohort", "prepare", f"acdc={root}"]
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(
        [*command, "--out", str(out), "--jobs", str(jobs)], stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(_memory, _family(process.pid))))
            time.sleep(0.5)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - began, peak


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _memory(pid: int) -> int:
    """Proportional set size in bytes: what processes share counts once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
