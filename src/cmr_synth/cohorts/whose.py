"""Whose a file is, told by its name and its folder where no table says so.

A file's own name begins with the patient, up to its first underscore, less a phase at the end:
`p1_ED`, `001-ES`. Where the names in a folder say nothing of that kind (`sa_ED`, `image`), or all
the same, the folder is a patient. Folders called after a phase, a visit or a kind of picture
(`ED`, `ses-1`, `anat`) are passed over.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from cmr_synth.cohorts.people import is_phase_or_visit

_KIND = re.compile(
    r"sa|sax|short|shortaxis|la|lax|cine|bssfp|ssfp|lge|de|t1|t2|c0|mr|mri|cmr|img|image|images|im"
    r"|label|labels|mask|masks|seg|gt|anat|cardiac|heart|data|nii|nifti|4d|3d|stack|slice|frame"
    r"|imagestr|labelstr|train|training|val|validation|test|testing",
    re.IGNORECASE,
)
_PHASES = {
    "ED": re.compile(r"ed|dia|(end)?diastol(e|ic)", re.IGNORECASE),
    "ES": re.compile(r"es|sys|(end)?systol(e|ic)", re.IGNORECASE),
}
_END = re.compile(r"[-. ]+([^-. ]+)$")


def patient_in_name(stem: str) -> str:
    """The patient that a file's name begins with; empty where it names none."""
    patient = stem.partition("_")[0]
    while (end := _END.search(patient)) and is_phase_or_visit(end[1], visits=False):
        patient = patient[: end.start()]
    return "" if _says_nothing(patient) else patient


def phase_in_name(*names: str) -> str | None:
    """The phase that the first of some names tells; None if it tells none or both."""
    for name in names:
        words = [word for word in re.split(r"[\W_]+", name) if word]
        phases = {phase for phase, said in _PHASES.items() if any(map(said.fullmatch, words))}
        if phases:
            return phases.pop() if len(phases) == 1 else None
    return None


def patients_of(root: Path, files: Iterable[tuple[Path, str]]) -> tuple[dict[Path, str], list[str]]:
    """Patients of the files of a cohort.

    Parameters
    ----------
    root : Path
        The cohort's folder.
    files : iterable of (Path, str)
        Image files below it, each with the name that it shares with its mask.

    Returns
    -------
    dict of Path to str
    list of str
        What to know about it, a line each: people found in several places.
    """
    by_folder: defaultdict[Path, list[tuple[Path, str]]] = defaultdict(list)
    for path, stem in files:
        by_folder[path.parent].append((path, stem))
    whose: dict[Path, str] = {}
    places: defaultdict[str, set[str]] = defaultdict(set)
    folders_of_one: dict[Path, tuple[str, ...]] = {}
    for folder, own in by_folder.items():
        parts = folder.relative_to(root).parts
        telling = tuple(part for part in parts if not _says_nothing(part))
        named = {patient_in_name(stem) for _, stem in own} - {""}
        if (telling and len(named) <= 1) or (parts and not named):
            folders_of_one[folder] = telling or parts
            continue
        for path, stem in own:
            whose[path] = patient_in_name(stem) or stem
            places[whose[path]].add("/".join(parts) or ".")
    for folder, patient in _by_folder(folders_of_one).items():
        whose.update({path: patient for path, _ in by_folder[folder]})
        places[patient].add(folder.relative_to(root).as_posix())
    again = {patient: sorted(seen) for patient, seen in places.items() if len(seen) > 1}
    said = []
    if again:
        patient, seen = next(iter(sorted(again.items())))
        where = " and ".join(seen[:3])
        said.append(
            f"{len(again)} patients lie in several folders, as {patient} in {where}, and count "
            "as one each; if they are not, name them in cohort.csv (columns file and "
            "patient)."
        )
    return whose, said


def _by_folder(folders: dict[Path, tuple[str, ...]]) -> dict[Path, str]:
    """A name for each folder that is one patient's.

    Where one name is below several folders, as in A/001 and B/001, there are either two sites with
    patients of the same numbers or patients with the same studies: the level that is numbered is
    that of patients, else the one with more names.
    """
    bids = {
        folder: next((p for p in parts if p.lower().startswith("sub-")), "")
        for folder, parts in folders.items()
    }
    last = {parts[-1] for parts in folders.values()}
    above = {parts[-2] for parts in folders.values() if len(parts) > 1}
    unique = len(last) == len(set(folders.values()))
    numbered = [any(re.search(r"\d", name) for name in level) for level in (above, last)]
    upper = numbered[0] if numbered[0] != numbered[1] else len(above) >= len(last)
    names = {}
    for folder, parts in folders.items():
        if bids[folder]:
            names[folder] = bids[folder]
        elif unique or len(parts) == 1:
            names[folder] = parts[-1]
        elif upper:
            names[folder] = parts[-2]
        else:
            names[folder] = "-".join(parts[-2:])
    return names


def _says_nothing(part: str) -> bool:
    """Whether a part of a name tells a phase, a visit or a kind of picture, and no patient."""
    words = [word for word in re.split(r"[\W_]+", part) if word]
    return all(bool(_KIND.fullmatch(word)) or is_phase_or_visit(word) for word in words) or (
        len(words) == 2 and words[0].lower() == "ses"
    )
