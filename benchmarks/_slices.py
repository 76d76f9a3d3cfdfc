"""Real slices for the benchmarks: a slice set that is there, or one prepared from patient data."""

from __future__ import annotations

import os
from pathlib import Path

from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.slices import ABOUT

BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"
PREPARED = Path("prepared")


def find_slices() -> Path | None:
    """A slice set with ACDC, split with the default seed as for the bundled models.

    `prepared/` if `cmr-synth cohort prepare` has written it; otherwise `prepared/benchmark/`,
    made once from `acdc/training` below $CMR_SYNTH_DATA, or below `shared/data` beside the
    repository.

    Returns
    -------
    Path or None
        None where there are no patient data.
    """
    own = PREPARED / "benchmark"
    for folder in (PREPARED, own):
        if (folder / ABOUT).is_file():
            return folder
    acdc = Path(os.environ.get("CMR_SYNTH_DATA") or BESIDE_THE_REPOSITORY) / "acdc" / "training"
    if not acdc.is_dir():
        return None
    print(f"preparing {acdc} into {own}, once", flush=True)
    own.parent.mkdir(exist_ok=True)
    for _ in prepare([("acdc", acdc)], own):
        pass
    return own
