"""Making archives, and letting patients in and out of them."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample, require_disjoint
from cmr_synth.files import require_replaceable, sha256, write_folder
from cmr_synth.generators.interface import Progress
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive import (
    ABOUT,
    CARRIED_OVER,
    COLUMNS,
    FORMAT,
    LEFT_IN_BASIS,
    QUERIES,
    Archive,
    open_archive,
)
from cmr_synth.privacy.calibration import STATISTICS
from cmr_synth.privacy.neighbours import search
from cmr_synth.privacy.pixels import carried_over, fit_basis, project
from cmr_synth.privacy.queries import Queries, described
from cmr_synth.processes import ALONE, Processes

PART = 256
"""Slices described at once, by one process."""
Rows = list[dict[str, str]]


def build(
    real: Sample,
    out: Path,
    detector: CopyDetector,
    *,
    held_out: Sample | None = None,
    pixels: bool = True,
    key: bytes | None = None,
    group: Processes = ALONE,
) -> Iterator[Progress | Archive]:
    """Write an archive of real slices.

    Parameters
    ----------
    real : Sample
        The patients that nothing synthetic may be too close to.
    out : Path
        Folder to make; an older archive is replaced when the new one is complete.
    held_out : Sample, optional
        Other patients, by whose distances p-values are calibrated. Their descriptors are kept, and
        none of their pixels.
    pixels : bool
        Whether to keep the slices themselves; without them it can be passed on, and copies cannot
        be planted.
    key : bytes, optional
        Identifiers are replaced by HMAC-SHA-256 with it.
    group : Processes
        That share the work; the first of them writes, and yields the archive.

    Yields
    ------
    Progress or Archive

    Raises
    ------
    InputError
        If there is nothing to archive, a patient is on both sides, or `out` cannot be written.
    """
    if not len(real):
        raise InputError("no slices to archive; name other patients.")
    if held_out is not None:
        require_disjoint(real, held_out)
    require_replaceable(out, ABOUT)
    real, names = _by_person(real)
    stored = _stored(real)
    basis = fit_basis(_unstored(stored))
    with _shared_folder(out, group) as scratch:
        total = len(real) + (len(held_out) if held_out is not None else 0)
        real_work = _describe(
            stored, basis, detector, scratch / "real", group, 0, total, as_they_are=True
        )
        yield from real_work
        if held_out is not None:
            yield from _describe(
                _stored(held_out), basis, detector, scratch / "held-out", group, len(real), total
            )
        group.gather([])  # everybody is done
        if not group.is_main:
            return
        found = _collected(scratch / "real")
        others = _collected(scratch / "held-out") if held_out is not None else None
    arrays: dict[str, NDArray] = {
        "whole": found.whole[:, 0],
        "windows": found.windows,
        "pca": found.views[:, 0],
        "basis": basis,
    }
    if pixels:
        arrays["pixels"] = stored
    about = {
        "detector": detector.hash,
        "shape": list(stored.shape[1:]),
        "spacing_mm": real.spacing,
        "keyed": key is not None,
        "pixels": pixels,
    }
    labels = None if held_out is None else _held_out_rows(held_out, key)
    _write(out, about, arrays, _rows(real, names, stored, key), others, labels)
    yield open_archive(out)


def add(
    archive: Archive,
    real: Sample,
    detector: CopyDetector,
    *,
    key: bytes | None = None,
) -> Iterator[Progress | Archive]:
    """Let patients in; those who are there already are replaced.

    Pixels are compared by the principal components that the archive was built with.

    Raises
    ------
    InputError
        If a patient is one of those held out, the detector is another, the spacing is, or the
        archive has keyed identifiers and the key is missing.
    """
    archive.require_detector(detector)
    if not len(real):
        raise InputError("no slices to add; name other patients.")
    if bool(archive.about["keyed"]) != (key is not None):
        raise InputError(
            f"{archive.folder}: identifiers are "
            + ("keyed; give the key." if archive.about["keyed"] else "not keyed; give no key.")
        )
    if abs(real.spacing - float(archive.about["spacing_mm"])) > 1e-6:
        raise InputError(
            f"{real.name}: {real.spacing:g} mm pixels, and the archive has "
            f"{archive.about['spacing_mm']:g} mm; prepare the slices again."
        )
    real, names = _by_person(real)
    known = {_keyed(str(name), key) for name in names}
    if archive.calibration is not None:
        both = sorted(known & set(archive.calibration.patients.tolist()))
        if both:
            raise InputError(
                f"{len(both)} patients to add are among those held out for calibration: "
                f"{', '.join(both[:10])}; build the archive again."
            )
    stored = _stored(real)
    with _shared_folder(archive.folder, ALONE) as scratch:
        yield from _describe(
            stored, archive.basis, detector, scratch, ALONE, 0, len(real), as_they_are=True
        )
        found = _collected(scratch)
    kept = np.array([row["patient"] not in known for row in archive.rows], bool)
    rows = [row for row, keep in zip(archive.rows, kept, strict=True) if keep]
    arrays = {
        "whole": np.concatenate([archive.whole[kept], found.whole[:, 0]]),
        "windows": np.concatenate([archive.windows[kept], found.windows]),
        "pca": np.concatenate([archive.pca[kept], found.views[:, 0]]),
    }
    if archive.pixels is not None:
        arrays["pixels"] = np.concatenate([archive.pixels[kept], stored])
    yield _rewritten(archive, arrays, rows + _rows(real, names, stored, key))


def remove(archive: Archive, patients: Sequence[str], *, key: bytes | None = None) -> Archive:
    """Let patients out, fit the principal components to those who are left, calibrate again.

    Descriptions of held-out slices, whose pixels are not kept, are carried over from the components
    before. Without any pixels the components stay as they were, and the archive says so; see
    `Archive.remarks`.

    Parameters
    ----------
    archive : Archive
    patients : sequence of str
        As the archive names them, or, with the key, as they were called before.

    Raises
    ------
    InputError
        If one is not there, or none would be left.
    """
    wanted = {_keyed(name, key) if key is not None else name for name in patients}
    missing = sorted(wanted - {row["patient"] for row in archive.rows})
    if missing:
        known = ", ".join(archive.name(k) for k in range(min(3, len(archive.starts))))
        raise InputError(
            f"{archive.folder}: has no patient {missing[0]}; it names them such as {known}."
        )
    kept = np.array([row["patient"] not in wanted for row in archive.rows], bool)
    if not kept.any():
        raise InputError(f"{archive.folder}: nobody would be left; delete the folder instead.")
    arrays: dict[str, NDArray] = {
        name: getattr(archive, name)[kept] for name in ("whole", "windows", "pca")
    }
    rows = [row for row, keep in zip(archive.rows, kept, strict=True) if keep]
    if archive.pixels is None:
        left = int(archive.about.get(LEFT_IN_BASIS, 0)) + len(wanted)
        return _rewritten(archive, arrays, rows, about={LEFT_IN_BASIS: left})
    arrays["pixels"] = archive.pixels[kept]
    basis = fit_basis(_unstored(arrays["pixels"]))
    if np.allclose(basis, archive.basis, atol=1e-5):  # they were let in after it was fitted
        return _rewritten(archive, arrays, rows)
    arrays["pca"] = _projected(arrays["pixels"], basis)
    held_out = archive.held_out
    if held_out is not None:
        views = carried_over(held_out.views, archive.basis, basis).astype(np.float16)
        held_out = Queries(held_out.whole, held_out.windows, views)
    about = {LEFT_IN_BASIS: 0, CARRIED_OVER: held_out is not None}
    return _rewritten(archive, arrays, rows, basis=basis, held_out=held_out, about=about)


def _projected(stored: NDArray[np.uint8], basis: NDArray[np.float32]) -> NDArray[np.float16]:
    parts = range(0, len(stored), PART)
    found = [project(_unstored(stored[first : first + PART]), basis) for first in parts]
    return np.concatenate(found).astype(np.float16)


def _rewritten(
    archive: Archive,
    arrays: dict[str, NDArray],
    rows: Rows,
    *,
    basis: NDArray[np.float32] | None = None,
    held_out: Queries | None = None,
    about: Mapping[str, Any] | None = None,
) -> Archive:
    """The archive with other slices, in its place; basis and held-out slices as they were."""
    order = np.argsort([row["patient"] for row in rows], kind="stable")
    arrays = {name: array[order] for name, array in arrays.items()}
    arrays["basis"] = archive.basis if basis is None else basis
    labels = None
    if archive.held_out is not None:
        path = archive.folder / "calibration.csv"
        with path.open(newline="", encoding="utf-8") as file:
            labels = [
                {name: row[name] for name in ("patient", "vendor", "level")}
                for row in csv.DictReader(file)
            ]
    kept = ("detector", "shape", "spacing_mm", "keyed", "pixels", LEFT_IN_BASIS, CARRIED_OVER)
    stated = {name: archive.about[name] for name in kept if name in archive.about}
    stated |= about or {}
    others = archive.held_out if held_out is None else held_out
    _write(archive.folder, stated, arrays, [rows[i] for i in order], others, labels)
    return open_archive(archive.folder)


def _write(
    out: Path,
    about: dict[str, Any],
    arrays: dict[str, NDArray],
    rows: Rows,
    held_out: Queries | None,
    labels: Rows | None,
) -> None:
    with write_folder(out, replaces=ABOUT) as folder:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        _write_rows(folder / "slices.csv", COLUMNS, rows)
        about = {
            "format": FORMAT,
            "slices": len(rows),
            "patients": len({row["patient"] for row in rows}),
            **about,
        }
        if held_out is not None and labels is not None:
            for name in QUERIES:
                np.save(folder / f"held-out-{name}.npy", getattr(held_out, name))
            bare = Archive(
                folder,
                about,
                tuple(rows),
                arrays["whole"],
                arrays["windows"],
                arrays["pca"],
                arrays["basis"],
                None,
                None,
                None,
            )
            near = search(held_out, bare).statistics
            _write_rows(
                folder / "calibration.csv",
                ("patient", "vendor", "level", *STATISTICS),
                [
                    label | {k: repr(float(v)) for k, v in zip(STATISTICS, values, strict=True)}
                    for label, values in zip(labels, near, strict=True)
                ],
            )
            about["held_out_slices"] = len(labels)
        files = sorted(path for path in folder.iterdir())
        about["files"] = {path.name: [path.stat().st_size, sha256(path)] for path in files}
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        for path in folder.iterdir():
            path.chmod(0o600)
    os.chmod(out, 0o700)


def _describe(
    stored: NDArray[np.uint8],
    basis: NDArray[np.float32],
    detector: CopyDetector,
    folder: Path,
    group: Processes,
    done: int,
    total: int,
    *,
    as_they_are: bool = False,
) -> Iterator[Progress]:
    """Describe slices part by part, each by one of the processes, into files of a folder."""
    folder.mkdir(exist_ok=True)
    parts = range(0, len(stored), PART)
    for part in group.turns(folder.name, len(parts)):
        rows = slice(parts[part], parts[part] + PART)
        found = described(_unstored(stored[rows]), detector, basis, as_they_are=as_they_are)
        for name in QUERIES:
            np.save(folder / f"{part:06d}-{name}.npy", getattr(found, name).astype(np.float16))
        yield Progress(done + min(parts[part] + PART, len(stored)), total)


def _collected(folder: Path) -> Queries:
    return Queries(
        *(
            np.concatenate([np.load(path) for path in sorted(folder.glob(f"*-{name}.npy"))])
            for name in QUERIES
        )
    )


@contextmanager
def _shared_folder(out: Path, group: Processes) -> Iterator[Path]:
    """A hidden folder beside `out` that all processes know; gone at the end."""
    made: Path | None = None
    try:
        if group.is_main:
            try:
                out.parent.mkdir(parents=True, exist_ok=True)
                made = Path(tempfile.mkdtemp(dir=out.parent, prefix=".partial-"))
            except OSError as error:
                raise InputError(
                    f"{out.parent}: cannot be written ({error.strerror}); choose another folder "
                    "or make room."
                ) from error
        (name,) = group.gather([str(made)] if made is not None else [])
        yield Path(name)
    except OSError as error:
        raise InputError(f"{out.parent}: cannot be written ({error.strerror}).") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _stored(sample: Sample) -> NDArray[np.uint8]:
    # stored as it is searched: distances do not depend on whether a slice was read from disk
    return np.round(sample.pixels * 255).astype(np.uint8)


def _unstored(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(stored.astype(np.float32) / np.float32(255))


def _by_person(sample: Sample) -> tuple[Sample, NDArray[np.str_]]:
    """Slices person by person, and the person of each."""
    names = sample.persons
    order = np.argsort(names, kind="stable")
    return sample.take(order), names[order]


def _rows(
    sample: Sample, names: NDArray[np.str_], stored: NDArray[np.uint8], key: bytes | None
) -> Rows:
    return [
        {
            "patient": _keyed(str(name), key),
            "vendor": row.vendor,
            "level": str(level),
            "phase": row.phase,
            "slice": str(row.slice),
            # somebody who has a picture could look its hash up
            "sha256": hashlib.sha256(picture.tobytes()).hexdigest() if key is None else "",
        }
        for name, row, level, picture in zip(names, sample.rows, sample.levels, stored, strict=True)
    ]


def _held_out_rows(sample: Sample, key: bytes | None) -> Rows:
    return [
        {"patient": _keyed(str(name), key), "vendor": str(vendor), "level": str(level)}
        for name, vendor, level in zip(sample.persons, sample.vendors, sample.levels, strict=True)
    ]


def _keyed(identifier: str, key: bytes | None) -> str:
    if key is None:
        return identifier
    return hmac.new(key, identifier.encode("utf-8"), hashlib.sha256).hexdigest()[:32]


def _write_rows(path: Path, columns: tuple[str, ...], rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
