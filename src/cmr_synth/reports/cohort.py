"""The report of `cohort check`: findings, files left out, a row an examination, contact sheets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.cohorts.check import Checked
from cmr_synth.cohorts.examination import Examination
from cmr_synth.cohorts.facts import Facts
from cmr_synth.files import write_file
from cmr_synth.reports.content import Content, Section, Table
from cmr_synth.reports.sheet import SheetRow, contact_sheet
from cmr_synth.reports.slices import outlined

SLICES = 8  # of a stack on its sheet
COLUMNS = {
    "patient": "",
    "phase": "",
    "contrast": "",
    "vendor": "",
    "pathology": "",
    "size": "slices x rows x columns",
    "mm": "the same, between voxel centres",
    "labelled": "slices",
    "structures": "drawn",
    "plane": "by the direction of the stack",
    "grey values": "least, median, 99.5th percentile",
    "file": "",
}


def cohort_content(checked: Mapping[str, Checked]) -> Content:
    """Describe cohorts that were looked over, by name and folder."""
    sections = [
        Section(
            title=title,
            remarks=[f"{finding.severity}: {finding.message}" for finding in one.findings],
            tables=[
                examinations_table(one.examinations),
                Table(["left out", "why"], [[x.what, x.reason] for x in one.left_out]),
            ],
        )
        for title, one in checked.items()
    ]
    return Content(
        title="Cohorts looked over",
        lead="Findings are no verdicts: public data sets have some of each.",
        sections=sections,
        data=cohort_data(checked),
        brief=[
            line
            for title, one in checked.items()
            for line in (title, *(f"  {f.severity:<8} {f.message}" for f in one.findings))
        ],
    )


def cohort_data(checked: Mapping[str, Checked]) -> dict[str, Any]:
    """All of it for programs, each part by name and folder."""
    return {
        "cohorts": {k: [asdict(f) for f in one.findings] for k, one in checked.items()},
        "examinations": {k: [asdict(e) for e in one.examinations] for k, one in checked.items()},
        "left_out": {k: [asdict(x) for x in one.left_out] for k, one in checked.items()},
    }


def examinations_table(facts: list[Facts]) -> Table:
    """A row for every examination."""
    rows = [
        [
            one.patient,
            one.phase,
            one.contrast,
            one.vendor,
            one.pathology,
            " x ".join(map(str, one.size)),
            " x ".join(f"{mm:.3g}" for mm in one.spacing),
            str(one.labelled),
            ", ".join(one.structures),
            one.plane,
            ", ".join(f"{value:.4g}" for value in one.grey_values),
            one.files[0] if one.files else "",
        ]
        for one in facts
    ]
    return Table(COLUMNS, rows)


class PatientSheets:
    """A picture of slices for every patient, written as soon as the next patient comes.

    Parameters
    ----------
    folder : Path
        For `PATIENT.png`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._patient = ""
        self._rows: list[SheetRow] = []
        self._written: set[str] = set()

    def add(self, examination: Examination) -> None:
        """Take up a stack."""
        if examination.patient != self._patient:
            self.close()
        self._patient = examination.patient
        drawn = np.flatnonzero(examination.labelled)
        slices = drawn if drawn.size else np.arange(len(examination.image))
        chosen = np.unique(np.linspace(slices[0], slices[-1], SLICES).round().astype(int))
        pictures: list[NDArray[Any] | None] = [_picture(examination, k) for k in chosen]
        pictures += [None] * (SLICES - len(pictures))
        self._rows.append(
            SheetRow(
                pictures=pictures,
                name=examination.phase or examination.contrast,
                detail=" ".join(filter(None, (examination.vendor, examination.pathology))),
            )
        )

    def close(self) -> None:
        """Write the last patient's."""
        if not self._rows:
            return
        name = re.sub(r"[^\w.-]+", "_", self._patient).strip(".")[:80] or "patient"
        again = 2
        own = name
        while own in self._written:
            own, again = f"{name}-{again}", again + 1
        self._written.add(own)
        sheet = contact_sheet(self._rows, title=self._patient, tile=120)
        with write_file(self.folder / f"{own}.png") as temporary:
            sheet.save(temporary, format="PNG")
        self._rows = []


def _picture(examination: Examination, k: int) -> NDArray[Any]:
    """A slice with its structures outlined, in the window of its stack."""
    low, high = np.percentile(examination.image[:, ::2, ::2], (1, 99.5))
    grey = np.clip((examination.image[k] - low) / max(float(high - low), 1e-6), 0, 1)
    return outlined(grey, scar_as_myocardium(examination.labels[k]))
