"""Workspaces of cvi42 (Circle Cardiovascular Imaging) in XML, `.cvi42wsx`: contours by image UID.

Nested items with keys lead to the points::

    ImageStates / SOPInstanceUID / Contours / saendocardialContour / Points / (x, y)

in units of a pixel divided by SubpixelResolution. The layout is that which the public readers of
such files expect (W. Bai et al., J Cardiovasc Magn Reson 2018, doi:10.1186/s12968-018-0471-x, whose
UK Biobank code reads them); the format itself is not published. Files come from strangers: they
are read as a stream, and a document type, which entity bombs need, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.imaging.contours.outlines import (
    ENDO,
    EPI,
    KINDS,
    MAX_POINTS,
    RV_ENDO,
    Outline,
)

SUFFIX = ".cvi42wsx"
MAX_BYTES = 512 * 2**20
SUBPIXEL = 4  # units a pixel of the files written here, as cvi42 writes

NAMES = {
    "saendocardialContour": ENDO,
    "saepicardialContour": EPI,
    "sarvendocardialContour": RV_ENDO,
}
_NUMBERED = re.compile(r"(\w+?Contour)\d{4}\Z")  # further contours of a kind are numbered
_SPACE = "http://www.circlecvi.com/cvi42/Workspace/"
_DEEPEST = 100


def is_cvi42(path: str | Path) -> bool:
    """Return whether a file begins as a workspace in XML does."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    return b"<" in start[:8] and b"circlecvi.com/cvi42" in start


def read_cvi42(path: str | Path) -> dict[str, dict[str, Outline]]:
    """Read the short-axis contours of a workspace.

    Returns
    -------
    dict of SOPInstanceUID to dict of kind to (n, 2) array
        Points (x, y) in pixels. Of several contours of a kind the largest is taken.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, or declares a document type.
    """
    path = Path(path)
    reader = _Reader(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{path.name}: has more than {MAX_BYTES >> 20} MB, which no workspace has; check "
                "which file it is."
            )
        with path.open("rb") as file:
            reader.parser.ParseFile(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except expat.ExpatError as error:
        raise InputError(
            f"{path.name}: is damaged or no XML ({error}); export the workspace again."
        ) from error
    if not reader.found:
        raise InputError(
            f"{path.name}: holds no short-axis contours (saendocardialContour and so on); draw "
            "them and export the workspace again."
        )
    return reader.found


def write_cvi42(contours: Mapping[str, Mapping[str, Outline]], path: Path) -> Path:
    """Write contours as a workspace with nothing else in it.

    Parameters
    ----------
    contours : mapping of SOPInstanceUID to mapping of kind to (n, 2) array
    path : Path

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    names = {kind: name for name, kind in NAMES.items()}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Hash:item xmlns:Hash="{_SPACE}Hash/" xmlns:List="{_SPACE}List/" '
        f'xmlns:Point="{_SPACE}Point/" xmlns:Workspace="{_SPACE}" Hash:count="1">',
        '<Hash:item Hash:key="StudyMapStates" List:count="1">',
        '<List:item Hash:count="1">',
        f'<Hash:item Hash:key="ImageStates" Hash:count="{len(contours)}">',
    ]
    for uid, outlines in contours.items():
        if not re.fullmatch(r"[0-9.]{1,64}", uid):
            raise ValueError(f"{uid!r} is no UID")
        lines += [
            f'<Hash:item Hash:key="{uid}" Hash:count="1">',
            f'<Hash:item Hash:key="Contours" Hash:count="{len(outlines)}">',
        ]
        for kind in KINDS:
            if kind not in outlines:
                continue
            points = np.rint(outlines[kind] * SUBPIXEL).astype(int)
            lines += [
                f'<Hash:item Hash:key="{names[kind]}" Hash:count="2">',
                f'<Hash:item Hash:key="Points" List:count="{len(points)}">',
                *(
                    f"<List:item><Point:x>{x}</Point:x><Point:y>{y}</Point:y></List:item>"
                    for x, y in points
                ),
                "</Hash:item>",
                f'<Hash:item Hash:key="SubpixelResolution">{SUBPIXEL}</Hash:item>',
                "</Hash:item>",
            ]
        lines += ["</Hash:item>", "</Hash:item>"]
    lines += ["</Hash:item>", "</List:item>", "</Hash:item>", "</Hash:item>", ""]
    with write_file(path) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    return path


class _Reader:
    """Collects contours while the file passes by; nothing else of it is kept."""

    def __init__(self, path: Path):
        self.found: dict[str, dict[str, Outline]] = {}
        self.path = path
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._keys: list[str] = []  # of the items around, "" where an element has none
        self._tags: list[str] = []
        self._words: list[str] = []
        self._x: list[float] = []
        self._y: list[float] = []
        self._units = 1.0

    def _refuse(self, *_: Any) -> None:
        raise InputError(
            f"{self.path.name}: declares a document type, which no workspace does and which can "
            "hide an attack; export the workspace again."
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        key = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "key"), "")
        self._keys.append(key)
        self._tags.append(tag.rpartition(":")[2])
        self._words = []
        if len(self._keys) > _DEEPEST:
            raise InputError(f"{self.path.name}: is nested too deeply for a workspace.")
        if self._contour(len(self._keys)) is not None:
            self._x, self._y, self._units = [], [], 1.0

    def _text(self, words: str) -> None:
        self._words.append(words)

    def _end(self, tag: str) -> None:
        text = "".join(self._words).strip()
        self._words = []
        last, depth = self._tags[-1], len(self._keys)
        if last in ("x", "y") and "Points" in self._keys[-4:]:
            (self._x if last == "x" else self._y).append(self._number(text))
            if len(self._x) > MAX_POINTS:
                raise InputError(f"{self.path.name}: a contour has over {MAX_POINTS:,} points.")
        elif self._keys[-1] == "SubpixelResolution" and text:
            self._units = self._number(text)
        elif (place := self._contour(depth)) is not None:
            self._keep(*place)
        self._keys.pop()
        self._tags.pop()

    def _contour(self, depth: int) -> tuple[str, str] | None:
        """UID and name, if the innermost element is a contour."""
        if depth < 4 or self._keys[-2] != "Contours" or self._keys[-4] != "ImageStates":
            return None
        return self._keys[-3], self._keys[-1]

    def _keep(self, uid: str, name: str) -> None:
        if numbered := _NUMBERED.match(name):
            name = numbered.group(1)
        kind = NAMES.get(name)
        if kind is None or len(self._x) < 3:
            return
        if len(self._x) != len(self._y) or self._units <= 0:
            raise InputError(
                f"{self.path.name}: {name} of image {uid[:64]} is damaged; export it again."
            )
        outline = np.column_stack([self._x, self._y]) / self._units
        own = self.found.setdefault(uid, {})
        if kind not in own or _size(outline) > _size(own[kind]):
            own[kind] = outline

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < 1e6:
            raise InputError(
                f"{self.path.name}: found {text[:40]!r} where a coordinate belongs; export the "
                "workspace again."
            )
        return value


def _size(outline: Outline) -> float:
    """Area of a polygon in pixels."""
    x, y = outline.T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
