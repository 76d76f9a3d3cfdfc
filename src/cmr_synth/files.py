"""Writing without leaving halves behind, and walking through folders without losing anything.

Written is under a temporary name first, which is changed at the end.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError

from cmr_synth.errors import InputError

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    csv.Error,
)
"""What reading JSON, CSV and NumPy arrays raises where they are damaged or hold something else."""


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
    except (OSError, SafetensorError) as error:
        raise InputError(_cannot_write(path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_folder(path: Path, *, replaces: str | None = None) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that takes its place at the end.

    An existing folder is replaced only when the new one is complete.

    Parameters
    ----------
    path : Path
    replaces : str, optional
        Name of a file by which a folder that may be replaced is known; see
        `require_replaceable`.

    Raises
    ------
    InputError
        If something else is there, or the parent cannot be written to or is full; nothing is
        left behind then.
    """
    path = Path(path)
    require_replaceable(path, replaces)
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
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise InputError(_cannot_write(path, error)) from error
    finally:
        if old.exists() and not path.exists():  # cut short between the two renames
            old.replace(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def staged(out: Path, *, whole: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield a hidden folder inside `out`; its files move up into `out` at the end.

    Files of the same name are replaced, all others in `out` stay. If anything goes wrong nothing
    is moved, and `out` is removed if it was made for this.

    Parameters
    ----------
    out : Path
    whole : tuple of str
        Endings of files whose folders belong together, such as those of a DICOM series: a folder
        in the hidden one takes the place of one of its name as a whole. It may hold nothing else.

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
            if whole:
                for folder in sorted(p for p in temporary.iterdir() if p.is_dir()):
                    _require_only(out / folder.name, whole)
                for folder in sorted(p for p in temporary.iterdir() if p.is_dir()):
                    goal = out / folder.name
                    if goal.exists():
                        goal.replace(temporary / f".old-{folder.name}")
                    folder.replace(goal)
                for old in temporary.glob(".old-*"):
                    shutil.rmtree(old, ignore_errors=True)
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


def require_replaceable(path: Path, marker: str | None = None) -> None:
    """Refuse to put a new folder where somebody keeps something else.

    Parameters
    ----------
    path : Path
        Where the folder is to be.
    marker : str, optional
        File name by which an older folder of the same kind is known. Without it, only a
        missing or an empty folder will do.

    Raises
    ------
    InputError
        If `path` is a file, or a folder that holds anything but not `marker`.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: is a file; choose another name for the folder.")
        if not path.is_dir() or not any(path.iterdir()):
            return
        if marker is None or not (path / marker).is_file():
            raise InputError(
                f"{path}: holds other files, which are not replaced; choose a new folder or "
                "an empty one."
            )
    except OSError as error:
        raise InputError(_cannot_write(path, error)) from error


def _require_only(folder: Path, endings: tuple[str, ...]) -> None:
    """Refuse to replace a folder that somebody keeps something else in."""
    if folder.is_file():
        raise InputError(f"{folder}: is a file, and a folder goes there; choose another --out.")
    if not folder.exists():
        return
    other = next((p for p in sorted(folder.iterdir()) if p.suffix.lower() not in endings), None)
    if other is not None:
        raise InputError(
            f"{folder}: holds {other.name}, and a folder of {endings[0]} files goes there; choose "
            "another --out, or take it away."
        )


def sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def require_path(path: str | Path, what: str = "file or folder") -> Path:
    """Return the path if something is there.

    Raises
    ------
    InputError
        If nothing is, or no path can be written so: too long, or with a zero in it.
    """
    path = Path(path)
    try:
        path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such {what}. Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        shown = str(path).replace("\0", "?")
        raise InputError(f"{shown}: cannot be read ({reason}); check the path.") from error
    return path


@dataclass(frozen=True)
class Walk:
    """What lies in a folder and below.

    Parameters
    ----------
    files : tuple of Path
        In order of their paths, which go through links as they were found.
    left_out : tuple of str
        One line for each link or folder that could not be followed: which, and why.
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def walk(folder: Path, *, hidden: bool = False, inside: Path | None = None) -> Walk:
    """List the files of a folder and of all folders below, through links.

    Linked folders are followed, each real folder once: a link into the tree itself adds nothing,
    one to a folder above would lead in a circle and is named.

    Parameters
    ----------
    folder : Path
    hidden : bool
        Whether files and folders whose names begin with a dot count.
    inside : Path, optional
        Links that lead out of this folder are named, not followed; for what came out of an
        archive, which must not reach the files of whoever unpacks it.

    Raises
    ------
    InputError
        If the folder itself cannot be read.
    """
    folder = Path(folder)
    try:
        with os.scandir(folder):
            pass
        real = Path(os.path.realpath(folder))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{folder}: cannot be read ({reason}); check the path and its permissions."
        ) from error
    walker = _Walker(real=real, hidden=hidden, inside=None if inside is None else inside.resolve())
    walker.go_through(folder)
    while walker.links:  # after the folders themselves: what they hold keeps its own path
        walker.follow(walker.links.pop(0))
    return Walk(tuple(sorted(walker.files)), tuple(walker.left_out))


@dataclass
class _Walker:
    real: Path
    hidden: bool
    inside: Path | None
    files: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)  # real folders

    def go_through(self, top: Path) -> None:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            real = Path(os.path.realpath(folder))
            if real in self.seen:
                continue
            self.seen.add(real)
            try:
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self.left_out.append(f"{folder}: cannot be read ({error.strerror or error}).")
                continue
            for entry in found:
                if entry.name.startswith(".") and not self.hidden:
                    continue
                path = folder / entry.name
                if entry.is_symlink():
                    self.links.append(path)
                elif entry.is_dir():
                    waiting.append(path)
                elif entry.is_file():
                    self.files.append(path)

    def follow(self, link: Path) -> None:
        target = Path(os.path.realpath(link))
        if not target.exists():
            self.left_out.append(f"{link}: is a link to {target}, which is not there.")
        elif self.inside is not None and not target.is_relative_to(self.inside):
            self.left_out.append(f"{link}: is a link that leads out of the archive; not followed.")
        elif target.is_file():
            self.files.append(link)
        elif self.real.is_relative_to(target):
            if target != self.real:
                self.left_out.append(f"{link}: is a link to a folder above it; not followed.")
        elif target.is_dir():
            self.go_through(link)


def _cannot_write(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path}: cannot be written ({reason}); choose another folder or make room."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
