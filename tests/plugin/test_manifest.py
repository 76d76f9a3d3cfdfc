"""The manifest: napari finds it, everything it names exists, and registering it is cheap."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import napari_cmr_synth
from cmr_synth.cohorts.examination import VENDORS
from cmr_synth.generators.zoo import DEFAULT
from napari_cmr_synth import _settings

PLUGIN = "napari-cmr-synth"
PANELS = {
    "heart_mask": "Heart mask",
    "synthesize": "Synthesize",
    "dials": "Dials",
    "compare": "Vendors and variants",
    "batch": "Batch",
    "record": "Record",
    "fidelity": "Fidelity",
    "neighbours": "Nearest patients",
    "reader_study": "Reader study",
    "patients": "Patients",
    "release": "Release",
}
ROOT = Path(__file__).parents[2]


def test_entry_point_leads_to_the_manifest(plugins):
    assert plugins.get_manifest(PLUGIN).display_name == "CMR Synth"


def test_every_command_exists(plugins):
    for command in plugins.get_manifest(PLUGIN).contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_contribution_names_a_command(plugins):
    contributions = plugins.get_manifest(PLUGIN).contributions
    commands = {command.id for command in contributions.commands}
    users = [
        *contributions.readers,
        *contributions.writers,
        *contributions.sample_data,
        *contributions.widgets,
        *(item for items in contributions.menus.values() for item in items),
    ]
    assert {user.command for user in users} == commands


def test_every_panel_is_a_widget(plugins):
    widgets = plugins.get_manifest(PLUGIN).contributions.widgets
    assert {w.command: w.display_name for w in widgets} == {
        f"{PLUGIN}.{key}": name for key, name in PANELS.items()
    }


def test_napari_has_the_menus_that_are_contributed_to(plugins):
    constants = pytest.importorskip("napari._app_model.constants._menus")
    menus = plugins.get_manifest(PLUGIN).contributions.menus
    assert menus and all(constants.is_menu_contributable(menu) for menu in menus)


def test_settings_say_what_the_engine_says():
    assert _settings._declared()["model"]["default"] == DEFAULT
    assert _settings.choices("vendor") == ("", *VENDORS)
    assert _settings._declared()["device"]["default"] == _settings.choices("device")[0] == "auto"


def test_npe2_sees_the_settings(plugins):
    contributions = plugins.get_manifest(PLUGIN).contributions
    if not hasattr(contributions, "configurations"):
        pytest.skip("npe2 before 0.10 knows no settings")
    properties = contributions.configurations[_settings.SECTION].properties
    assert {key: found.default for key, found in properties.items()} == {
        key: about["default"] for key, about in _settings._declared().items()
    }


def validate(what, site=None):
    """Run `npe2 validate`, importing every command; `site` comes before what is installed."""
    path = [str(site)] if site is not None else []
    code = f"import sys; sys.path[:0] = {path!r}; from npe2.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "validate", what, "--imports"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=site,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_npe2_accepts_what_is_installed():
    assert "'CMR Synth' valid" in validate(PLUGIN)


def test_npe2_accepts_the_wheel(tmp_path):
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    (wheel,) = builder.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert "'CMR Synth' valid" in validate(PLUGIN, site)
    where = "import napari_cmr_synth as p; print(p.__file__)"
    code = f"import sys; sys.path.insert(0, {str(site)!r}); {where}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=site)
    assert Path(run.stdout.strip()).is_relative_to(site)  # it was the wheel that was looked at


def test_the_link_at_the_top_shows_the_manifest():
    manifest = Path(napari_cmr_synth.__file__).with_name("napari.yaml")
    link = ROOT / "napari.yaml"
    if not link.is_symlink():
        pytest.skip("this checkout was made without symbolic links")
    assert link.resolve() == manifest.resolve()


@pytest.mark.parametrize(
    "step",
    [
        "npe2.PluginManifest.from_distribution('napari-cmr-synth')",
        "[importlib.import_module(f'napari_cmr_synth.{name}')"
        " for name in ('files.reader', 'writing.nifti', 'files.sample_data', '_settings')]",
        "importlib.import_module('napari_cmr_synth.files.sample_data').drawn_normal()",
    ],
    ids=["register", "import", "sample"],
)
def test_nothing_heavy_is_imported(step):
    heavy = {"torch", "monai", "diffusers", "napari", "qtpy", "PyQt5", "PyQt6"}
    code = f"import importlib, sys, npe2; {step}; print(sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
