"""What is said of a release once all of its pictures are there: evidence, papers, signature."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Generator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.evaluation.events import Event, Told, outcome
from cmr_synth.files import write_file
from cmr_synth.generators.identity import identity_of
from cmr_synth.privacy.signature import fingerprint
from cmr_synth.release import contact, passports
from cmr_synth.release.closeness import NOT_AUDITED, Closeness, closeness
from cmr_synth.release.croissant import NAME as CROISSANT
from cmr_synth.release.croissant import croissant_text
from cmr_synth.release.datasheet import datasheet, footer_of
from cmr_synth.release.figures import (
    Patients,
    adherence_of,
    anatomy_of,
    function_of_all,
    mix_of,
)
from cmr_synth.release.layouts import LAYOUTS
from cmr_synth.release.licence import licence_of
from cmr_synth.release.manifest import write_manifest
from cmr_synth.release.marks import COMMENT, KEYWORDS, marked_page
from cmr_synth.release.patients import remove_files
from cmr_synth.release.plan import Ground
from cmr_synth.release.reality import fidelity_by_vendor, utility_of
from cmr_synth.release.sources.contract import CINE
from cmr_synth.release.state import Work
from cmr_synth.release.tables import patients_table, slices_table
from cmr_synth.reports.html import page
from cmr_synth.reports.json import data_json
from cmr_synth.reports.pdf import write_pdf

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from cmr_synth.privacy.certificate import Certificate

REQUEST, EVIDENCE = "request.yaml", "evidence.json"


def finish(
    ground: Ground,
    work: Work,
    day: date,
    certificate: Certificate | None,
    key: Ed25519PrivateKey,
) -> Generator[Told, None, dict[str, Any]]:
    """Write everything of a release but its pictures, and sign it.

    Whatever an earlier, interrupted run has written of it is written anew; nothing depends on it.

    Returns
    -------
    dict
        The figures.

    Raises
    ------
    InputError
        If nothing is left of the release, or a file cannot be written.
    """
    request, folder = ground.request, work.release
    there = work.patients()
    decided = work.decisions()
    withheld = set(decided["withheld"] or ())
    kept = [there[one.number] for one in ground.people.asked if one.number not in withheld]
    for number in withheld:
        remove_files(work, there[number])
    _only(folder, {name for one in kept for name in one["files"]})
    if not kept:
        from cmr_synth.errors import InputError

        raise InputError(
            f"{request.name}: every patient is too close to a real one, however often made again; "
            "use another model or other masks."
        )
    found = None if ground.archive is None else closeness(kept, ground.archive, certificate)
    facts = _facts(ground, kept, day, found, certificate, decided, key)
    for step in _reality(ground, work, kept):
        if isinstance(step, dict):
            facts |= step
        else:
            yield step
    yield Event("write evidence")
    stated = request.plain() | {"date": day.isoformat()}
    text = COMMENT + type(request).model_validate_json(json.dumps(stated)).text()
    facts["request_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    _write(folder / REQUEST, text)
    _write(folder / "patients.csv", patients_table(kept, found))
    _write(folder / "slices.csv", slices_table(kept, found))
    rows = [{"patient": one["ident"], **one["asked"]} for one in kept]
    for name, content in LAYOUTS[request.format].about(request, rows).items():
        _write(folder / name, content)
    sheet = datasheet(facts)
    _write(folder / EVIDENCE, data_json(sheet))
    _write(folder / "datasheet.html", marked_page(page(sheet, footer=footer_of(facts))))
    write_pdf(
        sheet, folder / "datasheet.pdf", footer=footer_of(facts), about={"Keywords": KEYWORDS}
    )
    _write(folder / CROISSANT, croissant_text(folder, request, facts))
    yield from contact.write_sheets(
        folder, kept, found, title=facts["title"], verdict=facts["privacy"]["verdict"]
    )
    moment = f"{day.isoformat()}T00:00:00Z"
    yield from passports.write_passports(
        folder, kept, found, ground.archive, certificate, key, date=moment
    )
    of_set = {
        name: facts[name]
        for name in ("release", "date", "patients", "pictures", "slices", "model", "privacy")
    }
    of_set["pictures_sha256"] = passports.pictures_hash(kept)
    passports.write_passport_of_set(folder, of_set, sheet, key)
    yield Event("sign")
    write_manifest(
        folder,
        {
            "release": request.name,
            "date": moment,
            "patients": len(kept),
            "model": facts["model"]["identity"],
            "verdict": facts["privacy"]["verdict"],
        },
        key,
    )
    return facts


def _reality(ground: Ground, work: Work, kept: Patients) -> Any:
    """Fidelity and utility, where there are real patients; nothing of them is kept."""
    found: dict[str, Any] = {"fidelity": None, "utility": None}
    if ground.real is not None:
        found["fidelity"] = yield from outcome(fidelity_by_vendor(work.release, kept, ground.real))
        if ground.request.evidence.utility:
            shutil.rmtree(work.scratch, ignore_errors=True)
            found["utility"] = yield from outcome(
                utility_of(ground.request, work.release, kept, ground.real, work.scratch)
            )
    yield found


def _facts(
    ground: Ground,
    kept: Patients,
    day: date,
    found: Closeness | None,
    certificate: Certificate | None,
    decided: Mapping[str, Any],
    key: Ed25519PrivateKey,
) -> dict[str, Any]:
    request, card, source = ground.request, ground.card, ground.people.source
    pictures = [picture for one in kept for picture in one["pictures"]]
    layout = LAYOUTS[request.format]
    return {
        "synthetic": True,
        "release": request.name,
        "title": request.title or request.name,
        "date": day.isoformat(),
        "creator": request.creator,
        "contact": request.contact,
        "signer": fingerprint(key.public_key()),
        "versions": ground.about()["versions"],
        "layout": layout.title,
        "globs": {
            what: getattr(layout.places("*", CINE if request.frames else "*"), what)
            for what in ("image", "mask")
        },
        "patients_asked": len(ground.people.asked),
        "patients": len(kept),
        "withheld": len(decided["withheld"] or ()) and sorted(decided["withheld"]) or [],
        "pictures": len(pictures),
        "slices": sum(len(picture["slices"]) for picture in pictures),
        "frames": request.frames,
        "phases": list(dict.fromkeys(picture["phase"] for picture in pictures)),
        "masks": dict(source.facts),
        "mix": mix_of(ground.people.asked, kept),
        "function": function_of_all(request, kept),
        "adherence": adherence_of(kept),
        "anatomy": anatomy_of(kept),
        "privacy": _privacy(ground, kept, found, certificate, decided),
        "licence": licence_of(card, source.licences, request.licence),
        "model": {
            "name": card.name,
            "family": card.family,
            "version": card.version,
            "sha256": card.sha256,
            "identity": identity_of(card),
            "limits": list(card.limits),
            "training_data": [use.model_dump(mode="json") for use in card.training.cohorts],
        },
    }


def _privacy(
    ground: Ground,
    kept: Patients,
    found: Closeness | None,
    certificate: Certificate | None,
    decided: Mapping[str, Any],
) -> dict[str, Any]:
    card, archive = ground.card, ground.archive
    measured = card.measured.privacy
    membership = "not measured"
    if isinstance(measured, dict) and isinstance(measured.get("membership"), dict):
        membership = str(measured["membership"].get("words", membership))
    facts: dict[str, Any] = {
        "verdict": NOT_AUDITED if found is None else found.verdict,
        "epsilon": card.training.privacy,
        "membership": membership,
        "rounds": len(decided["rounds"]),
        "patients_made_again": sum(one["variant"] > 0 for one in kept),
        "replacements": sum(len(again) for again in decided["rounds"]),
        "archive": None,
        "certificate": None,
    }
    if found is None or archive is None:
        return facts
    calibration = archive.calibration
    return facts | {
        "flagged": int(found.flagged.sum()),
        "share_below_1_percent_point": None
        if found.p is None
        else round(float(found.below.mean()), 4),
        "smallest_p": None if found.p is None else round(float(found.p.min()), 5),
        "inconclusive_because": found.inconclusive or None,
        "archive": {
            "sha256": archive.hash,
            "detector": archive.about["detector"],
            "patients": len(archive.starts),
            "slices": len(archive),
            "held_out_patients": calibration.count if calibration else 0,
            "pixels": archive.pixels is not None,
        },
        "certificate": None if certificate is None else certificate.as_dict(),
    }


def _only(folder: Path, names: set[str]) -> None:
    """Take away whatever is not of the patients: leftovers of a kill, papers of an earlier run."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in names:
            path.unlink()


def _write(path: Path, text: str) -> None:
    with write_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
