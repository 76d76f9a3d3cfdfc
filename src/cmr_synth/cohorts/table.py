"""`cohort.csv`: what people know of patients beside their files, joined to any cohort.

Columns are patient, phase, vendor, pathology, age (years), height (cm), weight (kg) and file (the
name of an image or a mask, with its folder where names repeat); a row without a file holds for
every file of its patient, and an empty cell states nothing. What the table states goes before what
files and adapters say. Other columns are left alone.

Spreadsheets take leading zeros from numbers: a row `1` is that of patient `001` where no other
patient and no other row could be meant.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from cmr_synth.cohorts.covariates import COVARIATES, STATED, is_somebodys
from cmr_synth.cohorts.examination import PATHOLOGIES, PHASES, VENDORS, Examination, LeftOut
from cmr_synth.cohorts.nifti_files import stem_of
from cmr_synth.errors import InputError
from cmr_synth.text_files import Table, read_table

NAMES = ("cohort.csv", "cohort.tsv")
COLUMNS = ("patient", "phase", "vendor", "pathology", *STATED, "file")
WORDS = {"phase": PHASES, "vendor": VENDORS, "pathology": tuple(PATHOLOGIES)}


class PatientTable:
    """The rows of `cohort.csv`; without one nothing is stated."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._by_file: dict[str, tuple[int, dict[str, str]]] = {}
        self._by_patient: dict[str, tuple[int, dict[str, str]]] = {}
        self._patient_of_loose: dict[str, str] = {}  # whom a row without zeros was given to
        self._file_of_row: dict[str, str] = {}
        self._used: set[int] = set()
        if path is not None:
            self._read(path)
        count = Counter(map(_loose, self._by_patient))
        self._loose = {
            _loose(patient): patient for patient in self._by_patient if count[_loose(patient)] == 1
        }

    @classmethod
    def of(cls, root: Path) -> PatientTable:
        """The table in a cohort's folder.

        Raises
        ------
        InputError
            If there are two, or it cannot be read, or states a word that nobody knows.
        """
        there = [p for p in sorted(root.iterdir()) if p.name.lower() in NAMES]
        if len(there) > 1:
            raise InputError(f"{there[1]}: {there[0].name} is a table, too; keep one.")
        return cls(there[0] if there else None)

    def joined(self, examination: Examination) -> Examination:
        """An examination with all that the table states of it.

        Raises
        ------
        InputError
            If a row could mean this patient or another.
        """
        of_file = self._take(self._row_of_file(examination.files))
        patient = of_file.get("patient") or examination.patient
        whole = self._take(self._row_of(patient))
        return replace(
            examination,
            patient=patient,
            vendor=of_file.get("vendor") or whole.get("vendor") or examination.vendor,
            phase=of_file.get("phase") or whole.get("phase") or examination.phase,
            pathology=of_file.get("pathology") or whole.get("pathology") or examination.pathology,
            covariates={
                **examination.covariates,
                **{
                    name: float(said)
                    for name in STATED
                    if (said := of_file.get(name) or whole.get(name))
                },
            },
        )

    def unused(self) -> list[LeftOut]:
        """Rows that nothing was joined to; ask at the end."""
        rows = [*self._by_file.items(), *self._by_patient.items()]
        name = self.path.name if self.path else ""
        return [
            LeftOut(f"{name} line {line} ({key})", "no examination is there for this row.")
            for key, (line, _) in sorted(rows, key=lambda row: row[1][0])
            if line not in self._used
        ]

    def _take(self, row: tuple[int, dict[str, str]] | None) -> dict[str, str]:
        if row is None:
            return {}
        self._used.add(row[0])
        return row[1]

    def _row_of_file(self, files: tuple[str, ...]) -> tuple[int, dict[str, str]] | None:
        for file in files:
            whole = stem_of(file)
            for key in (whole, whole.rpartition("/")[2]):
                if key not in self._by_file:
                    continue
                other = self._file_of_row.setdefault(key, files[0])
                if other != files[0]:
                    raise InputError(
                        f"{self.path}: row {key!r} may mean {other} or {files[0]}; write the name "
                        "with its folder."
                    )
                return self._by_file[key]
        return None

    def _row_of(self, patient: str) -> tuple[int, dict[str, str]] | None:
        if patient in self._by_patient:
            return self._by_patient[patient]
        meant = self._loose.get(_loose(patient))
        if meant is None:
            return None
        other = self._patient_of_loose.setdefault(meant, patient)
        if other != patient:
            raise InputError(
                f"{self.path}: row {meant!r} may mean patient {other!r} or {patient!r}; write the "
                "name as it is."
            )
        return self._by_patient[meant]

    def _read(self, path: Path) -> None:
        table = read_table(path)
        names = {column: column.lower() for column in table.columns}
        if not {"patient", "file"} & set(names.values()):
            raise InputError(
                f"{path}: columns are {', '.join(table.columns)}; known are "
                f"{', '.join(COLUMNS)}, one of them patient or file."
            )
        for line, raw in zip(table.lines, table.rows, strict=True):
            row = {names[c]: cell for c, cell in raw.items() if names[c] in COLUMNS}
            where = f"{path}, line {line}"
            for column, known in WORDS.items():
                row[column] = _word(row.get(column, ""), known, f"{where}: {column}")
            for column in STATED:
                _require_number(row.get(column, ""), column, where)
            if row.get("file"):
                key, rows = stem_of(row["file"].replace("\\", "/")), self._by_file
            elif row.get("patient"):
                key, rows = row["patient"], self._by_patient
            else:
                raise InputError(f"{where}: names neither a file nor a patient.")
            if key in rows:
                raise InputError(f"{where}: {key!r} has a row already; keep one.")
            rows[key] = (line, row)


def _word(value: str, known: tuple[str, ...], where: str) -> str:
    """A word as the models spell it; empty where nothing is stated."""
    if not value:
        return ""
    spelled = {word.lower(): word for word in known}
    if value.lower() not in spelled:
        raise InputError(
            f"{where} {value!r} is unknown; known are {', '.join(known)}, or leave it empty."
        )
    return spelled[value.lower()]


def _require_number(value: str, column: str, where: str) -> None:
    of = COVARIATES[column]
    if value and not (re.fullmatch(r"\d+(\.\d+)?", value) and is_somebodys(column, float(value))):
        raise InputError(
            f"{where}: {column} {value!r} is not from {of.least:g} to {of.most:g} {of.unit}; give "
            "such a number, or leave it empty."
        )


def _loose(patient: str) -> str:
    """A name without what spreadsheets change: leading zeros, `.0` of a number, case."""
    whole = re.sub(r"^(\d+)\.0+$", r"\1", patient.strip())
    return re.sub(r"(?<!\d)0+(?=\d)", "", whole).casefold()


def find_table(root: Path, column: str, *, what: str) -> Table:
    """The table of a data set by one of its columns, in a folder or up to two above it.

    Raises
    ------
    InputError
        If there is none, or it cannot be read.
    """
    for folder in (root, *list(root.resolve().parents)[:2]):
        for path in sorted(folder.glob("*.csv")):
            if path.name.lower() in NAMES:
                continue
            try:
                table = read_table(path)
            except InputError:
                continue
            if column in table.columns:
                return table
    raise InputError(f"{root}: {what} is not there, a .csv file with a column {column!r}.")
