"""The tables of a release: a row for every patient, and a row for every slice."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from cmr_synth.privacy.calibration import STATISTICS
from cmr_synth.release.closeness import Closeness
from cmr_synth.release.figures import Patients
from cmr_synth.release.marks import COLUMN
from cmr_synth.release.request import FUNCTION

STRUCTURES = ("LV", "MYO", "RV")


def patients_table(patients: Patients, found: Closeness | None) -> str:
    """`patients.csv`: what was asked, and what was measured on masks and in pictures."""
    columns = ["patient", COLUMN, "vendor", "pathology", "severity", "phases", "slices"]
    columns += [f"asked_{name}" for name in FUNCTION]
    columns += [f"{where}_{name}" for where in ("mask", "picture") for name in FUNCTION]
    columns += ["slices_that_miss_their_mask", "slices_drawn_again", "made_again", "smallest_p"]
    rows = []
    for one in patients:
        pictures, asked = one["pictures"], one["asked"]
        checks = [picture["check"] for picture in pictures if picture["check"]]
        row: dict[str, Any] = {
            "patient": one["ident"],
            COLUMN: "yes",
            "vendor": asked["vendor"],
            "pathology": asked["pathology"],
            "severity": asked["severity"],
            "phases": " ".join(picture["phase"] for picture in pictures),
            "slices": sum(len(picture["slices"]) for picture in pictures),
            "slices_that_miss_their_mask": sum(check["missed"] for check in checks)
            if checks
            else None,
            "slices_drawn_again": sum(check["drawn_again"] for check in checks) if checks else None,
            "made_again": one["variant"],
        }
        row |= {f"asked_{name}": asked["function"].get(name) for name in FUNCTION}
        for where in ("mask", "picture"):
            row |= {f"{where}_{name}": one["measured"][where].get(name) for name in FUNCTION}
        if found is not None and found.p is not None:
            row["smallest_p"] = round(float(found.p[found.of(one["number"])].min()), 5)
        rows.append(row)
    return table_text(columns, rows)


def slices_table(patients: Patients, found: Closeness | None) -> str:
    """`slices.csv`: every slice's own figures."""
    columns = ["patient", COLUMN, "phase", "frame", "slice", "level", "attempt"]
    columns += [f"dice_{name}" for name in STRUCTURES] + ["missed"]
    columns += [name.replace(" ", "_") for name in STATISTICS] + ["p", "flagged"]
    rows = []
    for one in patients:
        at = iter(() if found is None else found.of(one["number"]).tolist())
        for picture in one["pictures"]:
            seen = {
                (check["frame"], check["slice"]): check
                for check in (picture["check"] or {"slices": ()})["slices"]
            }
            for k, (frame, number) in enumerate(picture["slices"]):
                check = seen.get((frame, number))
                row: dict[str, Any] = {
                    "patient": one["ident"],
                    COLUMN: "yes",
                    "phase": picture["phase"],
                    "frame": frame,
                    "slice": number,
                    "level": picture["levels"][k],
                }
                if check is not None:
                    row["attempt"] = check["attempt"]
                    row |= {f"dice_{name}": check["dice"].get(name) for name in STRUCTURES}
                    row["missed"] = " ".join(check["missed"])
                if found is not None:
                    place = next(at)
                    values = found.statistics[place]
                    row |= {
                        name.replace(" ", "_"): round(float(value), 4)
                        for name, value in zip(STATISTICS, values, strict=True)
                    }
                    row["p"] = None if found.p is None else round(float(found.p[place]), 5)
                    row["flagged"] = "yes" if found.flagged[place] else ""
                rows.append(row)
    return table_text(columns, rows)


def table_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A CSV file; nothing where a value is not known."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()
