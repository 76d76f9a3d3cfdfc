"""The report of a neighbour audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.readers.statistics import wilson_interval
from cmr_synth.privacy.audit import RATE, NeighbourAudit
from cmr_synth.privacy.calibration import STATISTICS
from cmr_synth.privacy.certificate import EMBEDDINGS
from cmr_synth.privacy.counterfactual import MUCH_NEARER
from cmr_synth.reports.document import Section, Table, interval, number, write_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.certificate import Certificate

LIKENESS = "likeness by"
COUNTERFACTUAL = (
    "other pictures of the same mask with other seeds, by distance to the same patient: what they "
    f"share is the mask; a slice nearer than {MUCH_NEARER} of their smallest distance is so by "
    "its texture"
)
SHOWN = 8
"""Slices of each set that are listed, the nearest first."""


def write_neighbours(
    out: Path,
    archive: Archive,
    audits: Sequence[NeighbourAudit],
    certificate: Certificate | None,
    *,
    pictures: bool = False,
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Write page and JSON; returns the facts, lines for a terminal, and the files.

    Parameters
    ----------
    pictures : bool
        Show slices of the nearest patients, if the archive holds any.
    """
    held_out = archive.calibration.count if archive.calibration else 0
    table = Table(
        {
            "set": "",
            "slices": "",
            "flagged": f"too close to a patient; at most {RATE:.0%} of the flags are false",
            "below the 1 % point": "share nearer than all but 1 % of real held-out slices",
            "verdict": "",
        },
        [
            [
                one.sample.name,
                str(len(one.sample)),
                str(int(one.flagged.sum())),
                number(one.near),
                one.verdict,
            ]
            for one in audits
        ],
    )
    sections = [
        Section(
            "Verdict",
            words=[
                f"Compared with {len(archive)} slices of {len(archive.starts)} patients; distances "
                f"are placed among those of {held_out} held-out patients to the same archive, "
                "every patient weighing the same."
            ],
            tables=[table],
            notes=[
                "P-values count slices of a patient as draws of their own. Of slices nearer than "
                "every held-out one they are continued with an exponential tail.",
                "A slice made from the mask of a patient resembles that patient's anatomy.",
            ],
        )
    ]
    certified = _certificate_section(certificate) if certificate else None
    if certified:
        sections.append(certified)
    for one in audits:
        sections.append(_nearest_section(one, archive, pictures=pictures))
    facts: dict[str, Any] = {
        "archive": {
            "sha256": archive.hash,
            "detector": archive.about["detector"],
            "patients": len(archive.starts),
            "slices": len(archive),
            "held_out_patients": held_out,
        },
        "certificate": certificate.as_dict() if certificate else None,
        "statistics": dict(STATISTICS),
        "sets": [one.as_dict(archive) for one in audits],
    }
    lead = "Is a synthetic slice too close to a real patient, and could this audit have seen it?"
    files = write_document(out, "Privacy: nearest patients", lead, sections, facts)
    lines = [*table.text()]
    if certified:
        lines += ["", "found of planted copies:", *certified.tables[0].text()]
    short = facts | {
        "sets": [{k: v for k, v in one.items() if k != "each"} for one in facts["sets"]]
    }
    return short, lines, files


def _certificate_section(certificate: Certificate) -> Section:
    columns = {
        **STATISTICS,
        EMBEDDINGS: "the first three together",
        "any": "all together, by which slices are flagged",
    }
    rows = []
    for kind, row in certificate.found.items():
        cells = []
        for name in columns:
            hits, of = row[name]
            low, high = wilson_interval(hits, of)
            cells.append(interval(hits / of, low, high, 2))
        rows.append([kind, str(row["any"][1]), *cells])
    reason = certificate.reason()
    return Section(
        "What would have been found",
        words=[
            "Copies of archived slices were planted and looked for in the same way, at "
            f"{certificate.alarms:.0%} false alarms by patient."
        ],
        tables=[Table({"copy": "", "planted": ""} | columns, rows)],
        notes=[f"Inconclusive: {reason}."] if reason else [],
    )


def _nearest_section(one: NeighbourAudit, archive: Archive, *, pictures: bool) -> Section:
    order = one.order[:SHOWN]
    rows = [
        [
            f"{i} (mask of {one.sample.patients[i]})",
            *nearest_cells(one, archive, i),
            one.counterfactuals[i].words if i in one.counterfactuals else "–",
            "flagged" if one.flagged[i] else "",
        ]
        for i in order
    ]
    columns = {"slice": "", "nearest patient": "", **STATISTICS}
    columns |= {"p": "calibrated", "matched with": "held-out slices"}
    columns |= {LIKENESS: COUNTERFACTUAL, "": ""}
    figures: dict[str, Any] = {}
    if pictures and archive.pixels is not None:
        names = [f"{one.sample.name} {i}" for i in order]
        figures["nearest pairs"] = nearest_pairs(one, archive, order, names)
    return Section(
        f"{one.sample.name}: nearest slices", tables=[Table(columns, rows)], figures=figures
    )


def nearest_cells(audit: NeighbourAudit, archive: Archive, i: int) -> list[str]:
    """Cells of a slice: nearest patient, `STATISTICS`, p, and what it was matched with."""
    return [
        archive.name(int(audit.found.nearest[i, 0])),
        *(number(float(v)) for v in audit.found.statistics[i]),
        "–" if audit.p is None else f"{audit.p[i]:.4f}",
        audit.matched[i] or "–",
    ]


def nearest_pairs(
    audit: NeighbourAudit,
    archive: Archive,
    order: Sequence[int] | NDArray[np.int64],
    names: Sequence[str],
    *,
    inches: float = 1.5,
) -> Figure:
    """Slices above the nearest patient's slice that differs least in pixels, flagged ones in red.

    Parameters
    ----------
    order : sequence of int
        Slices of the audit by number.
    names : sequence of str
        Of these slices.
    inches : float
        Width of a picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(inches * max(len(order), 3), 2.2 * inches), layout="constrained")
    axes = figure.subplots(2, len(order), squeeze=False)
    for column, (i, name) in enumerate(zip(order, names, strict=True)):
        who = int(audit.found.nearest[i, 0])
        nearest = archive.picture(archive.most_alike(audit.sample.pixels[i], who))
        assert nearest is not None
        shown = ((name, audit.sample.pixels[i]), (archive.name(who)[:18], nearest))
        for axis, (title, picture) in zip(axes[:, column], shown, strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axis.set_title(title, fontsize=7, color="red" if audit.flagged[i] else "black")
            axis.set_axis_off()
    return figure
