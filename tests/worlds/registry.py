"""Every world by name."""

from __future__ import annotations

from . import distances, intervals, pictures, privacy
from .tried import World

WORLDS: dict[str, World] = {
    **intervals.WORLDS,
    **distances.WORLDS,
    **pictures.WORLDS,
    **privacy.WORLDS,
}
