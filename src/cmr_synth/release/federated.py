"""One release, audited by several sites: each with its own archive, none shows a picture.

A site signs what it found: flags and p-values of the slices, how large its archive is, and nothing
of who is in it. Whoever has the release merges what the sites found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event, Told, outcome, titled
from cmr_synth.files import sha256, write_file
from cmr_synth.imaging.masks import read_mask
from cmr_synth.privacy.archive import open_with_detector
from cmr_synth.privacy.certificate import certify
from cmr_synth.privacy.exact_json import read_object
from cmr_synth.privacy.neighbours import neighbours
from cmr_synth.privacy.signature import signed, verify
from cmr_synth.privacy.subject import read_subject
from cmr_synth.release.closeness import closeness
from cmr_synth.release.manifest import MANIFEST, Listed, differences, read_manifest
from cmr_synth.release.patients import stored
from cmr_synth.release.verify import pictures_in
from cmr_synth.reports.content import Content, Line, Table

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from cmr_synth.privacy.archive import Archive

FORMAT = 1
KIND = "audit of a release"


def audit_release(
    folder: Path,
    archive: Path,
    key: Ed25519PrivateKey,
    out: Path,
    *,
    site: str,
    copies: int = 100,
) -> Iterator[Told | dict[str, Any]]:
    """Audit a release that somebody else made against an archive of one's own.

    Parameters
    ----------
    folder : Path
        Of the release.
    archive : Path
        Of the site; pixels are not needed, and without them the verdict is inconclusive where
        nothing is flagged.
    key : Ed25519PrivateKey
        Of the site.
    out : Path
        JSON file to write.
    site : str
        What the site is called in it.
    copies : int
        Planted of each kind, if the archive has pixels.

    Yields
    ------
    Event or dict
        The signed document at the end.

    Raises
    ------
    InputError
        If the release does not hold, or the archive cannot be read.
    """
    folder = Path(folder)
    listed = _whole(folder)
    opened, detector = open_with_detector(archive)
    certificate = None
    calibration = opened.calibration
    if calibration is not None and not calibration.too_few and opened.pixels is not None:
        events = certify(opened, calibration, detector, copies=copies)
        certificate = yield from outcome(titled("plant copies", events, of="kinds"))
    patients: dict[str, dict[str, Any]] = {}
    slices: list[dict[str, Any]] = []
    pictures = pictures_in(folder, sorted(listed.files))
    for number, (record, image, mask) in enumerate(pictures):
        yield Event("search", number / len(pictures), image.name)
        subject = read_subject(image, read_mask(mask, convention="mnms"), sidecar=record)
        about = subject.record["release"]
        one = patients.setdefault(
            about["patient"], {"number": len(patients), "ident": about["patient"], "pictures": []}
        )
        one["pictures"].append(
            {
                "file": image.relative_to(folder).as_posix(),
                "near": stored(neighbours(subject.sample.pixels, opened, detector)),
                "vendor": subject.sample.rows[0].vendor,
                "levels": subject.sample.levels.tolist(),
                "slices": [list(place) for place in subject.places],
            }
        )
    found = closeness(list(patients.values()), opened, certificate)
    places = [
        (one["ident"], picture["file"], frame, number)
        for one in sorted(patients.values(), key=lambda one: one["number"])
        for picture in one["pictures"]
        for frame, number in picture["slices"]
    ]
    for row, (ident, file, frame, number) in enumerate(places):
        if found.flagged[row] and found.p is not None:
            slices.append(
                {
                    "patient": ident,
                    "file": file,
                    "frame": frame,
                    "slice": number,
                    "p": round(float(found.p[row]), 6),
                }
            )
    document = signed(
        {
            KIND: FORMAT,
            "cmr_synth": cmr_synth.__version__,
            "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "site": site,
            "release": listed.document["release"],
            "manifest_sha256": sha256(folder / MANIFEST),
            "archive": _about(opened),
            "slices": len(places),
            "flagged": slices,
            "smallest_p": None if found.p is None else round(float(found.p.min()), 6),
            "verdict": found.verdict,
            "inconclusive_because": found.inconclusive or None,
            "certificate": None if certificate is None else certificate.as_dict(),
        },
        key,
    )
    with write_file(Path(out)) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    yield document


def merge_audits(folder: Path, audits: Sequence[Path]) -> Content:
    """What several sites found of one release, as one report.

    Parameters
    ----------
    folder : Path
        Of the release.
    audits : sequence of Path
        Documents of `audit_release`.

    Raises
    ------
    InputError
        If one was changed, is of another release, or two are of the same archive.
    """
    whole = sha256(Path(folder) / MANIFEST)
    listed = read_manifest(folder)
    found: list[tuple[dict[str, Any], str]] = []
    for path in audits:
        document = read_object(path)
        if document.get(KIND) != FORMAT:
            raise InputError(f"{path}: is no audit of a release; get it from `release audit`.")
        try:
            signer = verify(document)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if document["manifest_sha256"] != whole:
            raise InputError(f"{path}: is of another release than {folder}; have this one audited.")
        for other, _ in found:
            if other["archive"]["sha256"] == document["archive"]["sha256"]:
                raise InputError(
                    f"{path}: is of the same archive as the audit of {other['site']}; give one."
                )
        found.append((document, signer))
    if not found:
        raise InputError("no audits given; name the documents of the sites.")
    return _merged(listed, found)


def _merged(listed: Listed, found: Sequence[tuple[dict[str, Any], str]]) -> Content:
    documents = [document for document, _ in found]
    flagged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for document in documents:
        for one in document["flagged"]:
            name = (one["file"], one["frame"], one["slice"])
            flagged.setdefault(name, {**one, "sites": []})["sites"].append(document["site"])
    patients = sum(document["archive"]["patients"] for document in documents)
    unclear = [one["site"] for one in documents if one["inconclusive_because"]]
    if flagged:
        verdict = f"{len(flagged)} slices are too close to a patient of some site"
    elif unclear:
        verdict = f"inconclusive at {', '.join(unclear)}; no slice is flagged at any site"
    else:
        verdict = "no copy found, at any site, of the kinds that its audit proved to see"
    data = {
        "release": listed.document["release"],
        "manifest_sha256": documents[0]["manifest_sha256"],
        "verdict": verdict,
        "sites": [
            {"signer": signer, **{k: v for k, v in document.items() if k != "signature"}}
            for document, signer in found
        ],
        "flagged": list(flagged.values()),
        "archived_patients": patients,
    }
    rows = [
        [
            document["site"],
            document["archive"]["patients"],
            document["archive"]["held_out_patients"],
            len(document["flagged"]),
            document["verdict"],
            signer,
        ]
        for document, signer in found
    ]
    tables = [
        Table(["site", "patients", "held out", "flagged slices", "verdict", "signed by"], rows)
    ]
    if flagged:
        columns = ["picture", "frame", "slice", "smallest p", "sites"]
        tables.append(
            Table(
                columns,
                [
                    [one["file"], one["frame"], one["slice"], one["p"], ", ".join(one["sites"])]
                    for one in flagged.values()
                ],
                title="Flagged slices",
            )
        )
    return Content(
        title=f"Audits of {listed.document['release']} by {len(found)} sites",
        lead=f"{verdict[0].upper()}{verdict[1:]}.",
        lines=[
            Line(name="Verdict", value=verdict),
            Line(
                name="Patients in the archives",
                value=patients,
                note="of all sites; somebody who is in two counts twice",
            ),
        ],
        tables=tables,
        remarks=[
            "Each site flags at its own false discovery rate, so the union of their flags may hold "
            "more false ones than one audit does."
        ],
        data=data,
    )


def _whole(folder: Path) -> Listed:
    listed = read_manifest(folder)
    faults = differences(folder, listed)
    if faults:
        raise InputError(f"{folder}: does not hold ({faults[0]}); get the release again.")
    return listed


def _about(archive: Archive) -> dict[str, Any]:
    calibration = archive.calibration
    return {
        "sha256": archive.hash,
        "detector": archive.about["detector"],
        "patients": len(archive.starts),
        "slices": len(archive),
        "held_out_patients": calibration.count if calibration else 0,
        "pixels": archive.pixels is not None,
    }
