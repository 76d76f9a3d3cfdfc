"""Passports of a release: one for every picture, and one for the whole set, all signed.

A picture's passport is that of `privacy.passport`, so that `cmr-synth audit verify` checks it; its
p-values and flags are those of the audit of the whole set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event
from cmr_synth.files import write_file
from cmr_synth.imaging.masks import read_mask, stem_of
from cmr_synth.privacy.origin import Origin, origin_of
from cmr_synth.privacy.passport import about_picture, passport
from cmr_synth.privacy.signature import fingerprint, signed
from cmr_synth.privacy.subject import Subject
from cmr_synth.release.closeness import NOT_AUDITED, Closeness, audit_of
from cmr_synth.release.figures import Patients
from cmr_synth.release.layouts import Places
from cmr_synth.release.marks import marked_page
from cmr_synth.release.patients import subject_of
from cmr_synth.reports.content import Content, Section
from cmr_synth.reports.html import page
from cmr_synth.reports.passport import passport_content

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.certificate import Certificate

FOLDER = "passports"
OF_SET = "release.passport"
HOW = "made for this release by the program that signs it; `cmr-synth release verify` repeats it"


def write_passports(
    folder: Path,
    patients: Patients,
    found: Closeness | None,
    archive: Archive | None,
    certificate: Certificate | None,
    key: Ed25519PrivateKey,
    *,
    date: str,
) -> Iterator[Event]:
    """Write page and signed document of every picture into `passports/`."""
    total = sum(len(one["pictures"]) for one in patients)
    done = 0
    signer = fingerprint(key.public_key())
    for one in patients:
        for number, picture in enumerate(one["pictures"]):
            places = Places(**picture["places"])
            mask = read_mask(folder / places.mask, convention="mnms").scan
            subject = subject_of(folder, places, mask)
            origin = Origin("stated", HOW, origin_of(subject, load=None).facts)
            if found is None or archive is None:
                bare = _not_audited(subject, origin, date)
                content = _not_audited_page(bare, signer)
            else:
                audit = audit_of(found, one, number, subject.sample, archive)
                bare = passport(
                    subject, audit, archive, certificate, origin=origin, page=("", ""), date=date
                )
                content = passport_content(bare, signer, subject, audit, archive, certificate)
            _write(folder / FOLDER, f"{stem_of(subject.path)}.passport", bare, content, key)
            done += 1
            yield Event("passports", done / total, f"{done} of {total}")


def write_passport_of_set(
    folder: Path, facts: Mapping[str, Any], content: Content, key: Ed25519PrivateKey
) -> None:
    """Write page and signed document of the whole set."""
    document = {"passport of a release": 1, "cmr_synth": cmr_synth.__version__, **facts}
    _write(folder / FOLDER, OF_SET, document, content, key)


def pictures_hash(patients: Patients) -> str:
    """SHA-256 over names and hashes of all images, masks and records, in order."""
    digest = hashlib.sha256()
    for one in patients:
        for name in sorted(one["files"]):
            digest.update(f"{one['files'][name]}  {name}\n".encode())
    return digest.hexdigest()


def _not_audited(subject: Subject, origin: Origin, date: str) -> dict[str, Any]:
    return {
        **about_picture(subject, origin, date),
        "archive": None,
        "verdict": NOT_AUDITED,
        "inconclusive_because": NOT_AUDITED,
        "slices": [],
        "certificate": None,
    }


def _not_audited_page(bare: Mapping[str, Any], signer: str) -> Content:
    model = bare["origin"].get("model", {})
    return Content(
        title=f"Passport: {bare['image']['file']}",
        lead=f"{NOT_AUDITED[0].upper()}{NOT_AUDITED[1:]}. Nothing is known of how near this "
        "picture is to a real patient.",
        sections=[
            Section(
                title="Image",
                facts=[
                    ("image", f"{bare['image']['file']}, SHA-256 {bare['image']['sha256']}"),
                    ("origin", bare["origin"]["words"]),
                    ("model", f"{model.get('name')} {model.get('version')}"),
                    ("date", bare["date"]),
                    ("signed by", signer),
                ],
            )
        ],
        data=dict(bare),
    )


def _write(
    out: Path, name: str, bare: Mapping[str, Any], content: Content, key: Ed25519PrivateKey
) -> None:
    html = marked_page(page(content)).encode()
    own = {"file": f"{name}.html", "sha256": hashlib.sha256(html).hexdigest()}
    try:
        document = signed({**bare, "synthetic": True, "page": own}, key)
    except ValueError as error:
        raise InputError(f"{name}: no passport can be signed ({error}).") from error
    with write_file(out / own["file"]) as temporary:
        temporary.write_bytes(html)
    with write_file(out / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
