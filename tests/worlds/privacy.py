"""Privacy where there is nothing to find."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.privacy.calibration import POINT, RATE, STATISTICS, Calibration, discoveries

from .tried import World, clustered, names

PATIENTS, EACH, ALIKE = 37, 12, 0.8
SIZES, CORRELATIONS = (20, 37, 100), (0, 0.3, 0.8)


def of_strangers() -> tuple[str, bool]:
    rng, studies = np.random.default_rng(1), 30
    table = np.array(
        [
            [
                np.mean([_flags(rng, patients, alike)[0].any() for _ in range(studies)])
                for alike in CORRELATIONS
            ]
            for patients in SIZES
        ]
    )
    rows = zip(SIZES, table, strict=True)
    words = "; ".join(
        f"{n} patients {', '.join(f'{share:.2f}' for share in row)}" for n, row in rows
    )
    variance = RATE * (1 - RATE) / studies
    holds = table.max() <= RATE + 3 * np.sqrt(variance)
    return words, holds and table.mean() <= RATE + 3 * np.sqrt(variance / table.size)


def of_one_copy() -> tuple[str, bool]:
    rng, studies = np.random.default_rng(2), 8
    found = [
        _flags(rng, patients, alike, copy=True)[0][0]
        for patients in SIZES
        for alike in CORRELATIONS
        for _ in range(studies)
    ]
    return f"in {np.mean(found):.2f} of {len(found)} archives", np.mean(found) >= 0.95


def of_left_out_patients() -> tuple[str, bool]:
    rng, archives = np.random.default_rng(3), 8
    shares, near = [], []
    for _ in range(archives):
        seen = _flags(rng, PATIENTS, ALIKE)[1].left_out
        assert seen is not None
        shares.append(seen.share[0])
        near.append(seen.near[0])
    share, beyond = np.mean(shares), np.mean(near)
    error = np.std(near) / np.sqrt(archives)
    words = f"{share:.3f} of patients, {beyond:.4f} of slices, over {archives} archives"
    return words, 0.04 <= share <= RATE + 1 / PATIENTS and abs(beyond - POINT) < 3 * error


def _flags(
    rng: np.random.Generator, patients: int, alike: float, *, copy: bool = False
) -> tuple[NDArray[np.bool_], Calibration]:
    """An audit of as many synthetic patients as there are held-out ones, one slice a copy or none.

    Distances are 10 deviations from nought; each statistic is independent of the others.
    """
    who = names("p", patients, EACH)
    vendors, levels = np.full(len(who), "ge"), np.full(len(who), "mid")
    near, asked = (
        10 + clustered(rng, patients, EACH, alike, len(STATISTICS)).astype(np.float32)
        for _ in range(2)
    )
    if copy:
        asked[0, 1] = abs(0.5 * rng.normal())
    calibration = Calibration.of(near, who, vendors, levels)
    p = calibration.p_values(asked, who, vendors, levels)
    return discoveries(p, who, vendors), calibration


WORLDS = {
    "false discoveries": World(
        figure="False discoveries of an audit",
        world=f"no copies at all: 20, 37 and 100 held-out patients with {EACH} slices and as many "
        "synthetic ones, intraclass correlation 0, 0.3 and 0.8, four statistics that are "
        "independent",
        expected=f"a discovery in at most {RATE} of archives",
        simulate=of_strangers,
    ),
    "one copy": World(
        figure="Copies found by an audit",
        world="the same worlds, in which one slice of all lies at next to no distance in one "
        "statistic, and others at 10 deviations",
        expected="that slice is flagged in at least 0.95 of archives",
        simulate=of_one_copy,
    ),
    "left out": World(
        figure="False alarms seen among held-out patients",
        world=f"{PATIENTS} held-out patients with {EACH} slices, intraclass correlation {ALIKE}, "
        "left out one by one",
        expected=f"{RATE} of patients or a little less, {POINT} of slices below the 1 % point",
        simulate=of_left_out_patients,
    ),
}
