"""Preparing a slice set: from cohorts to shards, and from shards to a set.

Every unit of work ends in shards that lie in a hidden folder beside the set to be. Whoever runs the
same preparation again, after it was killed or elsewhere at the same time, finds the shards of
units that are done and does the others; when all are there the folder becomes the set.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import cmr_synth
from cmr_synth.cohorts.examination import Examination, LeftOut
from cmr_synth.cohorts.on_grid import Completion, OnGrid, on_grid
from cmr_synth.cohorts.preparing import Preparing
from cmr_synth.cohorts.reading import require_nothing_left_out, require_some
from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.cohorts.shards import KEYS, SLICES, read_text, write_shard
from cmr_synth.cohorts.slices import ABOUT, FORMAT, SHARDS, SliceRow, write_index
from cmr_synth.cohorts.splits import check_shares, split_patients
from cmr_synth.cohorts.table import PatientTable
from cmr_synth.cohorts.units import Reader, Unfinished, Unit, units_of
from cmr_synth.cohorts.workers import spread
from cmr_synth.errors import InputError
from cmr_synth.files import require_replaceable
from cmr_synth.processes import ALONE, Processes

_END = "-end.safetensors"  # the last shard of a unit: its being there says that all are
_SAID = ("patient", "vendor", "phase", "pathology", "contrast", "covariates", "files")
_SHARD = re.compile(r"(?P<unit>.+-[0-9a-f]{12})-\d{3}(-end)?\.safetensors")


def prepare(
    sources: Iterable[tuple[str, Path]],
    out: Path,
    *,
    choices: Preparing | None = None,
    complete: Completion | None = None,
    seed: int = 0,
    test: float = 0.2,
    validation: float = 0.05,
    strict: bool = False,
    jobs: int = 1,
    group: Processes = ALONE,
) -> Iterator[str]:
    """Write the slice set of some cohorts.

    Slices without any label are left out. The folder appears only when it is complete. What is
    done when it is interrupted is kept in `unfinished(out)`, and the same call goes on from there.

    Parameters
    ----------
    sources : (cohort name, folder) pairs
    out : Path
        Folder to make; an existing slice set is replaced.
    choices : Preparing, optional
    complete : Completion, optional
        Completes partly labelled slices. One that can be pickled, where there are several jobs.
    seed, test, validation
        See `split_patients`.
    strict : bool
        Refuse cohorts of which anything had to be left out. Otherwise `slice_set.json` lists it.
    jobs : int
        Worker processes of this process; 1 works in this one.
    group : Processes
        Those that were launched together: they share the work, and all of them call this.

    Yields
    ------
    str
        A line for every examination read here.

    Raises
    ------
    InputError
        If an option or a source does not do, `out` holds something else than a slice set, or
        something is left out and `strict`.
    """
    sources = [(name, Path(root)) for name, root in sources]
    out, choices = Path(out), choices or Preparing()
    names = [name for name, _ in sources]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"cohort {twice!r} is given twice; give each one folder.")
    check_shares(test, validation)
    if jobs < 1:
        raise InputError(f"{jobs} jobs prepare nothing; give 1 or more.")
    if group.is_main:
        _mend(out)
        require_replaceable(out, ABOUT)
    work = unfinished(out)
    settings = json.dumps(
        [
            *(FORMAT, cmr_synth.__version__, _SAID),
            *(choices.model_dump(mode="json"), complete is not None),
        ]
    )
    for _, root in sources:
        PatientTable.of(root)  # what is wrong with it is told before the work
    units = [unit for name, root in sources for unit in units_of(name, root, settings)]
    about = {
        "split": {"seed": seed, "test": test, "validation": validation},
        "prepared": choices.model_dump(mode="json"),
    }
    with _kept_if_anything_is_done(work):
        if group.is_main:
            _take_over(out / SHARDS, work / SHARDS, units)
        group.gather([])  # until the others can see what is done
        there = _names(work / SHARDS)
        missing = (
            units[place]
            for place in group.turns("prepare", len(units))
            if not is_done(units[place], there)
        )
        doer = partial(Preparer, work / SHARDS, choices, complete)
        if jobs == 1:
            do = doer()
            for unit in missing:
                group.check()
                yield from do(unit)
        else:
            yield from spread(doer, missing, jobs, check=group.check)
        group.gather([])  # until the shards of all are there
        if group.is_main:
            try:
                _finish(work, units, sources, choices, about, strict=strict)
            except InputError as error:  # of words, not of pixels: those can be gone on with
                raise Unfinished(str(error)) from error
            _replace(out, work)
        group.gather([])  # until the set is there


def unfinished(out: Path) -> Path:
    """Where shards are kept until the set is complete."""
    return out.with_name(f".{out.name}.preparing")


def is_done(unit: Unit, there: Mapping[str, Sequence[str]]) -> bool:
    """Whether all shards of a unit are there."""
    return there.get(unit.name, [""])[-1].endswith(_END)


@dataclass
class Preparer:
    """Does units of work, one after another."""

    shards: Path
    choices: Preparing
    complete: Completion | None

    def __post_init__(self) -> None:
        self._reader: Reader | None = None

    def __call__(self, unit: Unit) -> Iterator[str]:
        """Write the shards of a unit that are missing; yields a line for every examination."""
        if self._reader is None or (self._reader.cohort, self._reader.root) != (
            unit.cohort,
            unit.root,
        ):
            self._reader = Reader(unit.cohort, unit.root)
        names = _names(self.shards).get(unit.name, [])
        before = [read_text(self.shards / name) for name in names]
        number, taken = len(before), sum(text["taken"] for text in before)
        part = _Part()
        for place, found in enumerate(self._reader.read(unit)):
            if place < taken:
                continue
            part.taken += 1
            if isinstance(found, LeftOut):
                part.left_out.append(asdict(found))
                continue
            try:
                part.add(found, on_grid(found, self.choices, self.complete))
            except InputError as error:
                what = found.files[0] if found.files else found.patient
                part.left_out.append(asdict(LeftOut(what, str(error))))
                continue
            yield f"{unit.cohort} {found.patient} {found.phase or ''}".rstrip()
            if len(part) >= SLICES:
                part.write(self.shards / f"{unit.name}-{number:03d}.safetensors", self.choices)
                number, part = number + 1, _Part()
        part.write(self.shards / f"{unit.name}-{number:03d}{_END}", self.choices)


class _Part:
    """What comes into one shard."""

    def __init__(self) -> None:
        self.taken = 0
        self.left_out: list[dict[str, str]] = []
        self.examinations: list[dict[str, Any]] = []
        self.made: list[OnGrid] = []

    def __len__(self) -> int:
        return sum(len(one.slices) for one in self.made)

    def add(self, examination: Examination, made: OnGrid) -> None:
        self.made.append(made)
        said = {key: getattr(examination, key) for key in _SAID}
        self.examinations.append(
            said
            | {
                "between_mm": float(examination.spacing[0]),
                "slices": made.slices.tolist(),
                "z": [float(examination.z[k]) for k in made.slices],
                "completed": made.completed.tolist(),
            }
        )

    def write(self, path: Path, choices: Preparing) -> None:
        empty = np.zeros((0, *choices.wide_grid.shape), np.uint8)
        arrays = {key: [empty, *(getattr(one, key) for one in self.made)] for key in KEYS}
        text = {
            "taken": self.taken,
            "examinations": self.examinations,
            "left_out": self.left_out,
        }
        try:
            write_shard(path, {key: np.concatenate(parts) for key, parts in arrays.items()}, text)
        except InputError as error:
            raise Unfinished(str(error)) from error


def _names(shards: Path) -> dict[str, list[str]]:
    """Names of the shards in a folder by the unit that they are of, in order."""
    found: dict[str, list[str]] = {}
    for name in sorted(path.name for path in shards.iterdir()):
        parts = _SHARD.fullmatch(name)
        if parts:
            found.setdefault(parts["unit"], []).append(name)
    return found


def _finish(
    work: Path,
    units: Sequence[Unit],
    sources: Sequence[tuple[str, Path]],
    choices: Preparing,
    about: Mapping[str, Any],
    *,
    strict: bool,
) -> None:
    """Make a set of the shards of all units: splits, tables, and nothing else in the folder."""
    there = _names(work / SHARDS)
    shards: list[tuple[str, int]] = []
    cohorts: dict[str, Any] = {}
    side: dict[tuple[str, str], str] = {}
    tables = {name: PatientTable.of(root) for name, root in sources}
    for name, root in sources:
        cohort, table = load_cohort(name), tables[name]
        pathology_of: dict[str, str | None] = {}
        count, left_out = 0, list[LeftOut]()
        for file in (f for unit in units if unit.cohort == name for f in there[unit.name]):
            text = read_text(work / SHARDS / file)
            for examination in text["examinations"]:
                joined = _joined(name, examination, table)
                pathology_of[joined.patient] = joined.pathology
                count += 1
            left_out += [LeftOut(**one) for one in text["left_out"]]
            shards.append((file, sum(len(one["slices"]) for one in text["examinations"])))
        require_some(name, root, count, left_out)
        left_out += table.unused()
        if strict:
            require_nothing_left_out(left_out)
        cohorts[name] = {
            "title": cohort.title,
            "licence": cohort.licence,
            "citation": cohort.citation,
            "examinations": count,
            "left_out": [asdict(one) for one in left_out],
        }
        assigned = split_patients(
            pathology_of,
            **about["split"],
            settled=cohort.settled,
            same_person=cohort.same_person,
        )
        side.update({(name, patient): split for patient, split in assigned.items()})
    slices = sum(count for _, count in shards)
    if not slices:
        raise InputError("no labelled slice in the data given; check the folders and their masks.")
    grid = choices.wide_grid
    said = {
        "spacing_mm": grid.spacing,
        "networks_shape": choices.shape,
        "cohorts": cohorts,
        "slices": slices,
        "normalisation": choices.normalisation,
        **about,
        "cmr_synth": cmr_synth.__version__,
    }
    wanted = {file for file, _ in shards}
    for path in (work / SHARDS).iterdir():  # of other choices or other files, or halves
        if path.name not in wanted:
            path.unlink()
    cohort_of = {file: unit.cohort for unit in units for file in there[unit.name]}
    rows = (
        row
        for file, _ in shards
        for examination in read_text(work / SHARDS / file)["examinations"]
        for row in _rows(cohort_of[file], examination, tables[cohort_of[file]], side)
    )
    write_index(work, rows, said, shards, grid.shape)


def _joined(cohort: str, said: Mapping[str, Any], table: PatientTable) -> Examination:
    """What a shard says of an examination, and the table of patients; without its pixels."""
    nothing = np.zeros((0, 0, 0), np.float32)
    words = {key: said[key] for key in _SAID} | {"files": tuple(said["files"])}
    return table.joined(
        Examination(
            cohort=cohort,
            image=nothing,
            labels=nothing.astype(np.uint8),
            may_hide=np.zeros((0, 4), bool),
            spacing=(said["between_mm"], 1.0, 1.0),
            z=np.zeros(0, np.float32),
            **words,
        )
    )


def _rows(
    cohort: str,
    said: Mapping[str, Any],
    table: PatientTable,
    side: Mapping[tuple[str, str], str],
) -> Iterator[SliceRow]:
    examination = _joined(cohort, said, table)
    for k, z, completed in zip(said["slices"], said["z"], said["completed"], strict=True):
        yield SliceRow(
            cohort=cohort,
            patient=examination.patient,
            split=side[cohort, examination.patient],
            vendor=examination.vendor or "",
            phase=examination.phase or "",
            pathology=examination.pathology or "",
            slice=k,
            z=z,
            completed=completed,
            between_mm=said["between_mm"],
            contrast=examination.contrast,
            age=examination.covariates.get("age"),
            height=examination.covariates.get("height"),
            weight=examination.covariates.get("weight"),
        )


def _take_over(older: Path, shards: Path, units: Iterable[Unit]) -> None:
    """Use what an older set has that would be made again: another split, or some more patients."""
    if not older.is_dir():
        return
    there = _names(older)
    for unit in units:
        if is_done(unit, there):
            for name in there[unit.name]:
                try:
                    (shards / name).hardlink_to(older / name)
                except OSError:  # there already, or a file system without links: it is made again
                    continue


def _replace(out: Path, work: Path) -> None:
    """Put the finished folder where the set belongs; `_mend` repairs what a kill leaves."""
    if out.exists():
        out.replace(_old(out))
    work.replace(out)
    shutil.rmtree(_old(out), ignore_errors=True)


def _mend(out: Path) -> None:
    """Bring back an older set that was put aside when the new one could not come any more."""
    if _old(out).exists() and not out.exists():
        _old(out).replace(out)
    shutil.rmtree(_old(out), ignore_errors=True)


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.replaced")


def _holds_slices(shards: Path) -> bool:
    names = (name for names in _names(shards).values() for name in names)
    return any(
        examination["slices"]
        for name in names
        for examination in read_text(shards / name)["examinations"]
    )


@contextmanager
def _kept_if_anything_is_done(work: Path) -> Iterator[None]:
    """Make the hidden folder; only whole shards of data without a fault remain of it.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    made = [folder for folder in work.parents if not folder.exists()]
    shards = work / SHARDS
    try:
        shards.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{work.parent}: cannot be written ({error.strerror}); choose another folder."
        ) from error
    keep = True
    try:
        yield
    except Unfinished:
        raise
    except InputError:
        keep = False
        raise
    finally:
        if not keep or (shards.is_dir() and not _holds_slices(shards)):
            shutil.rmtree(work, ignore_errors=True)
        for folder in made:  # only those that are empty go
            try:
                folder.rmdir()
            except OSError:
                break
