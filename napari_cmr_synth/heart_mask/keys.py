"""Keys for contouring, after Segment (Lund) where napari leaves them free.

napari ignores keys in a manifest, so they are bound to the viewer while the heart mask widget is
open. A key that napari, the user or another plugin has bound already is left alone, and the help
says so. Keys that napari itself binds to a layer's tools (E, P, F, L, Z, X, B, M and digits for
labels; others for shapes) come first while such a layer is active, so none of them is used here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

from qtpy.compat import isalive

from .._masks import unwrapped


@dataclass(frozen=True)
class Key:
    """One entry of the preset.

    Parameters
    ----------
    keys : str
        As napari writes them.
    action : str
        Name of what the widget does; "" for a key of napari's own that is listed only.
    text : str
        What it does, for the help.
    group : str
        Heading in the help.
    """

    keys: str
    action: str
    text: str
    group: str


SEGMENT, PAINT, TOOLS = "After Segment (Lund)", "Structures and brush", "Tools"

PRESET: tuple[Key, ...] = (
    Key("Up", "slice_up", "slice above", SEGMENT),
    Key("Down", "slice_down", "slice below", SEGMENT),
    Key("Left, Right", "", "previous, next frame (napari: along the last slider used)", SEGMENT),
    Key("D", "go_ed", "go to end-diastole", SEGMENT),
    Key("S", "go_es", "go to end-systole", SEGMENT),
    Key("H", "toggle_mask", "hide or show the mask", SEGMENT),
    Key("Ctrl+Z", "", "undo (napari; Ctrl+Shift+Z redo)", SEGMENT),
    Key("Q", "select_lv", "paint LV blood pool", PAINT),
    Key("W", "select_myo", "paint myocardium", PAINT),
    Key("R", "select_rv", "paint RV blood pool", PAINT),
    Key("E, P, F", "", "erase, paint, fill (napari)", PAINT),
    Key("[, ]", "", "smaller, larger brush (napari)", PAINT),
    Key("N", "draw_endo", "draw the endocardial contour", TOOLS),
    Key("O", "draw_epi", "draw the epicardial contour", TOOLS),
    Key("J", "draw_rv", "draw the RV contour", TOOLS),
    Key("C", "apply_contours", "turn the contours into the mask", TOOLS),
    Key("G", "ring", "wall from the LV", TOOLS),
    Key("U", "copy_above", "copy from the slice above", TOOLS),
    Key("Y", "copy_below", "copy from the slice below", TOOLS),
    Key("I", "fill_between", "fill between slices", TOOLS),
    Key("T", "smooth", "smooth", TOOLS),
    Key("K", "remove_strays", "remove strays", TOOLS),
)


class KeyBindings:
    """The preset bound to one viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    widget : object
        Has a method without arguments for each action in `PRESET`. It is not kept alive, and its
        keys do nothing once it is gone.
    """

    def __init__(self, viewer: Any, widget: Any) -> None:
        self._viewer = unwrapped(viewer)
        self._bound: dict[str, Callable[[Any], None]] = {}
        self.taken: set[str] = set()
        for key in PRESET:
            if not key.action:
                continue
            if self._is_taken(key.keys):
                self.taken.add(key.keys)
                continue
            press = _pressing(weakref.ref(widget), key.action)
            self._bound[key.keys] = press
            self._viewer.bind_key(key.keys, press, overwrite=True)

    def release(self) -> None:
        """Give the keys back; those that somebody else bound meanwhile stay theirs."""
        from napari.utils.key_bindings import coerce_keybinding

        for keys, press in self._bound.items():
            if self._viewer.keymap.get(coerce_keybinding(keys)) is press:
                self._viewer.bind_key(keys, None)
        self._bound.clear()

    def _is_taken(self, keys: str) -> bool:
        from napari.layers import Labels
        from napari.utils.key_bindings import coerce_keybinding

        key = coerce_keybinding(keys)
        ours = getattr(self._viewer.keymap.get(key), "is_mask_key", False)
        if key in self._viewer.keymap and not ours:
            return True
        classes = (*Labels.__mro__, *type(self._viewer).__mro__)
        return any(key in vars(some).get("class_keymap", {}) for some in classes)


def help_html(taken: Iterable[str] = ()) -> str:
    """The preset as a table for a Qt label."""
    taken = set(taken)
    rows, group = [], ""
    for key in PRESET:
        if key.group != group:
            group = key.group
            rows.append(f"<tr><td colspan=2><br><b>{escape(group)}</b></td></tr>")
        text = escape(key.text) + (" <i>(key in use elsewhere)</i>" if key.keys in taken else "")
        rows.append(f"<tr><td><b>{escape(key.keys)}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>")
    return f"<table cellspacing=1>{''.join(rows)}</table>"


def _pressing(widget: weakref.ref[Any], action: str) -> Callable[[Any], None]:
    def press(_viewer: Any) -> None:
        alive = widget()
        if alive is not None and isalive(alive):
            getattr(alive, action)()

    press.is_mask_key = True  # type: ignore[attr-defined]
    return press
