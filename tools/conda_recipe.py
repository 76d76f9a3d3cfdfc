"""conda/recipe.yaml for rattler-build, from pyproject.toml.

python tools/conda_recipe.py          # write it
rattler-build build --recipe conda/recipe.yaml --channel conda-forge
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import cmr_synth
from cmr_synth.files import write_file

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "conda" / "recipe.yaml"
HEAD = """\
# Made by tools/conda_recipe.py from pyproject.toml; tests/test_packaging.py compares the two.
# From a checkout: rattler-build build --recipe conda/recipe.yaml --channel conda-forge
# The app beside it: conda install -c conda-forge napari pyqt
"""
CONDA_NAMES = {"torch": "pytorch", "SimpleITK": "simpleitk"}
"""Packages that conda-forge calls otherwise than PyPI."""


def recipe() -> str:
    """Return the text of the recipe: one `noarch` package of engine and plugin."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    metadata = project["project"]
    python = f"python {metadata['requires-python']}"
    app = [_conda(line) for line in metadata["optional-dependencies"]["app-any-qt"]]
    content = {
        "schema_version": 1,
        "package": {"name": metadata["name"], "version": cmr_synth.__version__},
        "source": {"path": "..", "use_gitignore": True},
        "build": {
            "number": 0,
            "noarch": "python",
            "script": "${{ PYTHON }} -m pip install . --no-deps --no-build-isolation -vv",
            "python": {
                "entry_points": [f"{name} = {to}" for name, to in metadata["scripts"].items()]
            },
        },
        "requirements": {
            "host": [python, "pip", *map(_conda, project["build-system"]["requires"])],
            "run": [python, *map(_conda, metadata["dependencies"])],
            # A window is the user's choice; where there is one, it is recent enough.
            "run_constraints": app,
        },
        "tests": [
            {"python": {"imports": ["cmr_synth"], "pip_check": False}},
            {"script": ["cmr-synth --version", "cmr-synth zoo verify"]},
        ],
        "about": {
            "summary": metadata["description"],
            "license": metadata["license"],
            "license_file": ["LICENSE", "src/cmr_synth/data/LICENSE-*.txt"],
        },
    }
    return HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _conda(requirement: str) -> str:
    """Return a requirement of PyPI as conda writes it, without its extras."""
    found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(.*)", requirement)
    assert found, requirement
    name, versions = found[1], found[2]
    return f"{CONDA_NAMES.get(name, name.lower())} {versions}".strip()


if __name__ == "__main__":
    RECIPE.parent.mkdir(exist_ok=True)
    with write_file(RECIPE) as temporary:
        temporary.write_text(recipe(), encoding="utf-8")
    print(f"{RECIPE.relative_to(ROOT)} written")
