"""A data set in nnU-Net's form: `imagesTr`, `labelsTr` and the names of labels in dataset.json.

Labels may be of version 2 (`{"LV": 1}`) or 1 (`{"1": "LV"}`). Structures are told by their names;
what is none of LV, myocardium, RV, infarct and no-reflow counts as background, and is told. The
first channel is read. The patient is the case's name up to its first underscore, the phase a part
`ED` or `ES` of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from cmr_synth.anatomy.labels import BACKGROUND, SCAR, STRUCTURES, UNLABELLED
from cmr_synth.cohorts.examination import LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_below, relative, stem_of
from cmr_synth.cohorts.stacks import Drawing, Stack, read_stacks
from cmr_synth.cohorts.structure_names import structure_named
from cmr_synth.cohorts.whose import patient_in_name, phase_in_name
from cmr_synth.errors import InputError
from cmr_synth.text_files import read_text

name = "nnunet"
title = "Data set in nnU-Net's form"
vendor = None
licence = "not stated"
citation = "not stated"
asked_for = "whoever owns the files"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield every case with its mask, in order.

    Raises
    ------
    InputError
        If a folder or dataset.json is missing, or it names none of the heart's structures.
    """
    root = Path(root)
    numbers = _numbers(root)
    structures = set(numbers.values())
    drawing = Drawing(
        source=root.name,
        numbers=numbers,
        drawn=tuple(s for s, label in STRUCTURES.items() if label in structures),
    )
    contrast = "lge" if structures & set(SCAR.values()) else "cine"
    yield from read_stacks(_stacks(root, contrast), drawing, cohort=name, root=root)


def remarks(root: Path) -> list[str]:
    """Labels that count as background."""
    others = [n for n in _names(Path(root)) if structure_named(n) is None]
    return [f"labels {', '.join(others)} count as background."] if others else []


def _stacks(root: Path, contrast: str) -> Iterator[Stack | LeftOut]:
    masks = {stem_of(path.name): path for path in nifti_below(root / "labelsTr")}
    cases = set()
    for path in nifti_below(root / "imagesTr"):
        case, channel = re.fullmatch(r"(.*?)(_\d{4})?", stem_of(path.name)).groups()  # type: ignore[union-attr]
        if channel not in (None, "_0000"):
            yield LeftOut(relative(path, root), "is another channel than the first.")
        elif case not in masks:
            yield LeftOut(relative(path, root), "has no mask in labelsTr/.")
        else:
            cases.add(case)
            yield Stack(
                patient=patient_in_name(case) or case,
                image=path,
                mask=masks[case],
                frames=((0, phase_in_name(case)),),
                contrast=contrast,
            )
    for case in sorted(masks.keys() - cases):
        yield LeftOut(relative(masks[case], root), "has no image in imagesTr/.")


def _numbers(root: Path) -> dict[int, int]:
    """From the number in the file to the engine's label."""
    numbers = {}
    for name_of, number in _names(root).items():
        label = structure_named(name_of)
        numbers[number] = BACKGROUND if label is None else label
    if not set(numbers.values()) - {BACKGROUND, UNLABELLED}:
        raise InputError(
            f"{root / 'dataset.json'}: none of its labels is a structure of the heart; they are "
            f"called LV, MYO and RV, or as structures are in full."
        )
    return numbers


def _names(root: Path) -> dict[str, int]:
    path = root / "dataset.json"
    try:
        labels = json.loads(read_text(path))["labels"]
        version_1 = all(str(key).isdecimal() for key in labels)
        return {
            str(value if version_1 else key): int(key if version_1 else value)
            for key, value in labels.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: does not name labels as nnU-Net wants it, such as "
            '{"labels": {"background": 0, "LV": 1, "MYO": 2, "RV": 3}}.'
        ) from error
