"""Contact sheets of a release: every patient's slices beside their masks, with what is flagged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cmr_synth.evaluation.events import Event
from cmr_synth.files import write_file
from cmr_synth.imaging.masks import read_mask
from cmr_synth.release.closeness import Closeness
from cmr_synth.release.figures import Patients
from cmr_synth.release.layouts import Places
from cmr_synth.release.marks import write_png
from cmr_synth.release.patients import subject_of
from cmr_synth.reports.sheet import SheetRow, contact_sheet

FOLDER = "contact-sheets"
ROWS = 12
SHARES = (0.2, 0.5, 0.8)
"""Where the slices that are shown lie among a picture's, from the first to the last."""


def write_sheets(
    folder: Path, patients: Patients, found: Closeness | None, *, title: str, verdict: str
) -> Iterator[Event]:
    """Write sheets of `ROWS` patients each into `contact-sheets/`."""
    count = -(-len(patients) // ROWS)
    for number in range(count):
        own = patients[number * ROWS : (number + 1) * ROWS]
        phases = [still for picture in own[0]["pictures"] for still in picture["stills"]]
        rows = [_row(folder, one, found) for one in own]
        sheet = contact_sheet(
            rows,
            groups=[(phase, len(SHARES)) for phase in phases],
            title=title,
            subtitle=f"synthetic; {verdict.split(';')[0]}",  # all of it is in the evidence
            footnote=f"sheet {number + 1} of {count}",
            tile=110,
        )
        with write_file(folder / FOLDER / f"sheet-{number + 1:04d}.png") as temporary:
            write_png(sheet, temporary)
        yield Event("contact sheets", (number + 1) / count, f"{number + 1} of {count}")


def flags_of(patient: Mapping[str, Any], found: Closeness | None) -> list[str]:
    """What of a patient should be looked at, in a few words each."""
    said = []
    missed = sum(picture["check"]["missed"] for picture in patient["pictures"] if picture["check"])
    if missed:
        said.append(f"{missed} miss the mask")
    if patient["variant"]:
        said.append(f"made again {patient['variant']} x")
    if found is not None:
        close = int(found.flagged[found.of(patient["number"])].sum())
        if close:
            said.append(f"{close} too close")
    return said


def _row(folder: Path, patient: Mapping[str, Any], found: Closeness | None) -> SheetRow:
    tiles: list[Any] = []
    labels = None
    for picture in patient["pictures"]:
        places = Places(**picture["places"])
        mask = read_mask(folder / places.mask, convention="mnms").scan
        sample = subject_of(folder, places, mask).sample
        for frame in picture["stills"].values():
            there = [k for k, (t, _) in enumerate(picture["slices"]) if t == frame]
            chosen = [there[min(int(share * len(there)), len(there) - 1)] for share in SHARES]
            tiles += [np.asarray(sample.pixels[k]) for k in chosen]
            labels = sample.labels[chosen[1]] if labels is None else labels
    asked = patient["asked"]
    who = " ".join(filter(None, (asked["vendor"], asked["pathology"])))
    lines = [line for line in (who, *flags_of(patient, found)) if line]
    return SheetRow(pictures=tiles, labels=labels, name=patient["ident"], detail="\n".join(lines))
