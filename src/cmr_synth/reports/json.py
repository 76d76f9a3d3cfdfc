"""The numbers of a `Content`, for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import cmr_synth
from cmr_synth.reports.content import Content, Link


def data_json(content: Content) -> str:
    """All of the result and nothing of its layout, as the JSON file of a report folder."""
    return _text(content.data)


def content_json(content: Content, *, written: str) -> str:
    """Everything that the other faces show, and all of the result below "data".

    Parameters
    ----------
    content : Content
    written : str
        When.
    """
    stated = {
        "title": content.title,
        "written": written,
        "cmr_synth": cmr_synth.__version__,
        "results": [
            {
                "name": line.name,
                "value": line.value,
                "interval": line.interval,
                "note": line.note,
            }
            for part in content.parts
            for line in part.lines
        ],
        "facts": dict(fact for part in content.parts for fact in part.facts),
        "tables": [
            {"title": table.title, "columns": list(table.columns), "rows": table.rows}
            for part in content.parts
            for table in part.tables
        ],
        "remarks": [remark for part in content.parts for remark in part.remarks],
        "data": content.data,
    }
    return _text(stated)


def _text(value: Any) -> str:
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """What JSON can hold: NaN and infinity are none of its numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Link):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
