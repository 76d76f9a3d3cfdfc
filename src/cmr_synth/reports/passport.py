"""The page of a privacy passport, and its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.imaging.masks import stem_of
from cmr_synth.privacy.calibration import STATISTICS
from cmr_synth.privacy.origin import SAID, Origin
from cmr_synth.privacy.passport import passport
from cmr_synth.privacy.signature import fingerprint, signed
from cmr_synth.privacy.subject import Subject
from cmr_synth.reports.content import Content, Plot, Section, Table
from cmr_synth.reports.html import page
from cmr_synth.reports.privacy import PLANTED, nearest_cells, nearest_pairs, planted_table

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.audit import NeighbourAudit
    from cmr_synth.privacy.certificate import Certificate

SHOWN = 4
"""Slices on the page, the most suspicious first; the JSON file has them all."""


def write_passport(
    out: Path,
    subject: Subject,
    audit: NeighbourAudit,
    archive: Archive,
    certificate: Certificate | None,
    key: Ed25519PrivateKey,
    *,
    origin: Origin,
    pictures: bool = False,
) -> tuple[dict[str, Any], Path]:
    """Write `STEM.passport.html` and the signed `STEM.passport.json`.

    Parameters
    ----------
    origin : Origin
        Of the image.
    pictures : bool
        Show the nearest patients, if the archive holds pixels.

    Returns
    -------
    (dict, Path)
        The document and its file.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    name = f"{stem_of(subject.path)}.passport"
    bare = passport(subject, audit, archive, certificate, origin=origin, page=("", ""))
    signer = fingerprint(key.public_key())
    content = passport_content(
        bare, signer, subject, audit, archive, certificate, pictures=pictures
    )
    html = page(content)
    own = {"file": f"{name}.html", "sha256": hashlib.sha256(html.encode()).hexdigest()}
    try:
        document = signed(bare | {"page": own}, key)
    except ValueError as error:
        raise InputError(
            f"{subject.path}: no passport can be signed ({error}); correct what its sidecar or "
            "the model's card says."
        ) from error
    path = Path(out) / f"{name}.json"
    with write_file(Path(out) / own["file"]) as temporary:
        temporary.write_bytes(html.encode())
    with write_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return document, path


def passport_content(
    bare: Mapping[str, Any],
    signer: str,
    subject: Subject,
    audit: NeighbourAudit,
    archive: Archive,
    certificate: Certificate | None,
    *,
    pictures: bool = False,
) -> Content:
    """Lay a passport out.

    Parameters
    ----------
    bare : mapping
        The document before it is signed.
    signer : str
        Fingerprint of the key.
    pictures : bool
        Show the nearest patients, if the archive holds pixels.
    """
    return Content(
        title=f"Privacy passport: {subject.path.name}",
        lead=f"{bare['verdict'][0].upper()}{bare['verdict'][1:]}.",
        sections=[
            Section(title="Image", facts=_identity(bare, signer)),
            _slices(subject, audit, archive, pictures=pictures),
            _proof(certificate),
        ],
        data=bare,
    )


def _identity(bare: Mapping[str, Any], signer: str) -> list[tuple[str, str]]:
    origin, archive = bare["origin"], bare["archive"]
    return [
        ("image", f"{bare['image']['file']}, SHA-256 {bare['image']['sha256']}"),
        ("origin", origin["words"]),
        *_said(origin),
        (
            "archive",
            f"{archive['slices']} slices of {archive['patients']} patients, calibrated on "
            f"{archive['held_out_patients']} others, SHA-256 {archive['sha256']}",
        ),
        ("date", bare["date"]),
        ("signed by", signer),
    ]


def _said(origin: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Model, conditions and epsilon, each with how it is known."""
    if "model" not in origin:
        return []
    model, how = origin["model"], origin["is"]
    known = [origin[name] or f"any {name}" for name in SAID]
    epsilon = origin.get("epsilon")
    private = (
        "not known: the model is not in the zoo here"
        if "epsilon" not in origin
        else "the model was trained without it"
        if epsilon is None
        else f"epsilon {epsilon['epsilon']:g} at delta {epsilon['delta']:g}, for every "
        f"{epsilon['unit']}"
    )
    return [
        (
            f"model ({how})",
            f"{model['name']} {model['version']}, SHA-256 {model['sha256']}",
        ),
        (f"asked for ({how})", ", ".join(known)),
        (f"differential privacy ({how})", private),
    ]


def _slices(
    subject: Subject, audit: NeighbourAudit, archive: Archive, *, pictures: bool
) -> Section:
    shown = [int(i) for i in audit.order[:SHOWN]]
    rows = [
        [
            str(subject.places[i][1])
            + (f" of frame {subject.places[i][0]}" if subject.scan.is_cine else ""),
            *nearest_cells(audit, archive, i),
            "flagged" if audit.flagged[i] else "",
        ]
        for i in shown
    ]
    columns = {"slice": "", "nearest patient": "", **STATISTICS}
    columns |= {
        "p": "share of real held-out patients' slices that are as near",
        "matched with": "held-out slices",
        "": "",
    }
    rest = len(subject.places) - len(shown)
    remarks = [*subject.notes, *archive.remarks]
    if rest:
        remarks.append(f"{rest} more slices, less near, are in the JSON file")
    if audit.inconclusive:
        remarks.append(f"inconclusive: {audit.inconclusive}")
    plots: list[Plot] = []
    if pictures and archive.pixels is not None:
        names = [f"slice {audit.sample.rows[i].slice}" for i in shown]
        says = "this image above the nearest patients"
        plots = [nearest_pairs(audit, archive, shown, names, says=says, inches=2.0)]
    return Section(
        title="Nearest patients",
        tables=[Table(columns, rows)],
        plots=plots,
        remarks=[f"{words}." for words in remarks],
    )


def _proof(certificate: Certificate | None) -> Section:
    if certificate is None:
        words = "Nothing was planted, so that this audit has not proved to see copies."
        return Section(title=PLANTED, words=[words])
    return Section(
        title=PLANTED,
        words=[
            f"Copies of archived slices, planted and looked for at {certificate.alarms:.0%} false "
            "alarms among held-out slices, patients weighing the same."
        ],
        tables=[planted_table(certificate, {"found": "with its 95 % interval"}, ["any"])],
    )
