"""Halves of patients: synthetic slices of some beside real ones of others, real beside real alike.

Synthetic slices follow the masks of the very patients that they are compared with: a distance of
the two is smaller than one of real slices of other patients, whatever the generator. Therefore the
patients are dealt into two halves P and Q. Pictures for the masks of P stand beside the real slices
of Q, and for the floor the real slices of P beside those of Q: nothing but who made the pictures
differs, so that a perfect generator is at its floor in expectation, exactly.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.resampling import drawn_within
from cmr_synth.evaluation.sample import Sample

LEAST_PATIENTS = 6
"""Below, intervals over halves of patients hold the truth less often than nine times in ten."""
LEAST_DRAWN = 4  # different patients in a draw, two for each half

Rows = NDArray[np.int64]
Both = tuple[Rows, Rows]


@dataclass(frozen=True, eq=False)
class Listed:
    """What is known of the slices of a sample, (n,) each.

    Parameters
    ----------
    patients : array of str
    cells : array of str
        Slices of one cell are of one kind: level, phase and vendor.
    strata : array of str
        Of patients: vendor and pathology.
    keys : array of str
        Identity of the slice; counterparts have that of the slice whose mask they follow.
    """

    patients: NDArray[np.str_]
    cells: NDArray[np.str_]
    strata: NDArray[np.str_]
    keys: NDArray[np.str_]


def listed(sample: Sample) -> Listed:
    """The slices of a sample."""
    rows = sample.rows
    return Listed(
        sample.patients,
        np.array([f"{at} {r.phase} {r.vendor}" for at, r in zip(sample.levels, rows, strict=True)]),
        np.array([f"{row.vendor} {row.pathology}" for row in rows]),
        np.array([repr(astuple(row)) for row in rows]),
    )


@dataclass(frozen=True, eq=False)
class Halves:
    """Rows of the slices in both halves, as many in each; a patient drawn twice has them twice."""

    made: Both
    real: Both

    @property
    def size(self) -> int:
        """Slices in each."""
        return len(self.real[0])


class Patients:
    """Patients of a synthetic and of a real sample, to be dealt into halves.

    Parameters
    ----------
    made, real : Listed
        Patients of one name are in the same half, with both their kinds of slices.
    """

    def __init__(self, made: Listed, real: Listed):
        few = min(len(np.unique(one.patients)) for one in (made, real))
        if few < LEAST_PATIENTS:
            raise ValueError(f"{few} patients are too few for halves; {LEAST_PATIENTS} are needed")
        names = np.union1d(made.patients, real.patients)
        self.names = names
        # patients of both sets, of one and of the other are dealt and drawn apart
        self.kinds = np.isin(names, made.patients) + 2 * np.isin(names, real.patients)
        of_name = dict(zip(made.patients, made.strata, strict=True))
        of_name.update(zip(real.patients, real.strata, strict=True))
        stratum = [f"{kind} {of_name[name]}" for kind, name in zip(self.kinds, names, strict=True)]
        self._stratum = np.unique(stratum, return_inverse=True)[1]
        self._cells = np.unique(real.cells, return_inverse=True)[1]
        # in the order of their keys, so that the order of a sample changes nothing
        self._made, self._real = (np.argsort(one.keys, kind="stable") for one in (made, real))
        self._patient_made = np.searchsorted(names, made.patients[self._made])
        self._patient_real = np.searchsorted(names, real.patients[self._real])
        self._twin: Rows | None = None
        if np.array_equal(made.keys[self._made], real.keys[self._real]):
            self._twin = np.empty(len(real.keys), np.int64)
            self._twin[self._real] = self._made

    def drawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """How often each patient is drawn, (names,), so that both halves can have two of each."""
        while True:
            weights = drawn_within(rng, self.kinds, 1)[0].astype(np.int64)
            kinds = self.kinds[weights > 0]
            if min(np.count_nonzero(kinds & of) for of in (1, 2)) >= LEAST_DRAWN:
                return weights

    def dealt(self, rng: np.random.Generator, weights: NDArray[np.int64] | None = None) -> Halves:
        """Deal patients into halves, alike in vendors and pathologies.

        Parameters
        ----------
        weights : (names,) int array, optional
            How often each patient stands in its half, by default once.

        Returns
        -------
        Halves
            As many real slices of each level, phase and vendor in both, the others left out at
            random. Counterparts are those of the same slices; synthetic slices of other patients,
            or in other numbers, are as many.
        """
        weights = np.ones(len(self.names), np.int64) if weights is None else weights
        side = self._sides(rng, weights)
        # of its own, so that who is dealt where does not hang on how many slices there are
        (rng,) = rng.spawn(1)
        times = [np.where(side == one, weights, 0) for one in (0, 1)]
        real = self._matched(rng, [np.repeat(self._real, of[self._patient_real]) for of in times])
        if self._twin is not None:
            return Halves((self._twin[real[0]], self._twin[real[1]]), real)
        made = [rng.permutation(np.repeat(self._made, of[self._patient_made])) for of in times]
        size = min(len(real[0]), *(len(rows) for rows in made))
        return Halves(
            (made[0][:size], made[1][:size]),
            (rng.permutation(real[0])[:size], rng.permutation(real[1])[:size]),
        )

    def _sides(self, rng: np.random.Generator, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """0 or 1 for each patient, -1 for those not drawn.

        Stratum by stratum, in random order: each patient goes where there are fewer of its
        stratum, or else of its kind, or else by chance.
        """
        shuffled = rng.permutation(int(self._stratum.max()) + 1)[self._stratum]
        order = rng.permutation(np.flatnonzero(weights))
        # those drawn most often first, so that the rest can level the halves
        order = order[np.lexsort((-weights[order], shuffled[order]))]
        side = np.full(len(weights), -1)
        of_stratum = np.zeros(int(self._stratum.max()) + 1, np.int64)
        of_kind = np.zeros(4, np.int64)
        for i in order:
            stratum, kind = self._stratum[i], self.kinds[i]
            ahead = of_stratum[stratum] or of_kind[kind]
            side[i] = int(ahead > 0) if ahead else rng.integers(2)
            step = weights[i] * (1 - 2 * side[i])
            of_stratum[stratum] += step
            of_kind[kind] += step
        return side

    def _matched(self, rng: np.random.Generator, halves: list[Rows]) -> Both:
        """Rows cut to equal numbers in each cell."""
        cells = int(self._cells.max()) + 1
        counts = [np.bincount(self._cells[rows], minlength=cells) for rows in halves]
        most = np.minimum(*counts)
        kept = []
        for rows, count in zip(halves, counts, strict=True):
            rows = rng.permutation(rows)
            rows = rows[np.argsort(self._cells[rows], kind="stable")]
            first = np.cumsum(count) - count
            of = self._cells[rows]
            kept.append(rows[np.arange(len(rows)) - first[of] < most[of]])
        return kept[0], kept[1]
