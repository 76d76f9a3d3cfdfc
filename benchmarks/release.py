"""How long a release takes, whether memory is flat in its patients, and whether kills change it.

    python benchmarks/release.py --patients 100 1000
    python benchmarks/release.py --patients 20 --kill 20

Makes releases of sampled hearts with `flow-fast` through the command line (ED and ES, 10 slices)
and prints seconds, processor seconds, slices, and the peak memory of the process. With --archive
they are audited, too. With --kill the first of them is made again, killed (SIGKILL) at so many
random moments, and its files are compared with those of the undisturbed one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--masks", choices=("sampled", "templates"), default="sampled")
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--model", default="flow-fast")
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--kill", type=int, default=0)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, model {options.model}")
    print("patients  slices  seconds  CPU seconds  slices/CPU second  peak MB  MB on disk")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        key = root / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        for number, patients in enumerate(options.patients):
            request = root / f"request{patients}.json"  # JSON is YAML
            request.write_text(json.dumps(_request(options, patients)))
            out = root / f"release{patients}"
            before, start = _processor_seconds(), time.monotonic()
            peak = _made(_command(request, key, out))
            seconds, used = time.monotonic() - start, _processor_seconds() - before
            slices = json.loads((out / "evidence.json").read_text())["slices"]
            size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
            print(
                f"{patients:>8} {slices:>7} {seconds:>8.0f} {used:>12.0f} {slices / used:>18.1f} "
                f"{peak / 1e6:>8.0f} {size / 1e6:>11.0f}",
                flush=True,
            )
            if options.kill and not number:
                _kill(request, key, out, root / "killed", options.kill, seconds)
            shutil.rmtree(out)


def _request(options: argparse.Namespace, patients: int) -> dict:
    found = {
        "name": "benchmark",
        "patients": patients,
        "pathologies": {"normal": 1, "hcm": 1},
        "masks": options.masks,
        "slices": options.slices,
        "model": options.model,
        "seed": 1,
        "date": "2026-01-01",
    }
    if options.archive:
        found["evidence"] = {"archive": str(options.archive.resolve()), "copies": 20}
    return found


def _command(request: Path, key: Path, out: Path) -> list[str]:
    verb = [sys.executable, "-m", "cmr_synth.cli", "release", "make", str(request)]
    return [*verb, "--key", str(key), "--out", str(out), "--json"]


def _made(command: list[str]) -> int:
    """Run to the end; the peak of its memory in bytes."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.2)
    if process.wait():
        raise SystemExit("the release failed; see above")
    return peak


def _kill(
    request: Path, key: Path, undisturbed: Path, out: Path, times: int, seconds: float
) -> None:
    """Kill at random moments of the time that an undisturbed run took, then let it end."""
    rng, command = random.Random(0), _command(request, key, out)
    kills = 0
    for _ in range(times):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=rng.uniform(0.2, 0.6) * seconds)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    if not out.exists():
        _made(command)
    same = _hashes(out) == _hashes(undisturbed)
    print(f"killed {kills} times: {'byte-identical' if same else 'DIFFERENT'}", flush=True)
    shutil.rmtree(out)


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
