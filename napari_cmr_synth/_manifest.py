"""What the manifest contributes, read once: panels, sample data and settings stand there alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

PLUGIN = "napari-cmr-synth"


@cache
def contributions() -> dict[str, Any]:
    """The section `contributions` of `napari.yaml`."""
    import yaml

    text = Path(__file__).with_name("napari.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["contributions"])


def panels() -> dict[str, str]:
    """Title of each panel, in the order of work, and its widget as "module:class"."""
    places = {command["id"]: command["python_name"] for command in contributions()["commands"]}
    return {w["display_name"]: places[w["command"]] for w in contributions()["widgets"]}


def samples() -> dict[str, str]:
    """Key and title of the sample data."""
    return {sample["key"]: sample["display_name"] for sample in contributions()["sample_data"]}


def settings(section: str) -> dict[str, dict[str, Any]]:
    """The settings of a section, by key."""
    return dict(contributions()["configurations"][section]["properties"])
