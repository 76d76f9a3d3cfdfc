"""The package and its pins: what travels, what is required, what is said twice and must agree."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest

import cmr_synth

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [PIN.match(line) for line in lines if line and not line.startswith("#")]


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_version_is_said_once():
    assert distribution("napari-cmr-synth").version == cmr_synth.__version__


def test_every_pin_is_a_plain_version():
    assert all(pins()), "a line of constraints.txt is no name==version"
    assert not [pin[0] for pin in pins() if "+" in pin[2]], "local version labels bind nowhere else"


def test_every_requirement_is_pinned():
    pinned = {normalised(pin[1]) for pin in pins()}
    required = {
        normalised(re.match(r"[A-Za-z0-9._-]+", line)[0])
        for line in distribution("napari-cmr-synth").requires or ()
    }
    assert required - pinned - {"napari-cmr-synth"} == set()  # extras may take up another


def test_one_version_of_ruff():
    pinned = {pin[2] for pin in pins() if pin[1] == "ruff"}
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"ruff==([\d.]+)", hooks)) == pinned


def test_the_command_and_the_manifest_are_declared():
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    manifests = {entry.name: entry.value for entry in entry_points(group="napari.manifest")}
    assert scripts["cmr-synth"] == "cmr_synth.cli:main"
    assert manifests["napari-cmr-synth"] == "napari_cmr_synth:napari.yaml"


def test_the_engine_needs_no_qt():
    code = """
import importlib, pkgutil, sys
QT = {"napari", "qtpy", "PyQt5", "PyQt6", "PySide6", "magicgui", "superqt", "npe2"}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in QT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import cmr_synth
names = [m.name for m in pkgutil.walk_packages(cmr_synth.__path__, "cmr_synth.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 0


def test_the_conda_recipe_is_that_of_this_project(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from conda_recipe import RECIPE, recipe

    assert RECIPE.read_text(encoding="utf-8") == recipe(), "python tools/conda_recipe.py"


VERBS = ["install", "demo", "app", "test", "test-qt", "dist", "wheelhouse", "bench"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_promised_make_target_exists(verb):
    assert re.search(rf"^{verb}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
