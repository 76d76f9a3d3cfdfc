"""The report of a neighbour audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.privacy.audit import NeighbourAudit
from cmr_synth.privacy.calibration import RATE, STATISTICS
from cmr_synth.privacy.certificate import ALONE, EACH, EMBEDDINGS, MASKS
from cmr_synth.privacy.counterfactual import MUCH_NEARER
from cmr_synth.reports.content import Cell, Content, Plot, Section, Table
from cmr_synth.reports.numbers import NONE, interval, number
from cmr_synth.reports.plots import Tile, grid

if TYPE_CHECKING:
    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.certificate import Certificate

P_VALUES = (
    "The patient is the unit of p: the chance that one of as many slices of a real patient as the "
    "mask has is as near. Of slices nearer than every held-out patient it is continued, patients "
    "falling off exponentially.",
    "A slice made from the mask of a patient resembles that patient's anatomy.",
)
PLANTED = "What would have been found"
LIKENESS = "likeness by"
COUNTERFACTUAL = (
    "other pictures of the same mask with other seeds, by distance to the same patient: what they "
    f"share is the mask; a slice nearer than {MUCH_NEARER} of their smallest distance is so by "
    "its texture"
)
SHOWN = 8
"""Slices of each set that are listed, the nearest first."""


def neighbours_content(
    archive: Archive,
    audits: Sequence[NeighbourAudit],
    certificate: Certificate | None,
    *,
    pictures: bool = False,
) -> Content:
    """Slices of sets beside the nearest patients, and what copies would have been found.

    Parameters
    ----------
    pictures : bool
        Show slices of the nearest patients, if the archive holds any.
    """
    held_out = archive.calibration.count if archive.calibration else 0
    seen = [one.left_out.words for one in audits if one.left_out is not None][:1]
    verdicts = _verdicts(audits)
    compared = (
        f"Compared with {len(archive)} slices of {len(archive.starts)} patients; distances are "
        f"placed among those of {held_out} held-out patients to the same archive, every patient "
        "weighing the same."
    )
    sections = [
        Section(
            title="Verdict",
            words=[compared],
            tables=[verdicts],
            remarks=[*P_VALUES, *map(_sentence, [*seen, *archive.remarks])],
        ),
        *([_planted(certificate)] if certificate else []),
        *(_nearest(one, archive, pictures=pictures) for one in audits),
    ]
    brief: list[str | Table] = [verdicts, *seen]
    if certificate:
        brief += ["", "found of planted copies:", sections[1].tables[0]]
    return Content(
        title="Privacy: nearest patients",
        lead="Is a synthetic slice too close to a real patient, and could this audit have seen it?",
        sections=sections,
        brief=brief,
        data={
            "archive": {
                "sha256": archive.hash,
                "detector": archive.about["detector"],
                "patients": len(archive.starts),
                "slices": len(archive),
                "held_out_patients": held_out,
                "remarks": list(archive.remarks),
            },
            "certificate": certificate.as_dict() if certificate else None,
            "statistics": dict(STATISTICS),
            "sets": [one.as_dict(archive) for one in audits],
        },
    )


def without_slices(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a report without what it says of every single slice."""
    sets = [{k: v for k, v in one.items() if k != "each"} for one in facts["sets"]]
    return {**facts, "sets": sets}


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _verdicts(audits: Sequence[NeighbourAudit]) -> Table:
    columns = {
        "set": "",
        "slices": "",
        "flagged": f"too close to a patient; of the masks flagged at most {RATE:.0%} falsely",
        "below the 1 % point": "share nearer than all but 1 % of real held-out slices",
        "verdict": "",
    }
    rows: list[list[Cell]] = [
        [
            one.sample.name,
            len(one.sample),
            int(one.flagged.sum()),
            number(one.near),
            one.verdict,
        ]
        for one in audits
    ]
    return Table(columns, rows)


def planted_table(
    certificate: Certificate, columns: Mapping[str, str], detectors: Sequence[str]
) -> Table:
    """Shares of planted copies that were found.

    Parameters
    ----------
    columns : mapping of heading to explanation
        One for each detector.
    detectors : sequence of str
        As a certificate names them.
    """
    rows: list[list[Cell]] = [
        [
            kind,
            row["any"][1],
            *(interval(*certificate.share(kind, name), 2) for name in detectors),
        ]
        for kind, row in certificate.found.items()
    ]
    return Table({"copy": "", "planted": "", **columns}, rows)


def _planted(certificate: Certificate) -> Section:
    columns = {
        **STATISTICS,
        EMBEDDINGS: "the first three together",
        "any": "all together",
        ALONE: f"flagged as the only copy of a set of {MASKS} masks with {EACH} slices each",
    }
    reason = certificate.reason()
    return Section(
        title=PLANTED,
        words=[
            "Copies of archived slices were planted and looked for in the same way, at "
            f"{certificate.alarms:.0%} false alarms among held-out slices, patients weighing the "
            "same."
        ],
        tables=[planted_table(certificate, columns, list(columns))],
        remarks=[
            *([f"Inconclusive: {reason}."] if reason else []),
            *([_sentence(certificate.unseen())] if certificate.unseen() else []),
        ],
    )


def _nearest(one: NeighbourAudit, archive: Archive, *, pictures: bool) -> Section:
    order = one.order[:SHOWN]
    rows = [
        [
            f"{i} (mask of {one.sample.patients[i]})",
            *nearest_cells(one, archive, i),
            one.counterfactuals[i].words if i in one.counterfactuals else NONE,
            "flagged" if one.flagged[i] else "",
        ]
        for i in order
    ]
    columns = {"slice": "", "nearest patient": "", **STATISTICS}
    columns |= {
        "p": "calibrated, corrected for the slices of the mask",
        "matched with": "held-out slices",
    }
    columns |= {LIKENESS: COUNTERFACTUAL, "": ""}
    plots = []
    if pictures and archive.pixels is not None:
        names = [f"{one.sample.name} {i}" for i in order]
        plots = [nearest_pairs(one, archive, order, names, says="nearest pairs")]
    return Section(
        title=f"{one.sample.name}: nearest slices", tables=[Table(columns, rows)], plots=plots
    )


def nearest_cells(audit: NeighbourAudit, archive: Archive, i: int) -> list[str]:
    """Cells of a slice: nearest patient, `STATISTICS`, p, and what it was matched with."""
    return [
        archive.name(int(audit.found.nearest[i, 0])),
        *(number(float(v)) for v in audit.found.statistics[i]),
        NONE if audit.p is None else number(float(audit.p[i]), 4),
        audit.matched[i] or NONE,
    ]


def nearest_pairs(
    audit: NeighbourAudit,
    archive: Archive,
    order: Sequence[int] | NDArray[np.int64],
    names: Sequence[str],
    *,
    says: str,
    inches: float = 1.5,
) -> Plot:
    """Slices above the nearest patient's slice that differs least in pixels, flagged ones in red.

    Parameters
    ----------
    order : sequence of int
        Slices of the audit by number.
    names : sequence of str
        Of these slices.
    says : str
        The caption.
    inches : float
        Width of a picture.
    """
    columns = []
    for i, name in zip(order, names, strict=True):
        who = int(audit.found.nearest[i, 0])
        nearest = archive.picture(archive.most_alike(audit.sample.pixels[i], who))
        assert nearest is not None
        flagged = bool(audit.flagged[i])
        columns.append(
            [
                Tile(pixels=audit.sample.pixels[i], title=name, marked=flagged),
                Tile(pixels=nearest, title=archive.name(who)[:18], marked=flagged),
            ]
        )
    return grid(columns, says=says, inches=inches)
