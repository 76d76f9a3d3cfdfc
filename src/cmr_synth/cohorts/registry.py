"""The known data sets by name; third parties add theirs as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from cmr_synth.cohorts.examination import Cohort
from cmr_synth.errors import InputError

GROUP = "cmr_synth.cohorts"
BUILT_IN = {
    "acdc": "cmr_synth.cohorts.acdc",
    "chla": "cmr_synth.cohorts.chla",
    "sunnybrook": "cmr_synth.cohorts.sunnybrook",
    "autofd": "cmr_synth.cohorts.autofd",
    "folder": "cmr_synth.cohorts.folder",
}


def cohorts() -> dict[str, EntryPoint]:
    """Every cohort adapter by name; nothing is imported before `.load()`."""
    found: dict[str, EntryPoint] = {}
    ours = [EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()]
    for entry in [*ours, *entry_points(group=GROUP)]:
        if entry.name in found:
            raise ValueError(
                f"cohort {entry.name!r} is declared twice: {found[entry.name].value}, {entry.value}"
            )
        found[entry.name] = entry
    return found


def load_cohort(name: str) -> Cohort:
    """The adapter called `name`.

    Raises
    ------
    InputError
        Listing the known names if there is none.
    """
    known = cohorts()
    if name not in known:
        raise InputError(f"no cohort is called {name!r}; known are {', '.join(sorted(known))}.")
    return known[name].load()


def same_person(name: str) -> Mapping[str, str]:
    """Numbers of a cohort under which somebody was examined again, to the first number of each.

    Empty for a cohort that is not installed here, or whose adapter knows of nobody.
    """
    try:
        return getattr(load_cohort(name), "same_person", {})
    except InputError:
        return {}


def parse_sources(sources: list[str]) -> list[tuple[str, Path]]:
    """Read `NAME=PATH` arguments.

    Raises
    ------
    InputError
        If one has no `=`, names an unknown cohort, or a folder that does not exist.
    """
    parsed = []
    for source in sources:
        name, equals, path = source.partition("=")
        if not equals or not path:
            raise InputError(
                f"{source!r}: give data as NAME=PATH, such as acdc=data/ACDC/training."
            )
        load_cohort(name)
        if not Path(path).expanduser().is_dir():
            raise InputError(f"{path}: no such folder (given for cohort {name!r}).")
        parsed.append((name, Path(path).expanduser()))
    return parsed
