"""A `Content` into files: one page or JSON file, or a folder with both and every plot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.reports.content import Content, Picture, Plot
from cmr_synth.reports.html import page
from cmr_synth.reports.json import content_json, data_json
from cmr_synth.reports.plots import png


def write_content(content: Content, path: str | Path) -> Path:
    """Write a result as a page or for programs, by the ending of the name.

    Parameters
    ----------
    content : Content
    path : path
        Ends in .html or .json.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the name ends otherwise, or the file cannot be written.
    """
    path = Path(path)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    if path.suffix.lower() in (".html", ".htm"):
        text = page(content, footer=f"Written {now} by cmr-synth {cmr_synth.__version__}.")
    elif path.suffix.lower() == ".json":
        text = content_json(content, written=now)
    else:
        raise InputError(f"{path.name}: ends in neither .html nor .json; choose one of them.")
    _write(path, text)
    return path


def write_report(out: Path, content: Content, *, name: str = "report") -> dict[str, str]:
    """Write `NAME.html`, `NAME.json` and a PNG of every plot into a folder.

    Parameters
    ----------
    out : Path
        An existing or new folder.
    content : Content
        Its `data` is the JSON file.
    name : str

    Returns
    -------
    dict
        Names of the files, by what they are.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    out = Path(out)
    files = {"page": f"{name}.html", "figures": f"{name}.json"}
    for own, plot in _plots(content):
        files[own] = f"{own}.png"
        with write_file(out / files[own]) as temporary:
            temporary.write_bytes(png(plot))
    _write(out / files["page"], page(content))
    _write(out / files["figures"], data_json(content))
    return files


def _plots(content: Content) -> Iterator[tuple[str, Plot | Picture]]:
    for part in content.parts:
        for plot in part.plots:
            own = plot.name if isinstance(plot, Picture) else ""
            yield own or f"{_slug(part.title)}-{_slug(plot.says)}"[:60].strip("-"), plot


def _write(path: Path, text: str) -> None:
    with write_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
