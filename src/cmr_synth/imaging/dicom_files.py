"""Which files below a path are DICOM pictures, and what is left out, by name.

Files are known by their content: by the mark after the preamble, or, where an export dropped both,
by a first tag that only DICOM has.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_synth.errors import InputError
from cmr_synth.files import walk
from cmr_synth.imaging.dicom_header import Frame, NotAnImage, frames_of, short
from cmr_synth.imaging.scan import scan_name

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_FILES = 20_000  # beyond this a folder is an archive, not an examination
MAX_INFLATED = 2**31  # bytes of a deflated file
NAMED = 3  # files left out for one reason that are called by their names

_VRS = b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"  # noqa: E501
_DEFLATED = "1.2.840.10008.1.2.1.99"
_DIRECTORY = "1.2.840.10008.1.3.10"  # Media Storage Directory: a DICOMDIR


@dataclass
class Found:
    """Pictures, and for each reason the files that were left out."""

    frames: list[Frame] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)  # whole sentences of unusable DICOM files

    def leave_out(self, why: str, name: str) -> None:
        """Remember a file that is not read."""
        self.left_out.setdefault(why, []).append(name)

    def notes(self, name: str) -> tuple[str, ...]:
        """One line on everything that was left out."""
        count = sum(map(len, self.left_out.values()))
        if not count:
            return ()
        files = "1 file is" if count == 1 else f"{count} files are"
        said = "; ".join(f"{_names(names)} ({why})" for why, names in self.left_out.items())
        return (f"{name}: {files} left out: {said}.",)


def is_dicom(path: str | Path) -> bool:
    """Return whether a file is DICOM, with or without the preamble."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(132)
    except (OSError, ValueError):
        return False
    return head[128:] == b"DICM" or _begins_with_a_tag(head)


def find_frames(paths: Sequence[Path]) -> Found:
    """Read the headers below paths.

    Parameters
    ----------
    paths : sequence of Path
        Folders with their subfolders, slices, or a DICOMDIR, which stands for what it lists.

    Raises
    ------
    InputError
        If there are too many files, or a folder cannot be read.
    """
    found = Found()
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            walked = walk(path)
            files += walked.files
            for line in walked.left_out:
                which, why = line.split(": ", 1)
                found.leave_out(why.rstrip("."), scan_name(which))
        else:
            files.append(path)
    if len(files) > MAX_FILES:
        raise InputError(
            f"{paths[0]}: holds {len(files):,} files, at most {MAX_FILES:,} are searched. "
            "Give the folder of one examination."
        )
    alone = len(files) == 1
    waiting = list(files)
    while waiting:
        file = waiting.pop(0)
        if not is_dicom(file):
            found.leave_out("not DICOM", file.name)
            continue
        try:
            header = _header(file)
            if _is_directory(header):
                if alone:
                    alone = False
                    waiting += _listed_in(header, file, found)
                continue
            with _without_warnings():
                found.frames += frames_of(header, file)
        except MemoryError:
            raise
        except NotAnImage as error:
            found.reasons.append(str(error))
            found.leave_out(_why(error, file), file.name)
        except InputError as error:
            found.reasons.append(str(error))
            found.leave_out(_why(error, file), file.name)
        except Exception as error:  # a damaged header makes pydicom raise many kinds
            found.reasons.append(
                f"{file.name}: the DICOM file is damaged or cannot be read ({short(error)}). "
                "Copy or export it again."
            )
            found.leave_out("damaged", file.name)
    return found


def require_bounded(path: Path) -> None:
    """Refuse a deflated file that would fill the memory.

    Raises
    ------
    InputError
        If it inflates to more than `MAX_INFLATED` bytes.
    """
    from pydicom.filereader import read_file_meta_info

    with _without_warnings():
        try:
            meta = read_file_meta_info(path)
        except Exception:  # judged when the file itself is read
            return
        if str(meta.get("TransferSyntaxUID", "")) != _DEFLATED:
            return
    with path.open("rb") as file:
        file.seek(132 + 12 + int(meta.get("FileMetaInformationGroupLength", 0)))
        inflating, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        pending = b""
        while block := pending or file.read(1 << 16):
            total += len(inflating.decompress(block, 1 << 24))
            pending = inflating.unconsumed_tail
            if total > MAX_INFLATED:
                raise InputError(
                    f"{path.name}: inflates to more than {MAX_INFLATED:,} bytes. It is damaged or "
                    "no picture; export the series again."
                )


def _header(path: Path) -> Dataset:
    from pydicom import dcmread

    require_bounded(path)
    with _without_warnings():
        return dcmread(path, stop_before_pixels=True, force=True)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """pydicom warns of odd identifiers and dates, which nothing here uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _begins_with_a_tag(head: bytes) -> bool:
    """Whether the first element is one of group 2 or 8 with a possible type and length."""
    if len(head) < 12:
        return False
    group, element = struct.unpack("<HH", head[:4])
    if group not in (2, 8) or element > 0x20:
        return False
    if head[4:6] in _VRS.split():
        return True
    return int(struct.unpack("<I", head[4:8])[0]) <= 128  # implicit: a length, and a short value


def _is_directory(header: Dataset) -> bool:
    return str(getattr(header.file_meta, "MediaStorageSOPClassUID", "")) == _DIRECTORY


def _listed_in(header: Dataset, path: Path, found: Found) -> list[Path]:
    """The files that a DICOMDIR lists, of those below its folder."""
    folder = path.parent.resolve()
    files = []
    for record in header.get("DirectoryRecordSequence") or ():
        parts = record.get("ReferencedFileID")
        if not parts:
            continue
        parts = [parts] if isinstance(parts, str) else [str(part) for part in parts]
        file = path.parent.joinpath(*parts)
        if not file.resolve().is_relative_to(folder):
            found.leave_out("lies outside the folder of its DICOMDIR", "/".join(parts))
        elif not file.is_file():
            found.leave_out("is listed in the DICOMDIR and not there", "/".join(parts))
        else:
            files.append(file)
    return files


def _why(error: InputError, file: Path) -> str:
    """The finding alone: without the file's name, and without the advice."""
    text = str(error).removeprefix(f"{file.name}: ")
    return text.split(". ")[0].rstrip(".")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
