"""Images and their masks as a data set in the form that nnU-Net trains from (version 2).

    FOLDER/imagesTr/NAME_0000.nii.gz    pixels, one channel
    FOLDER/labelsTr/NAME.nii.gz         labels on the same grid
    FOLDER/records/NAME.json            how a synthetic image was made
    FOLDER/dataset.json                 names of channels and labels, number of cases

Every file has its slices along the last axis, whatever order the original had, so that nnU-Net
plans with one axis for all. A frame of a cine is a case of its own. Cases can be added to a data
set that is there; until `dataset.json` is replaced at the very end, it says what it said before.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cmr_synth.anatomy.labels import BACKGROUND, STRUCTURES, UNLABELLED, revert
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, write_file, write_folder
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan, require_foreground, require_same_grid

ABOUT = "dataset.json"
IMAGES, LABELS, RECORDS = "imagesTr", "labelsTr", "records"
ENDING = ".nii.gz"
CHANNEL = "MRI"  # any name but "CT" makes nnU-Net normalise every image by itself
SYNTHETIC_CASES = "synthetic_cases"
IGNORE = "ignore"  # nnU-Net's name of what is unlabelled; its number must be the highest


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image and its mask.

    Parameters
    ----------
    name : str
        Of the files; see `case_name`.
    image : (z, y, x) Scan
    labels : (z, y, x) Scan
        Engine labels on the grid of the image.
    description : str
        For the header of the image.
    record : mapping, optional
        How a synthetic image was made. It marks the case as synthetic.
    """

    name: str
    image: Scan
    labels: Scan
    description: str = ""
    record: Mapping[str, Any] | None = None


def case_name(text: str) -> str:
    """Turn any text into the name of a case: letters, digits, points, dashes, underscores."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.-") or "case"


def cases_of(
    image: Scan,
    labels: Scan,
    *,
    name: str | None = None,
    description: str = "",
    record: Mapping[str, Any] | None = None,
) -> list[Case]:
    """Pair an image with its mask, frame by frame.

    Parameters
    ----------
    image, labels : ([t,] z, y, x) Scan
        Engine labels on the grid of the image.
    name : str, optional
        By default that of the image.
    description, record
        As in `Case`.

    Returns
    -------
    list of Case
        One for a stack; for a cine one for each frame in which anything is drawn.

    Raises
    ------
    InputError
        If the grids or the numbers of frames differ, or nothing is drawn.
    """
    require_same_grid(image, labels)
    require_foreground(labels)
    if image.n_frames != labels.n_frames:
        raise InputError(
            f"{labels.name}: has {labels.n_frames} frames and {image.name} has {image.n_frames}. "
            "Give the frame that the mask belongs to, or a mask of all frames."
        )
    name = case_name(name or image.stem)
    if not image.is_cine:
        still = labels.frame(0)  # a cine of one frame beside a stack
        return [Case(name=name, image=image, labels=still, description=description, record=record)]
    return [
        Case(
            name=f"{name}_frame{t + 1:02d}",
            image=image.frame(t),
            labels=replace(labels, array=labels.array[t] if labels.is_cine else labels.array),
            description=description,
            record=record,
        )
        for t in range(image.n_frames)
        if _drawn(labels.array[t] if labels.is_cine else labels.array)
    ]


def write_cases(folder: Path, cases: Sequence[Case]) -> list[Path]:
    """Write a new data set, or add cases to one that is there.

    Parameters
    ----------
    folder : Path
        Missing, empty, or a data set of one channel with the same structures. The numbers that a
        data set has for them are kept.
    cases : sequence of Case
        At least one, their names all different.

    Returns
    -------
    list of Path
        Every file written; `dataset.json` is the last.

    Raises
    ------
    InputError
        If a case is none, is there already, or does not fit the data set, or the folder holds
        something else or cannot be written to. Nothing is changed then.
    """
    folder = Path(folder)
    _check(cases)
    if not (folder / ABOUT).is_file():
        about = _new_about(folder.name, cases)
        with write_folder(folder) as temporary:
            written = _write(temporary, cases, about)
            (temporary / ABOUT).write_text(_text(about), encoding="utf-8")
        return [folder / path.relative_to(temporary) for path in written] + [folder / ABOUT]

    about = _extended(_read_about(folder / ABOUT), folder, cases)
    try:
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".partial-"))
    except OSError as error:
        raise InputError(_cannot_write(folder, error)) from error
    moved: list[Path] = []
    try:
        for path in _write(temporary, cases, about):
            goal = folder / path.relative_to(temporary)
            goal.parent.mkdir(exist_ok=True)
            path.replace(goal)
            moved.append(goal)
        about["numTraining"] = sum(1 for _ in (folder / LABELS).glob(f"*{ENDING}"))
        with write_file(folder / ABOUT) as new:
            new.write_text(_text(about), encoding="utf-8")
    except BaseException as error:
        for path in moved:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(_cannot_write(folder, error)) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [*moved, folder / ABOUT]


def _check(cases: Sequence[Case]) -> None:
    if not cases:
        raise InputError("no case given; a data set needs an image and its mask.")
    names = Counter(case.name for case in cases)
    for case in cases:
        if case.name != case_name(case.name):
            raise InputError(f"{case.name!r}: is no file name; use {case_name(case.name)!r}.")
        if names[case.name] > 1:
            raise InputError(
                f"{case.name}: {names[case.name]} images have this name; give each its own."
            )
        if case.image.is_cine or case.labels.is_cine:
            raise InputError(f"{case.name}: is a cine, a case is one frame; use `cases_of`.")
        require_same_grid(case.image, case.labels)
        require_foreground(case.labels)
        revert(case.labels.array, "mnms", name=case.labels.name)  # refuses what is no engine label


def _write(folder: Path, cases: Sequence[Case], about: Mapping[str, Any]) -> list[Path]:
    numbers = np.zeros(256, dtype=np.uint8)  # from engine label to the data set's number
    for structure, label in STRUCTURES.items():
        numbers[label] = about["labels"][structure]
    numbers[UNLABELLED] = about["labels"].get(IGNORE, 0)
    paths = []
    for part in (IMAGES, LABELS):
        (folder / part).mkdir()
    for case in cases:
        grid = replace(case.image, origin=None)  # not the axis order of the file it came from
        image = folder / IMAGES / f"{case.name}_0000{ENDING}"
        mask = folder / LABELS / f"{case.name}{ENDING}"
        write_nifti(grid, image, description=case.description)
        write_nifti(grid.with_array(numbers[case.labels.array.astype(np.uint8)]), mask)
        paths += [image, mask]
        if case.record is not None:
            record = folder / RECORDS / f"{case.name}.json"
            record.parent.mkdir(exist_ok=True)
            stated = {"file": image.name, "sha256": sha256(image), **case.record}
            record.write_text(_text(stated), encoding="utf-8")
            paths.append(record)
    return paths


def about_dataset(
    name: str, *, count: int, synthetic: Collection[str] = (), unlabelled: bool = False
) -> dict[str, Any]:
    """What `dataset.json` says of a data set that carries the engine's labels.

    Parameters
    ----------
    name : str
    count : int
        Of cases.
    synthetic : collection of str
        Names of the synthetic ones among them.
    unlabelled : bool
        Whether some of their pixels are.
    """
    labels = {"background": BACKGROUND, **STRUCTURES}
    if unlabelled:
        labels[IGNORE] = max(labels.values()) + 1
    about: dict[str, Any] = {
        "name": name,
        "description": "Cardiac short-axis MR images and masks, written by cmr-synth",
        "channel_names": {"0": CHANNEL},
        "labels": labels,
        "numTraining": count,
        "file_ending": ENDING,
    }
    return about | ({SYNTHETIC_CASES: sorted(synthetic)} if synthetic else {})


def _new_about(name: str, cases: Sequence[Case]) -> dict[str, Any]:
    return about_dataset(
        name,
        count=len(cases),
        synthetic={case.name for case in cases if case.record is not None},
        unlabelled=_has_unlabelled(cases),
    )


def _read_about(path: Path) -> dict[str, Any]:
    """`dataset.json` of a data set that cases can be added to."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        labels, channels = about["labels"], about["channel_names"]
        ending = about["file_ending"]
        if not isinstance(labels, dict) or not isinstance(channels, dict):
            raise TypeError("labels or channel_names is no mapping")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not the description of an nnU-Net data set ({type(error).__name__}: "
            f"{error}). Choose another folder."
        ) from error
    wanted = {"background", *STRUCTURES}
    given = set(labels) - {IGNORE}
    whole = all(isinstance(n, int) and 0 <= n <= 255 for n in labels.values())
    if given != wanted or not whole or labels["background"] != BACKGROUND:
        raise InputError(
            f"{path}: its labels are {', '.join(map(str, labels))}, these masks have "
            f"{', '.join(STRUCTURES)}. Choose another folder."
        )
    if len(channels) != 1 or ending != ENDING:
        raise InputError(
            f"{path}: has {len(channels)} channels in {ending} files, one channel in {ENDING} "
            "files can be added. Choose another folder."
        )
    return dict(about)


def _extended(about: dict[str, Any], folder: Path, cases: Sequence[Case]) -> dict[str, Any]:
    """What `dataset.json` says once the cases are there."""
    for case in cases:
        parts = (IMAGES, f"{case.name}_0000{ENDING}"), (LABELS, f"{case.name}{ENDING}")
        if any((folder / part / file).exists() for part, file in parts):
            raise InputError(
                f"{folder}: holds a case {case.name!r} already; rename the image, or choose "
                "another folder."
            )
    labels = dict(about["labels"])
    if _has_unlabelled(cases) and IGNORE not in labels:
        labels[IGNORE] = max(labels.values()) + 1
    return _with_marks({**about, "labels": labels}, cases)


def _with_marks(about: dict[str, Any], cases: Sequence[Case]) -> dict[str, Any]:
    synthetic = {case.name for case in cases if case.record is not None}
    known = about.get(SYNTHETIC_CASES, [])
    if synthetic or known:
        about[SYNTHETIC_CASES] = sorted({*known, *synthetic})
    return about


def _has_unlabelled(cases: Sequence[Case]) -> bool:
    return any(bool((case.labels.array == UNLABELLED).any()) for case in cases)


def _drawn(labels: np.ndarray) -> bool:
    return bool(np.any((labels != BACKGROUND) & (labels != UNLABELLED)))


def _text(stated: Mapping[str, Any]) -> str:
    return json.dumps(stated, indent=2) + "\n"


def _cannot_write(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{path}: cannot be written ({reason}); choose another folder or make room."
