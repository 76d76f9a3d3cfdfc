"""The known data sets by name; third parties add theirs as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from cmr_synth import extensions
from cmr_synth.cohorts.examination import VENDORS, Cohort
from cmr_synth.cohorts.splits import SPLITS
from cmr_synth.errors import InputError

GROUP = "cmr_synth.cohorts"
BUILT_IN = {
    "acdc": "cmr_synth.cohorts.acdc",
    "chla": "cmr_synth.cohorts.chla",
    "sunnybrook": "cmr_synth.cohorts.sunnybrook",
    "autofd": "cmr_synth.cohorts.autofd",
    "emidec": "cmr_synth.cohorts.emidec",
    "kaggle": "cmr_synth.cohorts.kaggle",
    "mmwhs": "cmr_synth.cohorts.mmwhs",
    "mnms": "cmr_synth.cohorts.mnms",
    "mnms2": "cmr_synth.cohorts.mnms2",
    "mscmrseg": "cmr_synth.cohorts.mscmrseg",
    "myops": "cmr_synth.cohorts.myops",
    "ocmr": "cmr_synth.cohorts.ocmr",
    "ukbb": "cmr_synth.cohorts.ukbb",
    "bids": "cmr_synth.cohorts.bids",
    "nnunet": "cmr_synth.cohorts.nnunet",
    "folder": "cmr_synth.cohorts.folder",
}
TEXTS = ("name", "title", "licence", "citation", "asked_for")
MAPPINGS = ("same_person", "settled")
METHODS = ("examinations", "remarks")
"""What an adapter must have, beside a vendor; see `Cohort`."""


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
    cohort: Cohort = extensions.load(known[name], what="cohort", fault=_fault)
    return cohort


def same_person(name: str) -> Mapping[str, str]:
    """Numbers of a cohort under which somebody was examined again, to the first number of each.

    Empty for a cohort that is not installed here, or whose adapter knows of nobody.
    """
    return load_cohort(name).same_person if name in cohorts() else {}


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


def _fault(found: Any) -> str | None:
    """What is wrong with an adapter, in words; None if nothing is."""
    lacking = extensions.missing(found, (*TEXTS, "vendor", *MAPPINGS, *METHODS))
    if lacking:
        return lacking
    for names, is_right, wanted in (
        (TEXTS, lambda part: isinstance(part, str) and part, "text"),
        (MAPPINGS, lambda part: isinstance(part, Mapping), "a mapping"),
        (METHODS, callable, "a function"),
    ):
        for name in names:
            if not is_right(getattr(found, name)):
                return f"its {name} is not {wanted}"
    if found.vendor not in (None, *VENDORS):
        return f"its vendor {found.vendor!r} is none of {', '.join(VENDORS)}"
    sides = sorted(set(map(str, found.settled.values())) - set(SPLITS))
    return (
        f"it settles patients on {sides[0]!r}, and sides are {', '.join(SPLITS)}" if sides else None
    )
