"""Writing without leaving halves behind: a temporary name first, a rename at the end."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cmr_synth.errors import InputError


@contextmanager
def write_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same ending, renamed to `path` at the end.

    Raises
    ------
    InputError
        If the folder cannot be written to or is full; nothing is left behind then.
    """
    path = Path(path)
    ending = "".join(path.suffixes[-2:]) if path.name.endswith(".gz") else path.suffix
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-", suffix=ending)
        os.close(handle)
    except OSError as error:
        raise InputError(_cannot_write(path.parent, error)) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise InputError(_cannot_write(path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that takes its place at the end.

    An existing folder is replaced only when the new one is complete.

    Raises
    ------
    InputError
        If the parent cannot be written to or is full; nothing is left behind then.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=".partial-"))
    except OSError as error:
        raise InputError(_cannot_write(path.parent, error)) from error
    old = temporary.with_name(temporary.name + "-old")
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            path.replace(old)
        try:
            temporary.replace(path)
        except OSError:
            if old.exists():
                old.replace(path)
            raise
    except OSError as error:
        raise InputError(_cannot_write(path, error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _cannot_write(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{path}: cannot be written ({reason}); choose another folder or make room."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
