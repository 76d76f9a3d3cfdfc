"""The known data sets by name; third parties add theirs as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

from cmr_synth import extensions
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
PARTS = ("name", "title", "vendor", "licence", "citation", "examinations")
"""What an adapter must have."""


def cohorts() -> dict[str, EntryPoint]:
    """Every cohort adapter by name; nothing is imported before `.load()`."""
    return extensions.declared(GROUP, BUILT_IN, what="cohort")


def load_cohort(name: str) -> Cohort:
    """The adapter called `name`.

    Raises
    ------
    InputError
        Listing the known names if there is none; naming the package of one that cannot be
        imported, or lacks something of `cmr_synth.cohorts.examination.Cohort`.
    """
    known = cohorts()
    if name not in known:
        raise InputError(f"no cohort is called {name!r}; known are {', '.join(sorted(known))}.")
    cohort: Cohort = extensions.load(
        known[name], what="cohort", fault=lambda found: extensions.missing(found, PARTS)
    )
    return cohort


def same_person(name: str) -> Mapping[str, str]:
    """Numbers of a cohort under which somebody was examined again, to the first number of each.

    Empty for a cohort that is not installed here, or whose adapter knows of nobody.
    """
    return getattr(load_cohort(name), "same_person", {}) if name in cohorts() else {}


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
