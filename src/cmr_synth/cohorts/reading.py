"""Reading a cohort: its examinations one by one, and a list of what was left out, told once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cmr_synth.cohorts.examination import Cohort, Examination, LeftOut, Unread
from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.cohorts.table import PatientTable
from cmr_synth.errors import InputError

NAMED = 5  # so many files are named of each reason


def read_cohort(name: str, root: Path, left_out: list[LeftOut]) -> Iterator[Examination]:
    """Yield the examinations of a cohort, with what `cohort.csv` in its folder states of them.

    Parameters
    ----------
    name : str
        A cohort adapter.
    root : Path
        Its folder.
    left_out : list of LeftOut
        Whatever is left out is added to it.

    Raises
    ------
    InputError
        If the cohort is unknown, cannot be read, or nothing is left of it.
    """
    cohort = load_cohort(name)
    table = PatientTable.of(Path(root))
    before, count = len(left_out), 0
    for found in found_in(cohort, Path(root)):
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        count += 1
        yield table.joined(found)
    require_some(name, root, count, left_out[before:])
    left_out += table.unused()


def require_some(name: str, root: Path, count: int, left_out: Sequence[LeftOut]) -> None:
    """Refuse a cohort of which nothing is left.

    Raises
    ------
    InputError
        Naming the first thing that was left out, if anything was.
    """
    if not count:
        why = f"; {left_out[0].what}: {left_out[0].reason}" if left_out else "."
        more = f" {len(left_out) - 1} more are left out." if len(left_out) > 1 else ""
        raise InputError(f"{root}: holds no examination of cohort {name!r}{why}{more}")


def found_in(cohort: Cohort, root: Path) -> Iterator[Examination | LeftOut]:
    """Yield what an adapter finds below a folder, read."""
    for found in cohort.examinations(root):
        if isinstance(found, Unread):
            yield from found.read()
        else:
            yield found


def told(left_out: Iterable[LeftOut]) -> list[str]:
    """Lines that count and name what was left out, one a reason; none if nothing was."""
    by_reason: dict[str, list[str]] = {}
    for one in left_out:
        by_reason.setdefault(one.reason, []).append(one.what)
    return [f"{len(files)} left out, {_named(files)}: {why}" for why, files in by_reason.items()]


def require_nothing_left_out(left_out: Sequence[LeftOut]) -> None:
    """Refuse to go on where something was left out.

    Raises
    ------
    InputError
        Counting and naming it.
    """
    if left_out:
        raise InputError(
            f"{len(left_out)} files are left out, and nothing may be: {' '.join(told(left_out))}"
        )


def _named(files: list[str]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(files[:NAMED]) + more
