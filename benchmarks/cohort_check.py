"""How long `cohort check` takes, with and without contact sheets.

    .venv/bin/python benchmarks/cohort_check.py [NAME=PATH] [--repeats 3]

By default ACDC's 100 patients below CMR_SYNTH_DATA or ../shared/data. Prints for each repeat the
seconds on the clock and of processor, examinations a second, and the most memory that the process
has held. On a machine that does other work the processor's seconds are those to compare.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from cmr_synth.cohorts.check import check
from cmr_synth.cohorts.registry import parse_sources
from cmr_synth.reports.cohort import PatientSheets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", metavar="NAME=PATH")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    data = Path(os.environ.get("CMR_SYNTH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if options.source is None and not (data / "acdc" / "training").is_dir():
        print(f"no patient data at {data}; set CMR_SYNTH_DATA to the folder that holds acdc/")
        return
    ((name, root),) = parse_sources([options.source or f"acdc={data / 'acdc' / 'training'}"])
    print("sheets  clock s  processor s  examinations/s  memory MB")
    for sheets in (False, True):
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory() as scratch:
                drawn = PatientSheets(Path(scratch))
                clock, processor = time.perf_counter(), time.process_time()
                found = check(name, root, show=drawn.add if sheets else None)
                drawn.close()
                clock, processor = time.perf_counter() - clock, time.process_time() - processor
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            speed = len(found.examinations) / clock
            print(
                f"{'yes' if sheets else 'no':<6}  {clock:7.1f}  {processor:11.1f}  {speed:14.1f}  "
                f"{memory:9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
