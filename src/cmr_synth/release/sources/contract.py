"""What every source of people owes the makers of a release."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cmr_synth.imaging.scan import Scan
from cmr_synth.release.asked import Asked
from cmr_synth.release.request import ReleaseRequest

CINE = "cine"
"""In the place of a phase: all frames of a heart beat."""


@dataclass(frozen=True, eq=False)
class Person:
    """The hearts of one patient.

    Parameters
    ----------
    masks : dict of phase, or `CINE`, to Scan
        ([t,] z, y, x) engine labels, all on one grid.
    record : dict
        Where they come from, for records.
    labels : str
        Where the meaning of their numbers comes from, in one sentence.
    """

    masks: dict[str, Scan]
    record: dict[str, Any]
    labels: str


class Source(Protocol):
    """Where people come from."""

    @property
    def title(self) -> str:
        """In a sentence about the release."""

    @property
    def takes(self) -> Collection[str]:
        """Of "pathology", "severity", "function" and "frames": what it can be asked for."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Provenance, for the datasheet; with hashes of what decides the masks."""

    @property
    def licences(self) -> tuple[str, ...]:
        """Of what the masks derive from."""

    def lacks(self, request: ReleaseRequest, people: list[Asked]) -> list[str]:
        """What of a request it cannot give, a sentence each."""

    def person(self, asked: Asked) -> Person:
        """The hearts of one patient; depends on nothing but what is asked.

        Raises
        ------
        InputError
            If it cannot be had.
        """


def lacking(source: Source, request: ReleaseRequest) -> list[str]:
    """What any source says of the kinds of things that it does not take."""
    mixes = request.mixes
    said = []
    if request.pathologies and "pathology" not in source.takes:
        said.append(f"pathologies: {source.title} cannot be had by pathology; leave them out.")
    if any(mix.severity for mix in mixes.values()) and "severity" not in source.takes:
        said.append(f"severity: {source.title} have no severity; leave it out.")
    asks = request.function or any(mix.function for mix in mixes.values())
    if asks and "function" not in source.takes:
        said.append(
            f"function: {source.title} are taken as they are, so volumes and ejection fractions "
            "cannot be asked for; leave it out, or ask for sampled masks."
        )
    if request.frames is not None and "frames" not in source.takes:
        said.append(f"frames: {source.title} do not beat; ask for phases.")
    return said
