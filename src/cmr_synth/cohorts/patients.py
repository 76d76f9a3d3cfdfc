"""The patients of a folder, to be worked through one after the other: whose files lie where.

Of a folder nothing is read but names, and the sidecars that mark synthetic pictures; whether a file
is what its name says shows when it is opened. Patients without a mask count: drawing it is the
work. A cohort is read by its adapter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import is_nifti_name, stem_of
from cmr_synth.cohorts.planes import names_another_plane
from cmr_synth.cohorts.reading import require_some
from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.cohorts.whose import patients_of
from cmr_synth.errors import InputError
from cmr_synth.files import walk
from cmr_synth.imaging.masks import is_named_a_mask, is_synthetic, without_mask_words

Read = Callable[[], Iterable[Examination | LeftOut]]

DICOM = (".dcm", ".dicom", ".ima", "")


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient's files.

    Parameters
    ----------
    name : str
    scans : tuple of Path
        NIfTI images, or a folder of DICOM files.
    masks : tuple of Path
        NIfTI files named as masks.
    synthetic : tuple of Path
        Synthetic pictures beside them.
    examinations : tuple of callable
        Of a patient of a cohort: each reads some examinations, among them the patient's.
    drawn : bool
        Whether an examination comes with labels.
    """

    name: str
    scans: tuple[Path, ...] = ()
    masks: tuple[Path, ...] = ()
    synthetic: tuple[Path, ...] = ()
    examinations: tuple[Read, ...] = ()
    drawn: bool = False

    @property
    def has_mask(self) -> bool:
        """Whether a mask is on disk."""
        return bool(self.masks) or self.drawn

    def read(self) -> list[Examination]:
        """The examinations of a patient of a cohort, read now."""
        found = (one for read in self.examinations for one in read())
        return [e for e in found if isinstance(e, Examination) and e.patient == self.name]


def patients_in(root: Path) -> list[Patient]:
    """List the patients below a folder, in order of their names.

    NIfTI files are told apart as cohorts are: by the beginning of their names, or by their
    folder. Of DICOM, every folder directly below is a patient, or the folder itself if it holds
    the files. Views of other planes than the short axis, told by name, are left out.

    Parameters
    ----------
    root : Path

    Returns
    -------
    list of Patient

    Raises
    ------
    InputError
        If the folder cannot be read, or holds neither NIfTI nor DICOM files.
    """
    root = Path(root)
    files = [path for path in walk(root).files if not names_another_plane(stem_of(path.name))]
    nifti = [path for path in files if is_nifti_name(path.name)]
    found = {patient.name: patient for patient in _of_nifti(nifti, root)}
    with_nifti = {path.parent for path in nifti}
    for folder in _dicom_folders(files, root):
        if folder.name not in found and folder not in with_nifti:
            found[folder.name] = Patient(name=folder.name, scans=(folder,))
    if not found:
        raise InputError(
            f"{root}: holds no NIfTI or DICOM files; choose the folder that has a folder, or "
            "files, for each patient."
        )
    return [found[name] for name in sorted(found)]


def patients_of_cohort(name: str, root: Path) -> Iterator[str | list[Patient]]:
    """List the patients of a cohort; every file is read once, and none is kept in memory.

    Of archives in one file, whose adapters yield what they have read, the examinations are kept.

    Parameters
    ----------
    name : str
        A cohort adapter.
    root : Path
        Its folder.

    Yields
    ------
    str or list of Patient
        What was read, file by file; at the end the list, in order of their names.

    Raises
    ------
    InputError
        If the cohort is unknown, cannot be read, or nothing is left of it.
    """
    reads: dict[str, list[Read]] = {}
    drawn: set[str] = set()
    left_out: list[LeftOut] = []
    for found in load_cohort(name).examinations(Path(root)):
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        read: Read = found.read if isinstance(found, Unread) else partial(_itself, found)
        for one in read():
            if isinstance(one, LeftOut):
                left_out.append(one)
                continue
            if read not in reads.setdefault(one.patient, []):
                reads[one.patient].append(read)
            drawn |= {one.patient} if one.labelled.any() else set()
            yield f"{one.patient} {one.phase or ''}".strip()
    require_some(name, Path(root), len(reads), left_out)
    yield [
        Patient(name=patient, examinations=tuple(reads[patient]), drawn=patient in drawn)
        for patient in sorted(reads)
    ]


def _itself(found: Examination) -> list[Examination | LeftOut]:
    return [found]


def _of_nifti(nifti: list[Path], root: Path) -> list[Patient]:
    kinds = {path: _kind(path, root) for path in nifti}
    whose, _ = patients_of(root, ((path, without_mask_words(path)) for path in nifti))
    own: defaultdict[str, defaultdict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in nifti:
        own[whose[path]][kinds[path]].append(path)
    return [
        Patient(
            name=name,
            scans=tuple(by_kind["scans"]),
            masks=tuple(by_kind["masks"]),
            synthetic=tuple(by_kind["synthetic"]),
        )
        for name, by_kind in own.items()
    ]


def _kind(path: Path, root: Path) -> str:
    if is_synthetic(path):
        return "synthetic"
    return "masks" if is_named_a_mask(path, root) else "scans"


def _dicom_folders(files: list[Path], root: Path) -> list[Path]:
    """Folders directly below that hold DICOM by content, or the folder itself."""
    first: dict[Path, Path] = {}
    for path in files:
        if path.suffix.lower() not in DICOM and not path.suffix[1:].isdigit():
            continue
        parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
        folder = root / parts[0] if len(parts) > 1 else root
        first.setdefault(folder, path)
    return [folder for folder, path in first.items() if _is_dicom(path)]


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False
