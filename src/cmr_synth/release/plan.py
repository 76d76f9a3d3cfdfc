"""What a release will be, before anything is made: time, size, and what cannot be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.generators.identity import identity_of
from cmr_synth.release.closeness import NOT_AUDITED
from cmr_synth.release.reality import IMAGES
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.sources.registry import People, people_of
from cmr_synth.synthesis.record import versions

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceSet
    from cmr_synth.privacy.archive import Archive

# Seconds a slice beside the generator and bytes, as benchmarks/release.py measures them.
LOOK_S, NEAR_S, WRITE_S = 0.06, 0.12, 0.02
HEART_S = 0.6  # a sampled heart of both phases
LEARN_S = 0.03  # a slice that a segmenter learns from, for utility
BYTES_A_PIXEL, BYTES_A_PICTURE, DICOM_BYTES_A_PIXEL = 3.2, 40_000, 2.0

SAME = ("model_identity", "request", "archive_sha256", "masks_sha256", "real_sha256", "versions")
"""What must not change between a plan and what is made of it."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What a release rests on, looked up and opened once.

    Parameters
    ----------
    request : ReleaseRequest
    card : Card
        Of its model.
    people : People
    archive : Archive or None
    real : SliceSet or None
    hindrances : tuple of str
        What of the request cannot be had, a sentence each; with any, nothing is made.
    remarks : tuple of str
        What its reader should know.
    """

    request: ReleaseRequest
    card: Card
    people: People
    archive: Archive | None
    real: SliceSet | None
    hindrances: tuple[str, ...]
    remarks: tuple[str, ...]
    _memo: dict[str, Any] = field(default_factory=dict, repr=False)

    def about(self) -> dict[str, Any]:
        """What decides every byte of the release, but for the key."""
        day = self.request.date or datetime.now(timezone.utc).date()
        return {
            "request": self.request.plain(),
            "date": day.isoformat(),
            "model_identity": identity_of(self.card),
            "archive_sha256": None if self.archive is None else self.archive.hash,
            "masks_sha256": self.people.source.facts.get("sha256"),
            "real_sha256": None if self.real is None else _hash_of(self.request.real),
            "versions": versions(),
        }

    def require(self, plan: Mapping[str, Any] | None = None) -> None:
        """Refuse what cannot be had, and what is not as it was planned.

        Raises
        ------
        InputError
        """
        if self.hindrances:
            more = len(self.hindrances) - 1
            rest = f" ({more} more: see `cmr-synth release plan`)" if more else ""
            raise InputError(f"{self.request.name}: {self.hindrances[0]}{rest}")
        if plan is None:
            return
        now = self.about()
        for name in SAME:
            if plan.get(name) != now[name]:
                what = name.replace("_", " ")
                raise InputError(
                    f"{self.request.name}: the {what} changed since it was planned; look at a new "
                    "plan, or put back what was there."
                )

    @cached_property
    def slices(self) -> tuple[int, int]:
        """Slices with a heart, and voxels of all pictures, as if all were like the first."""
        if not self.people.asked:
            return 0, 0
        person = self.people.source.person(self.people.asked[0])
        heart, voxels = 0, 0
        for mask in person.masks.values():
            heart += int(is_heart(mask.array).any(axis=(-2, -1)).sum())
            voxels += int(np.prod(mask.shape))
        count = len(self.people.asked)
        return heart * count, voxels * count


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be made.

    Parameters
    ----------
    name : str
    patients, pictures, slices : int
    by_pathology, by_vendor : dict of word to patients
    seconds : float or None
        On the machine that the model's card was measured on; None where that is not known.
    megabytes : float
    hindrances, remarks : tuple of str
        What cannot be had; what to know.
    audited : str
        Whether it will be audited, and against what.
    about : dict
        What it rests on, with hashes; see `Ground.about`.
    """

    name: str
    patients: int
    pictures: int
    slices: int
    by_pathology: dict[str, int]
    by_vendor: dict[str, int]
    seconds: float | None
    megabytes: float
    hindrances: tuple[str, ...]
    remarks: tuple[str, ...]
    audited: str
    about: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `make` reads it again."""
        return {
            "name": self.name,
            "patients": self.patients,
            "pictures": self.pictures,
            "slices": self.slices,
            "by_pathology": self.by_pathology,
            "by_vendor": self.by_vendor,
            "seconds": self.seconds and round(self.seconds),
            "megabytes": round(self.megabytes, 1),
            "cannot_be_had": list(self.hindrances),
            "remarks": list(self.remarks),
            "audited": self.audited,
            **self.about,
        }


def ground_of(request: ReleaseRequest) -> Ground:
    """Look up everything that a request names.

    Raises
    ------
    InputError
        If the model is unknown, or a folder cannot be read.
    """
    card = zoo.require_generator(zoo.card_of(request.model))
    people = people_of(request, card.conditions.vendors)
    archive = real = None
    if request.archive is not None:
        from cmr_synth.privacy.archive import open_with_detector

        archive, _ = open_with_detector(request.archive)
    if request.real is not None:
        from cmr_synth.cohorts.slices import open_slice_set

        real = open_slice_set(request.real)
    hindrances = [
        *_against_model(request, card),
        *people.source.lacks(request, people.asked),
        *_against_evidence(request, archive, real),
    ]
    remarks = _remarks(request, card, archive, real)
    return Ground(request, card, people, archive, real, tuple(hindrances), tuple(remarks))


def plan_release(request: ReleaseRequest) -> Plan:
    """What a request comes to.

    Raises
    ------
    InputError
        See `ground_of`.
    """
    ground = ground_of(request)
    asked = ground.people.asked
    phases = 1 if request.frames is not None else len(request.phases)
    possible = not ground.hindrances
    slices, voxels = ground.slices if possible else (0, 0)
    return Plan(
        name=request.name,
        patients=len(asked),
        pictures=len(asked) * phases,
        slices=slices,
        by_pathology=_counted(one.pathology for one in asked),
        by_vendor=_counted(one.vendor for one in asked),
        seconds=_seconds(ground, slices) if possible else None,
        megabytes=expected_bytes(request, voxels, len(asked) * phases) / 1e6,
        hindrances=ground.hindrances,
        remarks=ground.remarks,
        audited=_audited(ground.archive),
        about=ground.about(),
    )


def expected_bytes(request: ReleaseRequest, voxels: int, pictures: int) -> float:
    """Roughly how large a release is."""
    dicom = DICOM_BYTES_A_PIXEL if request.format == "dicom" else 0.0
    return voxels * (BYTES_A_PIXEL + dicom) + pictures * BYTES_A_PICTURE


def _seconds(ground: Ground, slices: int) -> float | None:
    speed = ground.card.measured.speed
    if not isinstance(speed, dict) or not speed.get("seconds"):
        return None
    own = float(speed["seconds"][0])
    default, asked = ground.card.default_steps, ground.request.steps
    if asked and default:
        own *= asked / default
    made = slices * (own + LOOK_S + WRITE_S + (NEAR_S if ground.archive is not None else 0.0))
    if ground.request.masks == "sampled":
        made += len(ground.people.asked) * HEART_S
    wants_utility = ground.request.evidence.utility and ground.real is not None
    return made + (2 * IMAGES * LEARN_S if wants_utility else 0.0)


def _audited(archive: Archive | None) -> str:
    if archive is None:
        return NOT_AUDITED
    return f"against {len(archive)} slices of {len(archive.starts)} patients"


def _against_model(request: ReleaseRequest, card: Card) -> list[str]:
    known = card.conditions
    said = []
    made = known.contrasts or (known.contrast,)
    if request.contrast not in made:
        said.append(
            f"contrast: {request.contrast} is asked for and model {card.name} makes "
            f"{', '.join(made)}; choose a model of that contrast."
        )
    for vendor in request.vendors:
        if vendor not in known.vendors:
            there = ", ".join(known.vendors) or "none"
            said.append(
                f"vendors.{vendor}: model {card.name} knows {there}; leave it out, or choose "
                "another model."
            )
    return said


def _against_evidence(
    request: ReleaseRequest, archive: Archive | None, real: SliceSet | None
) -> list[str]:
    said = []
    if real is not None:
        for split, what in (("test", "to measure on"), ("train", "for the floor")):
            if not len(real.where(split=split)):
                said.append(
                    f"evidence.real: has no patients of the split {split}, {what}; prepare it "
                    "with some."
                )
    if archive is not None and real is not None:
        inside = held_by(archive, real, "test")
        if inside:
            some = ", ".join(inside[:5]) + (" ..." if len(inside) > 5 else "")
            said.append(
                f"evidence.archive: holds {len(inside)} of the test patients of evidence.real "
                f"({some}), whom nothing may have learned from; take them out of one of the two."
            )
    return said


def held_by(archive: Archive, real: SliceSet, split: str) -> list[str]:
    """Patients of a split whom an archive holds, by name or by the pixels of a slice."""
    import hashlib

    from cmr_synth.cohorts.slices import persons_of

    index = real.where(split=split)
    rows = [real.rows[i] for i in index]
    names = persons_of(rows)
    known = set(archive.patients.tolist())
    found = {str(name) for name in names if str(name) in known}
    hashes = {row["sha256"] for row in archive.rows} - {""}
    if hashes and archive.shape == real.shape:
        for i, name in zip(index, names, strict=True):
            if str(name) in found:
                continue
            pixels, _ = real.crop(np.array([i]))
            stored = np.round(pixels[0] * 255).astype(np.uint8)
            if hashlib.sha256(stored.tobytes()).hexdigest() in hashes:
                found.add(str(name))
    return sorted(found)


def _remarks(
    request: ReleaseRequest, card: Card, archive: Archive | None, real: SliceSet | None
) -> list[str]:
    known = card.conditions
    said = []
    unknown = [name for name in request.pathologies if name not in known.pathologies]
    if unknown:
        said.append(
            f"model {card.name} does not know the pathologies {', '.join(unknown)}: their anatomy "
            "is that of the masks, and the model is told none"
        )
    if archive is None:
        said.append(NOT_AUDITED)
    elif archive.calibration is None or archive.calibration.too_few or archive.pixels is None:
        said.append(
            "the archive lacks pixels or enough held-out patients: the verdict of its audit will "
            "be inconclusive"
        )
    if real is None:
        said.append("fidelity and utility are not measured: no real patients were given")
    if request.date is None:
        said.append("no date is stated: made again on another day, files differ in the date")
    if request.is_given:
        said.append("masks are given: the anatomy is that of real people, if they are")
    return said


def _counted(words: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(word or "unspecified" for word in words).items()))


def _hash_of(folder: Path | None) -> str | None:
    from cmr_synth.cohorts.slices import ABOUT
    from cmr_synth.files import sha256

    return None if folder is None else sha256(folder / ABOUT)
