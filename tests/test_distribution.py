"""What `make dist` makes: a wheel that installs without a compiler, the same from either source."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED_MB = 64  # weights may take 60; PyPI takes 100


def build(source: Path, out: Path, kind: str) -> Path:
    """Build one kind, `wheel` or `sdist`, of the tree in `source`; return the file."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return next(out.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


def test_the_wheel_holds_all_that_the_program_reads_and_no_more(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")  # nothing to compile, on any computer
    assert wheel.stat().st_size < ALLOWED_MB * 2**20
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert {name.split("/")[0] for name in names} == {"cmr_synth", "napari_cmr_synth"}
    tracked = subprocess.run(
        ["git", "ls-files", "src/cmr_synth", "napari_cmr_synth"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode == 0:  # a source distribution has no history
        assert {name.removeprefix("src/") for name in tracked.stdout.split()} <= names
    assert not [name for name in names if name.endswith((".pyc", ".so", ".pt", ".pkl"))]
    assert "Classifier: Framework :: napari\n" in text
    assert "Description-Content-Type: text/markdown\n" in text


def test_a_source_distribution_builds_the_same_wheel(wheel, tmp_path):
    source = build(ROOT, tmp_path, "sdist")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (folder,) = (tmp_path / "source").iterdir()
    again = build(folder, tmp_path, "wheel")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {
            i.filename: i.CRC for i in other.infolist()
        }


def test_the_wheel_runs_in_an_environment_of_its_own(wheel, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120
    )
    subprocess.run(  # what the program needs is there already; it is not fetched twice
        [sys.executable, str(ROOT / "tools" / "environment_over.py"), str(environment)],
        check=True,
        timeout=120,
    )
    programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        + ["--no-index", "--no-deps", "--ignore-installed", str(wheel)],
        check=True,
        timeout=300,
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*command):
        done = subprocess.run(
            [str(part) for part in command],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    place = run(python, "-c", "import cmr_synth; print(cmr_synth.__file__)")
    assert Path(place.strip()).is_relative_to(environment)
    shown = run(programs / "cmr-synth", "zoo", "verify")
    for model in (ROOT / "src" / "cmr_synth" / "weights").iterdir():
        if (model / "config.json").is_file():
            assert re.search(rf"\b{model.name}\b", shown)
    titles = "from napari_cmr_synth._manifest import panels; print(*panels(), sep=chr(10))"
    assert "Heart mask" in run(python, "-c", titles).splitlines()
