"""Where slices stand among those of real held-out patients to the same archive.

The unit is the patient: slices of one are alike, and are no draws of their own. The direction is
that of the question: from people outside the archive to those in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.readers.statistics import wilson_interval
from cmr_synth.evaluation.resampling import mean_interval
from cmr_synth.privacy.peers import ENOUGH, Peers

STATISTICS = {
    "embedding": "distance to the nearest patient between descriptors of whole slices",
    "embedding ratio": "the same over the distance to the next other patient",
    "windows": "smallest ratio among descriptors of 25 windows: copies of a part",
    "pixels": "distance to the nearest patient between principal components of pixels",
}
"""What is measured of a slice; the smaller, the more alike."""
RATE = 0.1
"""Share of the flags that may be false."""
POINT = 0.01
"""Share of held-out slices that may be nearer than what counts as near by itself."""
LEFT_OUT = 100
"""Held-out patients, at most, of whom it is tried whether they would be flagged."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Statistics of held-out slices.

    Parameters
    ----------
    statistics : (m, s) array
        In the order of `STATISTICS`.
    patients, vendors, levels : (m,) arrays
        Of each slice.
    """

    statistics: NDArray[np.float32]
    patients: NDArray[np.str_]
    vendors: NDArray[np.str_]
    levels: NDArray[np.str_]
    _peers: dict[str, Peers] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        statistics: NDArray[np.float32],
        patients: NDArray[np.str_],
        vendors: NDArray[np.str_],
        levels: NDArray[np.str_],
    ) -> Calibration:
        """With each slice once: one that is there twice is no second draw."""
        names = np.stack([patients, vendors, levels], axis=1)
        _, who = np.unique(names, axis=0, return_inverse=True)
        keys = np.concatenate([statistics, who.reshape(-1, 1)], axis=1)
        first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
        return cls(statistics[first], patients[first], vendors[first], levels[first])

    def __len__(self) -> int:
        return len(self.patients)

    @cached_property
    def count(self) -> int:
        """Patients."""
        return len(np.unique(self.patients))

    @property
    def too_few(self) -> str:
        """Why there is no p-value, or nothing."""
        if self.count >= ENOUGH:
            return ""
        return f"{self.count} held-out patients, and {ENOUGH} are needed"

    def peers(self, vendor: str) -> Peers:
        """Held-out patients of the vendor, or all where fewer than `ENOUGH` are of it."""
        rows = self.vendors == vendor
        name = vendor if len(np.unique(self.patients[rows])) >= ENOUGH else ""
        if name not in self._peers:
            rows = rows if name else np.ones(len(self), bool)
            self._peers[name] = Peers(self.statistics[rows], self.patients[rows], self.levels[rows])
        return self._peers[name]

    def matched(self, vendor: str, level: str) -> str:
        """The held-out slices that one of a vendor and level is compared with, in words."""
        peers = self.peers(vendor)
        of_vendor = vendor or "unknown vendor"
        level = peers.level_of(level)
        if peers is self._peers.get(vendor) and vendor:
            return f"{of_vendor}, {level or 'all levels'}"
        return f"{level}, all vendors" if level else "all vendors and levels"

    def p_values(
        self,
        statistics: NDArray[np.floating],
        groups: NDArray[np.str_],
        vendors: NDArray[np.str_],
        levels: NDArray[np.str_],
    ) -> NDArray[np.float64]:
        """P-value of each slice, corrected for the number of slices of its group.

        See `Peers.p_values`. A group is what takes the place of a patient: the slices of one mask,
        in the style of one vendor.

        Raises
        ------
        ValueError
            If there are too few held-out patients for one; see `too_few`.
        """
        if self.too_few:
            raise ValueError(self.too_few)
        p = np.ones(len(statistics))
        for vendor in np.unique(vendors):
            rows, peers = np.flatnonzero(vendors == vendor), self.peers(str(vendor))
            surprise = peers.surprise(statistics[rows], levels[rows])
            for own in groups_of(groups[rows], vendors[rows]):
                p[rows[own]] = peers.p_values(surprise[own])
        return p

    def p_alone(
        self,
        statistics: NDArray[np.floating],
        vendors: NDArray[np.str_],
        levels: NDArray[np.str_],
        count: int,
    ) -> NDArray[np.float64]:
        """P-value of each slice as if it were one of `count` of a mask, and the nearest of them."""
        p = np.ones(len(statistics))
        for vendor in np.unique(vendors):
            rows, peers = vendors == vendor, self.peers(str(vendor))
            p[rows] = peers.p_values(peers.surprise(statistics[rows], levels[rows]), count=count)
        return p

    def near(
        self,
        statistics: NDArray[np.floating],
        vendors: NDArray[np.str_],
        levels: NDArray[np.str_],
        *,
        share: float = POINT,
        of: Sequence[int] | None = None,
    ) -> NDArray[np.bool_]:
        """Slices, each by itself, that are nearer than all but a share of held-out slices.

        Parameters
        ----------
        of : sequence of int, optional
            Statistics that are used, by number; by default all.
        """
        found = np.zeros(len(statistics), bool)
        for vendor in np.unique(vendors):
            rows, peers = vendors == vendor, self.peers(str(vendor))
            surprise = peers.surprise(statistics[rows], levels[rows])
            found[rows] = peers.beyond(surprise, share, of)
        return found

    def without(self, patient: str) -> Calibration:
        """The same of the other patients."""
        rows = self.patients != patient
        return Calibration(
            self.statistics[rows], self.patients[rows], self.vendors[rows], self.levels[rows]
        )

    @cached_property
    def left_out(self) -> LeftOut | None:
        """What would be said of held-out patients; none with too few of them.

        Each in turn, of `LEFT_OUT` at most, is a synthetic set of one patient, and the others are
        those held out.
        """
        if self.count <= ENOUGH:  # one less must be enough
            return None
        names = np.unique(self.patients)
        chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), LEFT_OUT)).round())
        flagged, near = [], []
        for name in names[chosen.astype(int)]:
            rows, others = self.patients == name, self.without(str(name))
            own = self.statistics[rows], self.vendors[rows], self.levels[rows]
            groups = self.patients[rows]
            p = others.p_values(own[0], groups, *own[1:])
            flagged.append(bool(discoveries(p, groups, own[1]).any()))
            near.append(float(others.near(*own).mean()))
        shares = np.array(near)
        return LeftOut(len(flagged), sum(flagged), (float(shares.mean()), *mean_interval(shares)))


@dataclass(frozen=True)
class LeftOut:
    """False alarms that were seen: held-out patients left out one by one, and looked for.

    Parameters
    ----------
    patients, flagged : int
        Patients that were tried, and those of whom some slice was flagged; `RATE` of them may be.
    near : (value, low, high)
        Share of their slices beyond the 1 % point of the others, with its 95 % interval over
        patients; `POINT` of them may be.
    """

    patients: int
    flagged: int
    near: tuple[float, float, float]

    @property
    def share(self) -> tuple[float, float, float]:
        """Share of patients who were flagged, with its binomial 95 % interval (Wilson)."""
        return self.flagged / self.patients, *wilson_interval(self.flagged, self.patients)

    @property
    def above(self) -> str:
        """What a reader of the verdict must know, or nothing: more alarms than are said."""
        share, low, high = self.share
        if share <= RATE:
            return ""
        return (
            f"of real held-out patients, left out one by one, {share:.1%} are flagged "
            f"({self.flagged} of {self.patients}; {low:.0%} to {high:.0%}), above the {RATE:.0%} "
            "that is said"
        )

    @property
    def words(self) -> str:
        """Both rates."""
        share, low, high = self.share
        value, least, most = self.near
        return (
            f"held-out patients left out one by one: {self.flagged} of {self.patients} are flagged "
            f"({share:.1%}, 95 % interval {low:.1%} to {high:.1%}; {RATE:.0%} may be), and "
            f"{value:.1%} of their slices lie below the {POINT:.0%} point of the others "
            f"({least:.1%} to {most:.1%})"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "patients": self.patients,
            "flagged": self.flagged,
            "share_flagged": [round(v, 4) for v in self.share],
            "nominal_share_flagged": RATE,
            "share_below_1_percent_point": [round(v, 4) for v in self.near],
            "above_nominal": self.above or None,
        }


def groups_of(groups: NDArray[np.str_], vendors: NDArray[np.str_]) -> list[NDArray[np.int64]]:
    """Rows of the slices of each mask in the style of each vendor."""
    pairs = np.stack([groups, vendors], axis=1)
    _, at = np.unique(pairs, axis=0, return_inverse=True)
    at = at.reshape(-1)
    return [np.flatnonzero(at == number) for number in range(at.max() + 1)] if len(at) else []


def discoveries(
    p: NDArray[np.float64],
    groups: NDArray[np.str_],
    vendors: NDArray[np.str_],
    rate: float = RATE,
) -> NDArray[np.bool_]:
    """Slices flagged so that at most a share `rate` of the flagged groups is so falsely.

    Benjamini and Hochberg 1995 (doi:10.1111/j.2517-6161.1995.tb02031.x) over groups, the smallest
    corrected p-value of the slices being that of the group; p-values that rest on the same held-out
    patients depend on each other positively, under which it holds (Bates et al. 2023,
    doi:10.1214/22-AOS2244). Within a group those slices are flagged that reach the same limit
    (Benjamini and Bogomolov 2014, doi:10.1111/rssb.12028), so that slices of one mask may be as
    alike as they like.
    """
    from scipy.stats import false_discovery_control

    found = groups_of(groups, vendors)
    if not found:
        return np.zeros(0, bool)
    least = np.array([p[rows].min() for rows in found])
    # one that meets its step exactly passes
    adjusted = false_discovery_control(np.minimum(least, 1), method="bh")
    chosen = int((adjusted <= rate * (1 + 1e-12)).sum())
    return np.asarray(p <= rate * chosen / len(found) * (1 + 1e-12)) & (chosen > 0)
