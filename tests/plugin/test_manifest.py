"""The manifest: napari finds it, everything it names exists, and registering it is cheap."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import napari_cmr_synth

PLUGIN = "napari-cmr-synth"


def test_entry_point_leads_to_the_manifest(plugins):
    assert plugins.get_manifest(PLUGIN).display_name == "CMR Synth"


def test_every_command_exists(plugins):
    for command in plugins.get_manifest(PLUGIN).contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_contribution_names_a_command(plugins):
    contributions = plugins.get_manifest(PLUGIN).contributions
    commands = {command.id for command in contributions.commands}
    users = [*contributions.readers, *contributions.writers, *contributions.sample_data]
    assert {user.command for user in users} <= commands


def test_the_link_at_the_top_shows_the_manifest():
    manifest = Path(napari_cmr_synth.__file__).with_name("napari.yaml")
    link = Path(__file__).parents[2] / "napari.yaml"
    if not link.is_symlink():
        pytest.skip("this checkout was made without symbolic links")
    assert link.resolve() == manifest.resolve()


@pytest.mark.parametrize(
    "step",
    [
        "npe2.PluginManifest.from_distribution('napari-cmr-synth')",
        "[importlib.import_module(f'napari_cmr_synth.{name}')"
        " for name in ('_reader', '_writer', '_sample_data')]",
        "importlib.import_module('napari_cmr_synth._sample_data').drawn_normal()",
    ],
    ids=["register", "import", "sample"],
)
def test_nothing_heavy_is_imported(step):
    heavy = {"torch", "monai", "diffusers", "napari", "qtpy", "PyQt5", "PyQt6"}
    code = f"import importlib, sys, npe2; {step}; print(sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
