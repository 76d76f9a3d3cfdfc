"""Masks that are given: a folder of NIfTI files, or the patients of a cohort.

They are taken in the order of their names. Each patient is used once, so that no heart is in a
release twice; a release of given masks shows the anatomy of whoever they were drawn on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.cohorts.examination import Examination
from cmr_synth.cohorts.reading import found_in
from cmr_synth.cohorts.registry import load_cohort, parse_sources
from cmr_synth.cohorts.whose import patients_of, phase_in_name
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.masks import find_masks, read_mask, stem_of
from cmr_synth.imaging.scan import Scan
from cmr_synth.release.asked import Asked
from cmr_synth.release.request import Given, ReleaseRequest
from cmr_synth.release.sources.beating import person_of
from cmr_synth.release.sources.contract import Person, lacking


@dataclass
class _Own:
    """The masks of one patient."""

    name: str
    pathology: str | None = None
    read: dict[str, Callable[[], tuple[Scan, str]]] = field(default_factory=dict)


class GivenMasks:
    """Masks of a folder or a cohort.

    Raises
    ------
    InputError
        If there are none, or whose they are or their phase cannot be told.
    """

    title = "given masks"

    def __init__(self, request: ReleaseRequest):
        given = request.masks
        assert isinstance(given, Given)
        self._request = request
        self.takes: frozenset[str] = frozenset({"frames"})
        self.licences: tuple[str, ...] = ()
        digest = hashlib.sha256()
        if given.folder is not None:
            self._people = _of_folder(request.at(given.folder), given.labels, digest)
            where = "a folder of masks"
        else:
            name, root = _cohort(request, str(given.cohort))
            cohort = load_cohort(name)
            self._people = _of_cohort(name, root, digest)
            where, self.licences = cohort.title, (cohort.licence,)
            self.takes = frozenset({"pathology", "frames"})
        whole = set(request.phases)
        self._usable = [one for one in self._people if whole <= set(one.read)]
        self.facts: dict[str, Any] = {
            "kind": "given",
            "words": f"{where}: the anatomy is that of whoever the masks were drawn on",
            "patients": len(self._people),
            "sha256": digest.hexdigest(),
        }

    def lacks(self, request: ReleaseRequest, people: list[Asked]) -> list[str]:
        """More patients than there are, of any pathology."""
        said = lacking(self, request)
        phases = " and ".join(request.phases)
        if not request.pathologies and len(people) > len(self._usable):
            said.append(
                f"patients: {len(people)} are asked for and {len(self._usable)} of the "
                f"{len(self._people)} patients given have masks of {phases}; ask for fewer."
            )
        for pathology in request.pathologies:
            asked = sum(one.pathology == pathology for one in people)
            there = sum(one.pathology == pathology for one in self._usable)
            if asked > there and "pathology" in self.takes:
                said.append(
                    f"pathologies.{pathology}: {asked} patients are asked for and {there} of those "
                    f"given have it and masks of {phases}; ask for fewer."
                )
        return said

    def person(self, asked: Asked) -> Person:
        """The next patient who is not used yet, of the pathology where that is asked for."""
        own = self._by_number[asked.number]
        masks: dict[str, Scan] = {}
        labels = ""
        for phase in self._request.phases:
            scan, labels = own.read[phase]()
            masks[phase] = Scan(
                array=scan.array,
                spacing=scan.spacing,
                affine=scan.affine,
                name=f"{asked.ident}_{phase}",
                notes=scan.notes,
            )
        return person_of(
            masks, self._request, ident=asked.ident, record={"source": "given"}, labels=labels
        )

    def assign(self, people: list[Asked]) -> None:
        """Settle who gets whose masks; before anybody is asked for."""
        waiting = list(self._usable)
        self._by_number: dict[int, _Own] = {}
        for asked in people:
            wanted = asked.pathology if self._request.pathologies else None
            for own in waiting:
                if wanted is None or own.pathology == wanted:
                    self._by_number[asked.number] = own
                    waiting.remove(own)
                    break


def _cohort(request: ReleaseRequest, source: str) -> tuple[str, Path]:
    name, equals, path = source.partition("=")
    where = f"{name}={request.at(Path(path))}" if equals and path else source
    ((name, root),) = parse_sources([where])
    return name, root


def _of_folder(folder: Path, labels: str | None, digest: Any) -> list[_Own]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; masks.folder names one of NIfTI masks.")
    files = find_masks([folder]).files
    whose, _ = patients_of(folder, [(path, stem_of(path)) for path in files])
    people: dict[str, _Own] = {}
    for path in sorted(files):
        digest.update(bytes.fromhex(sha256(path)))
        own = people.setdefault(whose[path], _Own(whose[path]))
        phase = phase_in_name(stem_of(path), *reversed(path.relative_to(folder).parts[:-1]))
        if phase is None:
            raise InputError(
                f"{path}: whether it is of ED or ES cannot be told from its name; name it so, such "
                "as p1_ED.nii.gz, or give the masks as a cohort."
            )
        if phase in own.read:
            raise InputError(
                f"{path}: is a second mask of {own.name} at {phase}; leave one of them out."
            )

        def read(path: Path = path) -> tuple[Scan, str]:
            mask = read_mask(path, convention=labels)
            if mask.scan.is_cine:
                raise InputError(f"{path}: is a cine; give a mask of each phase.")
            return mask.scan, mask.labels

        own.read[phase] = read
    return [people[name] for name in sorted(people)]


def _of_cohort(name: str, root: Path, digest: Any) -> list[_Own]:
    """Labels alone are kept, packed: a cohort's may be larger than memory with its pixels."""
    people: dict[str, _Own] = {}
    for found in found_in(load_cohort(name), root):
        if not isinstance(found, Examination) or found.phase is None:
            continue
        if found.may_hide.any() or (found.labels == UNLABELLED).any():
            continue  # not everything was drawn
        own = people.setdefault(found.patient, _Own(found.patient, found.pathology))
        if found.phase in own.read:
            continue
        scan = _upright(found)
        digest.update(found.patient.encode() + found.phase.encode() + scan.array.tobytes())
        own.read[found.phase] = _packed(scan, f"labels of {load_cohort(name).title}")
    return [people[who] for who in sorted(people)]


def _packed(scan: Scan, labels: str) -> Callable[[], tuple[Scan, str]]:
    import zlib

    content, shape = zlib.compress(scan.array.tobytes(), 1), scan.shape
    spacing, affine, name = scan.spacing, scan.affine, scan.name

    def read() -> tuple[Scan, str]:
        array = np.frombuffer(zlib.decompress(content), np.uint8).reshape(shape)
        return Scan(array=array, spacing=spacing, affine=affine, name=name), labels

    return read


def _upright(found: Examination) -> Scan:
    """In radiological display, where a cohort's slices are already."""
    z, y, x = found.spacing
    return Scan(
        array=np.ascontiguousarray(found.labels, dtype=np.uint8),
        spacing=found.spacing,
        affine=np.diag([-x, -y, z, 1.0]),
        name=f"{found.cohort} {found.patient}",
    )
