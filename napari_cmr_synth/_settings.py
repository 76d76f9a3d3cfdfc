"""What the user chose once and wants again next time: device, model, vendor, archive.

The manifest declares the settings with their defaults, so napari 0.9 shows them under Preferences
and remembers them beside its own; an older napari knows no settings of plugins, and the plugin
keeps them in its own folder. Where $CMR_SYNTH_HOME is set they lie there in either case. The file
is YAML and holds only what differs from the defaults.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import _manifest
from ._manifest import PLUGIN

SECTION = "synthesis"
"""The group of settings in the manifest's `configurations`."""

FILE = f"{PLUGIN}.yaml"


def get(key: str) -> str:
    """The value of a setting.

    Parameters
    ----------
    key : str
        "device", "model", "vendor" or "archive".

    Returns
    -------
    str
        As remembered, else the default. An empty vendor or archive means none was chosen.

    Raises
    ------
    KeyError
        If there is no such setting.
    """
    default = str(_declared()[key]["default"])
    settings = _of_napari()
    if settings is not None:
        return str(getattr(getattr(settings, SECTION), key))
    return _read(_own_path()).get(key, default)


def put(key: str, value: str) -> None:
    """Change a setting and remember it.

    Parameters
    ----------
    key : str
        "device", "model", "vendor" or "archive".
    value : str
        A new value, one of `choices(key)` if there are any. It holds for this session even where
        the file cannot be written, which the user is told.

    Raises
    ------
    KeyError
        If there is no such setting.
    InputError
        If the setting has a list of values and this is none of them.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.files import write_file

    known = choices(key)
    if known and value not in known:
        listed = ", ".join(repr(word) for word in known)
        raise InputError(f"setting {key!r}: cannot be {value!r}; choose one of {listed}.")
    settings = _of_napari()
    try:
        if settings is None:
            stated = _read(_own_path()) | {key: value}
            _session[_own_path()] = stated
            with write_file(_own_path()) as temporary:
                temporary.write_text(_text(stated), encoding="utf-8")
            return
        path, settings.config_path = settings.config_path, None  # napari's way leaves halves behind
        try:
            setattr(getattr(settings, SECTION), key, value)
            if path is not None:
                with write_file(Path(path)) as temporary:
                    settings.save(temporary)
        finally:
            settings.config_path = path
    except InputError as error:
        _note(f"The setting {key!r} holds until napari is closed: {error}")


def device() -> str | None:
    """The device that was chosen; None for the fastest that is there."""
    stated = get("device")
    return None if stated in ("", "auto") else stated


def choices(key: str) -> tuple[str, ...]:
    """Every value that a setting can have, in the manifest's order; empty where any text will do.

    Raises
    ------
    KeyError
        If there is no such setting.
    """
    return tuple(_declared()[key].get("enum", ()))


def _declared() -> dict[str, dict[str, Any]]:
    """The settings as the manifest declares them, by key."""
    return _manifest.settings(SECTION)


def _of_napari() -> Any:
    """napari's live object behind its Preferences, or None where it has none for this plugin."""
    try:
        from napari.settings import get_plugin_settings, get_settings
    except ImportError:
        return None
    beside = getattr(get_settings(), "config_path", None)
    if beside:
        _set_aside_if_damaged(Path(beside).with_name(FILE))  # napari cannot start from it
    try:
        settings = get_plugin_settings(PLUGIN)
    except KeyError:  # the plugin is disabled, or not installed but run from its folder
        return None
    home = _home()
    if home is not None and settings.config_path != home / FILE:
        stated = _read(home / FILE)
        settings.config_path = None  # saves nothing meanwhile
        for key, about in _declared().items():
            setattr(getattr(settings, SECTION), key, stated.get(key, about["default"]))
        settings.config_path = home / FILE
    return settings


def _home() -> Path | None:
    from cmr_synth.generators.zoo import HOME_VARIABLE

    stated = os.environ.get(HOME_VARIABLE)
    return Path(stated).expanduser() if stated else None


def _own_path() -> Path:
    from platformdirs import user_config_path

    return (_home() or user_config_path("cmr-synth", appauthor=False)) / FILE


_session: dict[Path, dict[str, str]] = {}
"""What was put in this session, by file: it holds where that file cannot be written."""


def _read(path: Path) -> dict[str, str]:
    """Values that differ from the defaults; a damaged file has none and is set aside."""
    import yaml

    if path in _session:
        return _session[path]
    _set_aside_if_damaged(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError:
        return {}
    stated, wrong = {}, []
    for key, value in (content.get(SECTION) or {}).items():
        if key not in _declared():
            continue  # of another version
        if isinstance(value, str) and (not choices(key) or value in choices(key)):
            stated[key] = value
        else:
            wrong.append(f"{key} {value!r}")
    if wrong:
        _note(f"{path}: {', '.join(wrong)} cannot be; the default holds instead.")
    return stated


def _set_aside_if_damaged(path: Path) -> None:
    """Rename a file that is no settings, so that the defaults hold and nothing is overwritten."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if content is None or isinstance((content or {}).get(SECTION, {}), dict):
            return
    except OSError:
        return
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError):
        pass
    aside = path.with_suffix(".damaged.yaml")
    try:
        path.replace(aside)
    except OSError:
        return
    _note(f"{path.name}: the settings are damaged, so the defaults hold; the file is now {aside}.")


def _text(stated: dict[str, str]) -> str:
    import yaml

    changed = {k: v for k, v in stated.items() if v != _declared()[k]["default"]}
    return yaml.safe_dump({SECTION: changed} if changed else {}, sort_keys=False)


def _note(text: str) -> None:
    from ._messages import show_note

    show_note(text)
