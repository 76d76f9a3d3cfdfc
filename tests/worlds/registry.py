"""Every world by name."""

from __future__ import annotations

from . import distances, intervals, pictures, privacy, utility
from .tried import World

WORLDS: dict[str, World] = {
    **intervals.WORLDS,
    **distances.WORLDS,
    **pictures.WORLDS,
    **privacy.WORLDS,
    **utility.WORLDS,
}
