"""JSON with one reading: whatever can be read in two ways is refused in one line."""

from __future__ import annotations

import json

import pytest

from cmr_synth.errors import InputError
from cmr_synth.privacy.exact_json import LARGEST, read_object


@pytest.fixture
def read(tmp_path):
    def of(content, **options):
        path = tmp_path / "some.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_object(path, **options)

    return of


def test_what_has_one_reading_is_read(read):
    document = {"a": [1, -2.5, None, True, {"a": "Größe \U0001f600"}], "b": 2**53 - 1}
    assert read(json.dumps(document)) == document
    assert read(json.dumps(document, ensure_ascii=False)) == document
    assert read(f'{{"seed": {2**63 - 1}}}', whole=2**63 - 1) == {"seed": 2**63 - 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"a": 1, "a": 1}', "'a' is given twice"),
        ('{"a": 1, "\\u0061": 2}', "'a' is given twice"),
        ('{"b": [{"a": 1, "a": 2}]}', "'a' is given twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "1e999 is too large"),
        (f'{{"a": {2**53}}}', "too large a whole number"),
        ('{"a": %s}' % ("9" * 100_000), "too large a whole number"),  # noqa: UP031
        ('{"a": ["\\ud800"]}', "half a character"),
        ('{"\\udc00": 1}', "half a character"),
        ("[" * 100_000, "."),
        ('{"a":' + "[" * 70 + "]" * 70 + "}", "nested more than 64 deep"),
        ("{", "."),
        ("", "."),
        ("[1]", "holds no JSON object"),
        (b"\x89PNG\r\n\x1a\n\0", "."),
        (b'{"a": "\xff"}', "."),
    ],
    ids=range(17),
)
def test_anything_else_is_one_line(content, reason, read):
    with pytest.raises(InputError, match=reason) as refused:
        read(content)
    assert len(str(refused.value).splitlines()) == 1 and len(str(refused.value)) < 400


def test_huge_and_missing_files_are_refused(read, tmp_path):
    with pytest.raises(InputError, match="more than"):
        read(b" " * (LARGEST + 1))
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            read_object(path)
