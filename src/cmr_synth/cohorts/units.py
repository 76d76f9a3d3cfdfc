"""The work of a preparation, in units that any process can do, and know again.

A unit is some items that a cohort's adapter finds one after another. Which items it has does not
depend on who does it, and its mark changes with its files and with whatever its slices depend on:
a unit whose shards are there is done, and is never done again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.errors import InputError

UNITS = 64  # a cohort is cut into about so many, or more
ITEMS_MOST = 16  # of a unit: what a killed process has done in vain


class Unfinished(InputError):
    """The work was ended by something that is not the data: what is done is kept."""


@dataclass(frozen=True)
class Unit:
    """Some items of a cohort, by their numbers.

    Parameters
    ----------
    cohort : str
    root : str
        The cohort's folder.
    first : int
    end : int or None
        The first one that is not of it; None where it has all that follow.
    name : str
        Of its shards, without their number and ending.
    """

    cohort: str
    root: str
    first: int
    end: int | None
    name: str


def units_of(cohort: str, root: Path, settings: str) -> list[Unit]:
    """Cut a cohort into units.

    A cohort whose adapter reads at once is a single unit.

    Parameters
    ----------
    cohort : str
    root : Path
    settings : str
        Whatever else the slices depend on.

    Raises
    ------
    InputError
        If the cohort cannot be read.
    """
    marks: list[str] = []
    name = re.sub(r"[^\w-]", "_", cohort)
    for found in load_cohort(cohort).examinations(root):
        if isinstance(found, Examination):
            mark = _mark(settings, _state([root]))
            return [Unit(cohort, str(root), 0, None, f"{name}-00000-{mark}")]
        if isinstance(found, LeftOut):
            marks.append(json.dumps(asdict(found)))
        else:
            marks.append(_state(found.files))
    step = min(max(-(-len(marks) // UNITS), 1), ITEMS_MOST)
    return [
        Unit(
            cohort,
            str(root),
            first,
            first + step,
            f"{name}-{first // step:05d}-{_mark(settings, *marks[first : first + step])}",
        )
        for first in range(0, len(marks), step)
    ]


class Reader:
    """Reads the units of one cohort in the order of their numbers, walking its folder once."""

    def __init__(self, cohort: str, root: str):
        self.cohort, self.root = cohort, root
        self._walk: Iterator[Examination | LeftOut | Unread] | None = None
        self._next = 0

    def read(self, unit: Unit) -> Iterator[Examination | LeftOut]:
        """Yield what is found in a unit.

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        if self._walk is None or unit.first < self._next:
            self._walk = iter(load_cohort(self.cohort).examinations(Path(self.root)))
            self._next = 0
        for found in self._walk:
            number, self._next = self._next, self._next + 1
            if number >= unit.first:
                if isinstance(found, Unread):
                    yield from found.read()
                else:
                    yield found
            if self._next == unit.end:
                return


def _state(files: Iterable[Path]) -> str:
    """Names, sizes and times of files, and of all in folders: what changes when one does."""
    said = []
    each = (one for path in files for one in (sorted(path.rglob("*")) if path.is_dir() else [path]))
    for path in each:
        try:
            known = path.stat()
            said.append(f"{path} {known.st_size} {known.st_mtime_ns}")
        except OSError:
            said.append(f"{path} missing")
    return "\n".join(said)


def _mark(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:12]
