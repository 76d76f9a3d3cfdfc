"""Colours of napari's theme, for what its own style sheet does not reach."""

from __future__ import annotations


def theme_colour(role: str) -> str:
    """A colour as "#rrggbb".

    Parameters
    ----------
    role : str
        "text", "icon", "foreground", "primary", "highlight", "current" or "background".
    """
    from napari.settings import get_settings
    from napari.utils.theme import get_theme

    colour: str = getattr(get_theme(get_settings().appearance.theme), role).as_hex("long")
    return colour
