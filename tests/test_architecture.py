"""The architecture: contracts of pyproject.toml, and that they see what they are there to see."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"cmr_synth": ROOT / "src" / "cmr_synth", "napari_cmr_synth": ROOT / "napari_cmr_synth"}


def linted(folder):
    """What `lint-imports` says of the packages in a folder, under the contracts of this project."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
        + ["--no-cache", "--no-logo", str(ROOT / "pyproject.toml")],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Both packages without their data, to be broken."""
    folder = tmp_path_factory.mktemp("copy")
    for name, source in PACKAGES.items():
        for path in source.rglob("*.py"):
            copy = folder / name / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    return folder


def test_the_contracts_hold(copied):
    done = linted(copied)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("cmr_synth/anatomy/labels.py", "import cmr_synth.imaging.scan", "only what is below"),
        ("cmr_synth/files.py", "import cmr_synth.processes", "only what is below"),
        ("cmr_synth/anatomy/labels.py", "import cmr_synth.anatomy.measurements", "No circles"),
        ("cmr_synth/imaging/scan.py", "import napari", "does not know the plugin"),
        (
            "cmr_synth/reports/__init__.py",
            "import napari_cmr_synth._app",
            "does not know the plugin",
        ),
        ("cmr_synth/cohorts/check.py", "import typer", "Typer is for"),
        ("napari_cmr_synth/_app.py", "import cmr_synth.cli", "does without the command line"),
        ("napari_cmr_synth/record/panel.py", "import napari_cmr_synth.compare", "Panels do not"),
        ("cmr_synth/kitchen/__init__.py", "import json", "only what is below"),
    ],
    ids="upwards sideways circle napari plugin typer verbs panels room".split(),
)
def test_what_breaks_a_contract_is_seen_inside_functions_too(file, line, broken, copied):
    path = copied / file
    is_new = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    before = "" if is_new else path.read_text(encoding="utf-8")
    path.write_text(f"{before}\n\ndef lazily():\n    {line}\n", encoding="utf-8")
    try:
        done = linted(copied)
    finally:
        path.write_text(before, encoding="utf-8")
        if is_new:
            shutil.rmtree(path.parent)
    assert done.returncode == 1, done.stdout
    told = [said for said in done.stdout.splitlines() if "BROKEN" in said]
    assert any(broken in said for said in told), done.stdout


def test_every_panel_is_under_contract():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = {path.parent.name for path in PACKAGES["napari_cmr_synth"].glob("*/__init__.py")}
    folders -= {"export", "writing"}  # no panels: what all of them offer
    assert [name for name in sorted(folders) if f'    "napari_cmr_synth.{name}",' not in text] == []


def test_no_package_imports_itself_by_way_of_its_modules():
    """The contract on circles compares modules beside each other, not a package with its own."""
    graph = grimp.build_graph(*PACKAGES)
    circles = [
        (package, module)
        for package in graph.modules
        for module in graph.find_descendants(package)
        if graph.chain_exists(importer=package, imported=module)
        and graph.chain_exists(importer=module, imported=package)
    ]
    assert circles == []
