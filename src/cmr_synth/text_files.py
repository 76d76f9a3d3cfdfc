"""Text files that people write: whatever their editor or spreadsheet made of the bytes."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from cmr_synth.errors import InputError

LARGEST = 64 << 20  # bytes; a table of 200,000 rows has 20 MB

_MARKS = (  # the longer mark first: UTF-32 begins like UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """A table with a line of column names.

    Parameters
    ----------
    columns : tuple of str
        As written, without white space around them.
    rows : tuple of dict
        Column to cell; a cell that is missing at the end of a line is empty.
    lines : tuple of int
        Where each row stands in the file, from 1.
    """

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...]


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, UTF-16 or UTF-32, or in the Windows code page of the West.

    The byte-order mark decides; without one zeros between the letters tell UTF-16, and bytes that
    are no UTF-8 are taken for cp1252.

    Returns
    -------
    str
        Lines end in a line feed.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no text.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); check that it is there."
        ) from error
    if len(data) > LARGEST:
        raise InputError(f"{path}: is larger than {LARGEST >> 20} MB, which no text here is.")
    try:
        text = _decoded(data)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text; save it as text in UTF-8.") from error
    if "\0" in text:
        raise InputError(f"{path}: is no text; save it as text in UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(path: Path) -> Table:
    """Read a table whose cells are parted by commas, semicolons, tabs or bars.

    What parts the cells is told by the line of column names. A first line `sep=;`, which
    spreadsheets write for each other, is followed. Empty lines are left out.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, or a line has more cells than there are columns.
    """
    text = read_text(path)
    first, _, rest = text.partition("\n")
    skipped, delimiter = 0, ""
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        text, skipped, delimiter = rest, 1, first.strip()[-1]
    header = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = delimiter or max(_DELIMITERS, key=header.count)
    columns: tuple[str, ...] = ()
    rows, lines = [], []
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not columns:
                while cells and not cells[-1]:  # delimiters at the end of every line
                    cells.pop()
                columns = tuple(cells)
                continue
            line = reader.line_num + skipped
            if any(cells[len(columns) :]):
                raise InputError(
                    f"{path}, line {line}: has {len(cells)} cells for {len(columns)} columns; put "
                    "quotes around a cell that holds what parts them."
                )
            cells += [""] * (len(columns) - len(cells))
            rows.append(dict(zip(columns, cells, strict=False)))
            lines.append(line)
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as a table ({error}).") from error
    if not columns:
        raise InputError(f"{path}: is empty; it begins with a line of column names.")
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise InputError(f"{path}: column {twice!r} is there twice; keep one.")
    return Table(columns, tuple(rows), tuple(lines))


def number(text: str) -> float:
    """Read a number written with a point or with a comma, as in `1.5` or `1,5`.

    Raises
    ------
    ValueError
        If it is none.
    """
    return float(text.strip().replace(",", "."))


def _decoded(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    start = data[:200]
    zeros = start[0::2].count(0), start[1::2].count(0)
    if len(start) > 3 and max(zeros) > len(start) // 4 and min(zeros) == 0:
        return data.decode("utf-16-le" if zeros[1] else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")
