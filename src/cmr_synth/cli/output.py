"""An output folder that gets whole sets of files or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cmr_synth.errors import InputError


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Yield a hidden folder inside `out`; its files move up into `out` at the end.

    Files of the same name are replaced, all others in `out` stay. If anything goes wrong nothing
    is moved, and `out` is removed if it was made for this.

    Raises
    ------
    InputError
        If the folder cannot be made, written to, or is full.
    """
    out = Path(out)
    made = [p for p in (out, *out.parents) if not p.exists()]
    try:
        try:
            out.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=out, prefix=".partial-"))
        except OSError as error:
            raise InputError(_cannot_write(out, error)) from error
        try:
            yield temporary
            for file in sorted(p for p in temporary.rglob("*") if p.is_file()):
                goal = out / file.relative_to(temporary)
                goal.parent.mkdir(parents=True, exist_ok=True)
                file.replace(goal)
        except OSError as error:
            raise InputError(_cannot_write(out, error)) from error
        except InputError as error:  # the hidden folder means nothing to the reader
            raise InputError(str(error).replace(str(temporary), str(out))) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    finally:
        for folder in made:  # only those that are empty go
            try:
                folder.rmdir()
            except OSError:
                break


def _cannot_write(out: Path, error: OSError) -> str:
    return (
        f"{out}: cannot be written ({error.strerror or error}); choose another folder or make room."
    )
