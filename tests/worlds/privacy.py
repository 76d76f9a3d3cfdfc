"""Privacy where there is nothing to find."""

from __future__ import annotations

import numpy as np

from cmr_synth.privacy.calibration import STATISTICS, Calibration, discoveries
from cmr_synth.privacy.membership.figures import figures

from .tried import World, clustered, names

PATIENTS, EACH, ALIKE, RATE = 37, 12, 0.8, 0.1


def of_members() -> tuple[str, bool]:
    rng, patients, each, studies = np.random.default_rng(0), 60, 5, 150
    who = names("p", patients, each)
    member = (np.arange(patients) % 2 == 0).repeat(each)
    cohorts = np.full(len(who), "drawn")
    aucs, told = [], 0
    for _ in range(studies):
        scores = clustered(rng, patients, each, 0.5)[:, 0]
        found = figures(scores, member, who, cohorts, draws=200)
        aucs.append(found.auc[0])
        told += found.told_apart
    mean, error = np.mean(aucs), np.std(aucs) / np.sqrt(studies)
    words = f"{mean:.3f} over {studies} studies, told apart in {told}"
    most = studies * (0.05 + 3 * np.sqrt(0.05 * 0.95 / studies))
    return words, abs(mean - 0.5) < 3 * error and told <= most


def of_copies() -> tuple[str, bool]:
    rng, studies = np.random.default_rng(1), 150
    who = names("p", PATIENTS, EACH)
    vendors, levels = np.full(len(who), "ge"), np.full(len(who), "mid")
    false = 0
    for _ in range(studies):
        # distances, 10 deviations from nought; each statistic is independent of the others
        near, asked = (
            10 + clustered(rng, PATIENTS, EACH, ALIKE, len(STATISTICS)).astype(np.float32)
            for _ in range(2)
        )
        p, _ = Calibration.of(near, who, vendors, levels).p_values(asked, vendors, levels)
        false += discoveries(p, RATE).any()
    share = false / studies
    return f"in {share:.2f} of {studies} archives", share <= RATE + 3 * np.sqrt(0.09 / studies)


WORLDS = {
    "membership": World(
        figure="Membership AUC",
        world="60 patients with 5 slices, half of them members, whose scores are no different",
        expected="0.5, told apart in 1 of 20 studies",
        simulate=of_members,
    ),
    "false discoveries": World(
        figure="False discoveries of an audit",
        world=f"no copies at all: {PATIENTS} held-out patients with {EACH} slices and as many "
        f"synthetic slices, intraclass correlation {ALIKE}, four statistics that are independent",
        expected=f"a discovery in at most {RATE} of archives",
        simulate=of_copies,
        defect="p-values count slices of one patient as draws of their own, for each statistic. "
        "With few held-out patients whose slices are alike, a flag is a reason to look at the pair "
        "of pictures and no more: the rate of false flags is higher than the 10 % that is said, "
        "the more so the less the four statistics have to do with each other",
    ),
}
