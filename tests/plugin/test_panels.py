"""The panels of the manifest stand beside each other, and what several use stands above them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

import napari_cmr_synth

PACKAGE = Path(napari_cmr_synth.__file__).parent


def manifest() -> dict:
    return yaml.safe_load((PACKAGE / "napari.yaml").read_text(encoding="utf-8"))["contributions"]


def folders() -> set[str]:
    """The folder of each panel."""
    widgets = {widget["command"] for widget in manifest()["widgets"]}
    names = {c["id"]: c["python_name"] for c in manifest()["commands"]}
    return {names[command].split(".")[1] for command in widgets}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function, by its full name."""
    here = ["napari_cmr_synth", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_every_panel_has_a_folder_of_its_own():
    assert len(folders()) == len(manifest()["widgets"])
    assert all((PACKAGE / folder / "__init__.py").is_file() for folder in folders())


def test_no_panel_imports_another():
    for folder in folders():
        others = folders() - {folder}
        for path in (PACKAGE / folder).rglob("*.py"):
            reached = {
                name.split(".")[1] for name in imported(path) if name.startswith(PACKAGE.name)
            }
            assert not reached & others, f"{path} imports another panel"


def test_nothing_above_the_panels_imports_one():
    for path in PACKAGE.glob("*.py"):
        reached = {name.split(".")[1] for name in imported(path) if name.startswith(PACKAGE.name)}
        assert not reached & folders(), f"{path} imports a panel"
