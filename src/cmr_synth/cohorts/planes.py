"""Views that are no short axis, told by the names of their files (geometry: `imaging.plane`)."""

from __future__ import annotations

import re

_ANOTHER = re.compile(
    r"la|lax|long|longaxis|[234]ch(amber)?|[234]c|ch[234]|hla|vla|lvot|rvot|ax|axial|cor|sag",
    re.IGNORECASE,
)


def names_another_plane(stem: str) -> str | None:
    """The part of a file's name that says that it is no short-axis view; None if none does."""
    parts = re.split(r"[\W_]+", stem)
    return next((part for part in parts if _ANOTHER.fullmatch(part)), None)
