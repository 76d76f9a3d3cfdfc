"""What a long evaluation tells while it runs."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cmr_synth.generators.interface import Progress


@dataclass(frozen=True)
class Event:
    """What is being done.

    Parameters
    ----------
    title : str
        The work, such as "make flow"; the same while it goes on.
    share : float or None
        Of this work that is done; None where it is not known.
    words : str
        How far it is, such as "8 of 12 slices".
    """

    title: str
    share: float | None = None
    words: str = ""


@dataclass(frozen=True)
class Remark:
    """What whoever asked should read, whether or not they watch."""

    words: str


Told = Event | Remark
"""All that is no result."""


def titled(title: str, events: Iterable[Any], *, of: str = "slices") -> Iterator[Any]:
    """Events of some work under its title: `Progress` in so many `of`, and results as they are."""
    yield Event(title)
    for event in events:
        if isinstance(event, Progress):
            share = event.step / event.steps
            yield Event(title, share, f"{event.step} of {event.steps} {of}")
        else:
            yield event


def outcome(events: Iterable[Any]) -> Generator[Told, None, Any]:
    """Pass on what is told of some work, as `found = yield from outcome(...)` its one result."""
    found = None
    for event in events:
        if isinstance(event, (Event, Remark)):
            yield event
        else:
            found = event
    return found
