"""Contours as the Sunnybrook Cardiac Data have them: a text file for each image and contour.

`IM-0001-0048-icontour-manual.txt` is the inner contour (`o` the outer one) on image 48, one point
a line, x and y in pixels. Papillary muscles (`p1`, `p2`) are left in the cavity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.files import write_folder
from cmr_synth.imaging.contours.outlines import ENDO, EPI, MAX_POINTS, Outline
from cmr_synth.text_files import number, read_text

NAME = re.compile(r"(?:IM-\d+|P\d+)-(\d+)-([io])contour-(?:manual|auto)\.txt", re.IGNORECASE)
LETTERS = {"i": ENDO, "o": EPI}


def contour_files(folder: Path) -> list[Path]:
    """Files of a folder, and below it, that are named as contours."""
    return sorted(path for path in folder.rglob("*.txt") if NAME.fullmatch(path.name))


def read_sunnybrook(folder: Path) -> dict[int, dict[str, Outline]]:
    """Read all contours in a folder and below it.

    Returns
    -------
    dict of image number to dict of kind to (n, 2) array

    Raises
    ------
    InputError
        If there are none, one is damaged, or two are of the same image and kind.
    """
    found: dict[int, dict[str, Outline]] = {}
    for path in contour_files(folder):
        named = NAME.fullmatch(path.name)
        assert named is not None  # so the files were chosen
        image, kind = int(named.group(1)), LETTERS[named.group(2).lower()]
        if kind in found.get(image, {}):
            raise InputError(
                f"{path}: image {image} has another {kind} contour in {folder}; give the folder "
                "of one patient and one reader."
            )
        found.setdefault(image, {})[kind] = _read(path)
    if not found:
        raise InputError(
            f"{folder}: holds no contours called such as IM-0001-0048-icontour-manual.txt; give "
            "the folder that does."
        )
    return found


def write_sunnybrook(contours: Mapping[int, Mapping[str, Outline]], folder: Path) -> list[Path]:
    """Write contours into a new folder; the RV has no place in this format.

    Raises
    ------
    InputError
        If the folder holds something already, or cannot be written to.
    """
    letters = {kind: letter for letter, kind in LETTERS.items()}
    names = []
    with write_folder(folder) as temporary:
        for image, outlines in contours.items():
            for kind, outline in outlines.items():
                if kind not in letters:
                    continue
                name = f"IM-0001-{image:04d}-{letters[kind]}contour-manual.txt"
                lines = [f"{x:.2f} {y:.2f}" for x, y in outline]
                (temporary / name).write_text("\n".join(lines) + "\n", encoding="ascii")
                names.append(name)
    return [folder / name for name in names]


def _read(path: Path) -> Outline:
    points = []
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        words = text.split()
        if not words:
            continue
        try:
            if len(words) != 2:
                raise ValueError("two numbers are expected")
            points.append([number(word) for word in words])
        except ValueError as error:
            raise InputError(
                f"{path}, line {line}: is no point ({error}); correct it or take it out."
            ) from error
    outline = np.array(points, dtype=float)
    if not 3 <= len(outline) <= MAX_POINTS or not (np.abs(outline) < 1e6).all():
        raise InputError(f"{path}: {len(outline)} points are no contour; draw it again.")
    return outline
