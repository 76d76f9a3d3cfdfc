"""Every world by name."""

from __future__ import annotations

from . import copying, distances, intervals, membership, pictures, privacy, utility
from .tried import World

WORLDS: dict[str, World] = {
    **intervals.WORLDS,
    **distances.WORLDS,
    **pictures.WORLDS,
    **membership.WORLDS,
    **privacy.WORLDS,
    **copying.WORLDS,
    **utility.WORLDS,
}
