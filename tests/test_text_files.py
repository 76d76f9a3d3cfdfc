"""Text as editors and spreadsheets save it: marks, code pages, semicolons."""

from __future__ import annotations

import pytest

from cmr_synth.errors import InputError
from cmr_synth.text_files import number, read_table, read_text

TEXT = "patient;Größe\nMüller;1,5\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_encoding_gives_the_same_text(encoding, line_end, tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(TEXT.replace("\n", line_end).encode(encoding))
    assert read_text(path) == TEXT


@pytest.mark.parametrize("data", [b"\x81\x8d\x00\x01", b"\xff\xfe\x00", b"a\x00\x00\x00b\x00c"])
def test_what_is_no_text_is_one_line(data, tmp_path):
    (tmp_path / "t.txt").write_bytes(data)
    with pytest.raises(InputError, match="t.txt: is no text"):
        read_text(tmp_path / "t.txt")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"t.txt: cannot be read \(No such file"):
        read_text(tmp_path / "t.txt")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables(delimiter, tmp_path):
    text = "patient, vendor ,note\n\n1,ge,\n2\n".replace(",", delimiter)
    (tmp_path / "t.csv").write_text(text)
    table = read_table(tmp_path / "t.csv")
    assert table.columns == ("patient", "vendor", "note")
    assert [tuple(row.values()) for row in table.rows] == [("1", "ge", ""), ("2", "", "")]
    assert table.lines == (3, 4)


def test_a_line_for_spreadsheets_and_delimiters_at_the_end(tmp_path):
    (tmp_path / "t.csv").write_text('sep=;\na;b;;\n"1;2";3,5;;\n')
    table = read_table(tmp_path / "t.csv")
    assert table.rows == ({"a": "1;2", "b": "3,5"},) and table.lines == (3,)
    assert number(table.rows[0]["b"]) == 3.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it begins"),
        ("a,a\n1,2\n", "column 'a' is there twice"),
        ("a,b\n1,2,3\n", "line 2: has 3 cells for 2 columns"),
    ],
)
def test_a_wrong_table_is_one_line(text, message, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "t.csv")
