"""Let one virtual environment see the packages of this one, behind its own.

python tools/environment_over.py OTHER_ENVIRONMENT [--without PACKAGE ...]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def put_behind(environment: Path, without: tuple[str, ...] = ()) -> None:
    """Write a path file into `environment`: what it lacks is found where this Python finds it.

    Parameters
    ----------
    environment : Path
        A virtual environment of the same Python version.
    without : tuple of str
        Distributions that it shall not see, such as those of which it has another version: two
        versions of one package would both offer their plugins.
    """
    packages = Path(sysconfig.get_path("purelib"))
    if sys.platform == "win32":
        own = environment / "Lib" / "site-packages"
    else:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        own = environment / "lib" / version / "site-packages"
    if not own.is_dir():
        sys.exit(f"{environment} is no virtual environment of Python {sys.version.split()[0]}")
    behind = environment / "behind"
    shutil.rmtree(behind, ignore_errors=True)
    if without:
        hidden = {part for name in without for part in _top_level(name)}
        behind.mkdir()
        for path in packages.iterdir():
            if path.name not in hidden and path.suffix != ".pth":
                (behind / path.name).symlink_to(path)
        packages = behind
    (own / "zz_behind.pth").write_text(f"{packages}\n", encoding="utf-8")


def _top_level(name: str) -> set[str]:
    """Files and folders of a distribution in site-packages."""
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return set()
    return {file.parts[0] for file in files}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    arguments = parser.parse_args()
    put_behind(arguments.environment, tuple(arguments.without))
