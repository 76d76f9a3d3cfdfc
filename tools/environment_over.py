"""Let one virtual environment see the packages of this one, behind its own.

python tools/environment_over.py OTHER_ENVIRONMENT
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path


def put_behind(environment: Path) -> None:
    """Write a path file into `environment`: what it lacks is found where this Python finds it."""
    packages = Path(sysconfig.get_path("purelib"))
    if sys.platform == "win32":
        own = environment / "Lib" / "site-packages"
    else:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        own = environment / "lib" / version / "site-packages"
    if not own.is_dir():
        sys.exit(f"{environment} is no virtual environment of Python {sys.version.split()[0]}")
    (own / "zz_behind.pth").write_text(f"{packages}\n", encoding="utf-8")


if __name__ == "__main__":
    put_behind(Path(sys.argv[1]))
