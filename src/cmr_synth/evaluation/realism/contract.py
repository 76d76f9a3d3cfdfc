"""What a metric of realism is, ours or a third party's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.generators.interface import Progress

NEEDS = ("features", "pixels", "masks", "pairs")
"""What a metric may ask for: a feature space; pictures; drawn hearts; counterparts in order."""

Outcome = Estimate | Iterator[Progress | Estimate]


class NotMeasured(Exception):
    """Raised by a metric for sets that are sound but not enough for it; the text says why.

    The text becomes a note below the other metrics, word for word.
    """


@dataclass(frozen=True, kw_only=True)
class Truths:
    """What is true of a metric, which the contract suite tests.

    Parameters
    ----------
    identity : float or "floor"
        Its value for a set against itself; NaN if it then has none. "floor": that of its floor,
        which is a figure of the held-out slices alone.
    within : float
        How near it is to that.
    worse : "higher" or "lower"
        Where damage moves it.
    order : float
        How far another order of the slices may move it.
    duplicates : float, "higher", "lower" or "either"
        How far it may move, relative to itself, if every slice of both sets stands twice; or the
        direction in which it then moves, or that this is open.
    interval : bool
        Whether its interval grows if slices of one patient are alike.
    why : str
        The reason for what is not as one would wish.
    """

    identity: float | Literal["floor"]
    worse: Literal["higher", "lower"]
    within: float = 1e-9
    order: float = 1e-6
    duplicates: float | Literal["higher", "lower", "either"] = 1e-6
    interval: bool = True
    why: str = ""


class Metric(Protocol):
    """One line of the table of metrics: an object or a module.

    Parameters
    ----------
    name : str
        That of its entry in the table.
    heading : str
        Of its column.
    sentence : str
        How to read it, for the report.
    section : str
        Of the report in which it stands; one that needs features stands in that of their space.
    needs : frozenset of str
        Of `NEEDS`. It is left out where there is no such thing: without masks, without pairs.
    digits : int
        Behind the point.
    truths : Truths
    """

    @property
    def name(self) -> str: ...
    @property
    def heading(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def section(self) -> str: ...
    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def digits(self) -> int: ...
    @property
    def truths(self) -> Truths: ...

    @property
    def measure(self) -> Callable[[Sets], Outcome]:
        """Compare the synthetic with the held-out real slices; `Sets.other` is for the floor.

        Returns the `Estimate`, or, if it takes long, an iterator of `Progress` that ends with it.
        Random numbers come from `Sets.seed`, and the unit of resampling is the patient.

        Raises
        ------
        NotMeasured
            If there is too little for this metric.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A metric by its parts; see `Metric`."""

    name: str
    heading: str
    sentence: str
    measure: Callable[[Sets], Outcome]
    needs: frozenset[str]
    truths: Truths
    section: str = "Pictures"
    digits: int = 3
