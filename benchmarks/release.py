"""How long a release takes, whether memory is flat in its patients, and whether kills change it.

    python benchmarks/release.py --patients 100 1000
    python benchmarks/release.py --patients 20 --kill 20

Makes releases of sampled hearts with `flow-fast` through the command line (ED and ES, 10 slices)
and prints seconds, processor seconds, slices, and the peak memory of the process. With --archive
they are audited, too. "Planned" are the seconds that `release plan` says beforehand. With --kill
the first of them is made again, killed (SIGKILL) at so many random moments and taken up after each,
and its files are compared with those of the undisturbed one; where it ends before it was killed so
often, it is made once more from nothing.
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
    print("patients  slices  planned  seconds  CPU seconds  slices/CPU second  peak MB  MB on disk")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        key = root / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        for number, patients in enumerate(options.patients):
            request = root / f"request{patients}.json"  # JSON is YAML
            request.write_text(json.dumps(_request(options, patients)))
            out = root / f"release{patients}"
            planned = _planned(request)
            before, start = _processor_seconds(), time.monotonic()
            peak = _made(_command(request, key, out))
            seconds, used = time.monotonic() - start, _processor_seconds() - before
            slices = json.loads((out / "evidence.json").read_text())["slices"]
            size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
            print(
                f"{patients:>8} {slices:>7} {planned:>8.0f} {seconds:>8.0f} {used:>12.0f} "
                f"{slices / used:>18.1f} {peak / 1e6:>8.0f} {size / 1e6:>11.0f}",
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


def _planned(request: Path) -> float:
    verb = [sys.executable, "-m", "cmr_synth.cli", "release", "plan", str(request), "--json"]
    said = subprocess.run(verb, check=True, capture_output=True, text=True).stdout
    return float(json.loads(said)["seconds"])


def _kill(
    request: Path, key: Path, undisturbed: Path, out: Path, times: int, seconds: float
) -> None:
    """Kill at random moments, each within a third of the time of an undisturbed run."""
    rng, command = random.Random(0), _command(request, key, out)
    wanted, kills, whole = _hashes(undisturbed), 0, 0
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            limit = None if kills == times else rng.uniform(0.02, 0.35) * seconds
            if process.wait(timeout=limit):
                raise SystemExit("a release that was taken up failed")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        whole += 1
        found = _hashes(out)
        if found != wanted:
            names = sorted(set(found.items()) ^ set(wanted.items()))[:5]
            raise SystemExit(f"after {kills} kills DIFFERENT: {names}")
        shutil.rmtree(out)
        if kills == times:
            break
    print(f"killed {kills} times in {whole} releases: byte-identical", flush=True)


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
