"""What a metric is given: synthetic slices, held-out real ones, and those of other patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism.coverage import standardised
from cmr_synth.evaluation.realism.halves import Patients, listed
from cmr_synth.evaluation.realism.spaces import Space
from cmr_synth.evaluation.resampling import matched_rows
from cmr_synth.evaluation.sample import Sample

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Features:
    """Features of the three sets, (n, d) each.

    Parameters
    ----------
    made, real, more : arrays
        Of synthetic, held-out and other real slices.
    again : array or None
        Of synthetic slices with other noise.
    """

    made: NDArray[np.float64]
    real: NDArray[np.float64]
    more: NDArray[np.float64]
    again: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Sets:
    """Two samples to compare, and a third for the floor.

    Parameters
    ----------
    synthetic : Sample
        Its rows name the patients whose masks were taken.
    held_out : Sample
        Real slices of patients that no model has seen. For metrics of features, of the same
        number; for those of pairs, in the same order.
    other : Sample
        Real slices of other patients, such as training patients, at least as many.
    space : Space or None
        For metrics of features.
    seed : int
        Of resampling.
    again : Sample or None
        What the same generator makes for the rows of `synthetic` with other noise, for the null.
    """

    synthetic: Sample
    held_out: Sample
    other: Sample
    space: Space | None = None
    seed: int = 0
    again: Sample | None = None
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    def once(self, compute: Callable[[Sets], T]) -> T:
        """`compute(self)`, and the same again when it is asked for again.

        Several metrics read one computation; each may be the first to ask for it.
        """
        if compute not in self._kept:
            self._kept[compute] = compute(self)
        found: T = self._kept[compute]
        return found

    def keep(self, kind: type[T], found: T) -> None:
        """What a metric leaves for the report, beside its estimate."""
        self._kept[kind] = found

    def kept(self, kind: type[T]) -> T | None:
        """What a metric left, if it did."""
        return self._kept.get(kind)

    @property
    def opened(self) -> Space:
        """The feature space, of metrics that need one."""
        if self.space is None:
            raise ValueError("this metric needs a feature space")
        return self.space

    @cached_property
    def features(self) -> Features:
        """Features of the space, standardised by other real patients where it asks for that.

        Raises
        ------
        InputError
            If some are not finite.
        """
        space = self.opened
        samples = [self.synthetic, self.held_out, self.other]
        samples += [self.again] if self.again is not None else []
        found = [space.features(sample) for sample in samples]
        if space.standardise:
            found = _standardised(found, like=found[2])
        for sample, features in zip(samples, found, strict=True):
            if not np.isfinite(features).all():
                raise InputError(
                    f"{sample.name}: the {space.name} has features that are not finite; look at "
                    "its pictures."
                )
        return Features(*found)

    @cached_property
    def scaled(self) -> Features:
        """Features in standard deviations of other real slices, which are on neither side."""
        found = self.features
        made, real, more = (
            standardised(x, found.more) for x in (found.made, found.real, found.more)
        )
        return Features(made, real, more)

    @cached_property
    def halves(self) -> Patients:
        """Patients of the synthetic and the held-out slices, to be dealt into halves."""
        return Patients(listed(self.synthetic), listed(self.held_out))

    @cached_property
    def matched(self) -> NDArray[np.int64]:
        """Rows of `other`, as many as there are held-out slices: whole patients in random order."""
        return matched_rows(self.other.patients, len(self.held_out), seed=self.seed)

    @cached_property
    def patients(self) -> int:
        """Held-out ones."""
        return len(np.unique(self.held_out.patients))


def _standardised(
    sets: list[NDArray[np.float64]], *, like: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """In standard deviations of other real patients; their mean, 0, in the place of NaN."""
    # a feature that no other real slice has says nothing
    known = np.isfinite(like).any(axis=0)
    mean, spread = np.nanmean(like[:, known], axis=0), np.nanstd(like[:, known], axis=0)
    spread[spread == 0] = 1
    scaled = [(x[:, known] - mean) / spread for x in sets]
    return [np.where(np.isnan(x), 0.0, x) for x in scaled]
