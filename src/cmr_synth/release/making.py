"""Making a release: patients, then who is made again, then what is said of it, then its place.

Processes that were launched together share the patients; whatever is decided of all of them is
decided by the first, from documents on disk, and no file depends on who made it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event, Remark, Told, outcome, titled
from cmr_synth.files import require_replaceable
from cmr_synth.generators import zoo
from cmr_synth.processes import ALONE, Processes
from cmr_synth.release.asked import Asked
from cmr_synth.release.closeness import closeness
from cmr_synth.release.manifest import MANIFEST
from cmr_synth.release.patients import Maker, Tools
from cmr_synth.release.plan import Ground, expected_bytes, ground_of
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.state import Work

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from cmr_synth.privacy.certificate import Certificate


@dataclass(frozen=True, eq=False)
class Made:
    """A finished release.

    Parameters
    ----------
    folder : Path
    facts : dict
        The figures of its evidence.
    """

    folder: Path
    facts: dict[str, Any]


def make_release(
    request: ReleaseRequest,
    out: str | Path,
    key: Ed25519PrivateKey,
    *,
    plan: Mapping[str, Any] | None = None,
    load: Callable[[], zoo.Model] | None = None,
    group: Processes = ALONE,
) -> Iterator[Told | Made]:
    """Make a release, or go on with one that was interrupted.

    Close the iterator to cancel; patients that are done are kept, and the same call goes on.

    Parameters
    ----------
    request : ReleaseRequest
    out : path
        A new or empty folder.
    key : Ed25519PrivateKey
        Signs the manifest and the passports.
    plan : mapping, optional
        Of `plan_release`; nothing is made if anything changed since.
    load : callable, optional
        Gives the loaded model, for those who keep one.
    group : Processes
        That share the work, each of which calls this with the same arguments.

    Yields
    ------
    Event, Remark or Made
        The first process yields the release at the end.

    Raises
    ------
    InputError
        Before anything is made: if the folder is not empty, or something of the request cannot be
        had. Later: if the disk is full; what is done is kept then.
    EndedElsewhere
        If another process has failed.
    """
    out = Path(out).resolve()
    if (out / MANIFEST).is_file():
        raise InputError(
            f"{out}: holds a release already; check it with `cmr-synth release verify`, or choose "
            "another folder."
        )
    require_replaceable(out)
    yield Event("look at the request")
    ground = ground_of(request)
    ground.require(plan)
    work = Work(out)
    about = ground.about()
    with _unless_nothing_is_done(work):
        if group.is_main:
            _require_room(work, ground)
            work.begin(about)
            for ident in work.check():
                yield Remark(f"{ident} is damaged on disk and is made again")
        group.gather([])  # until it is begun
        day = date.fromisoformat(work.begin(about)["date"])
        load = load or (lambda: zoo.load(request.model, device=group.device))
        maker = Maker(
            request, ground.card, ground.people.source, work, day, lambda: _tools(ground, load)
        )
        certificate = yield from _certificate(ground, maker, group)
        yield from _everyone(ground, maker, group, certificate)
        facts: dict[str, Any] = {}
        if group.is_main:
            from cmr_synth.release.finishing import finish

            facts = yield from finish(ground, work, day, certificate, key)
        group.gather([])  # until it is finished
    if group.is_main:
        work.finish()
        yield Made(out, facts)
    group.gather([])  # until it is in its place


def _everyone(
    ground: Ground, maker: Maker, group: Processes, certificate: Certificate | None
) -> Iterator[Told]:
    """Make all patients, and those who are too close to a real one again, round by round."""
    work, most = maker.work, ground.request.replacements
    while True:
        decided = work.decisions()
        rounds = decided["rounds"]
        variants = _variants(ground.people.asked, rounds)
        there = work.patients()
        missing = [
            one
            for one in ground.people.asked
            if there.get(one.number, {}).get("variant") != variants[one.number]
        ]
        group.gather([])  # everybody has looked before anybody writes
        title = "make patients" if not rounds else f"make again, round {len(rounds)}"
        yield from _some(missing, variants, maker, group, title)
        group.gather([])  # until all are there
        if ground.archive is None or decided["withheld"] is not None:
            return
        if group.is_main:
            found = closeness(list(work.patients().values()), ground.archive, certificate)
            again = found.too_close
            exhausted = [number for number in again if variants[number] >= most]
            waiting = [number for number in again if variants[number] < most]
            if waiting:
                yield Remark(
                    f"{len(waiting)} patients have slices too close to a real one; they are made "
                    "again"
                )
                work.decide({"rounds": [*rounds, waiting], "withheld": None})
            else:
                work.decide({"rounds": rounds, "withheld": exhausted})
        group.gather([])  # until it is decided


def _some(
    missing: Sequence[Asked],
    variants: Mapping[int, int],
    maker: Maker,
    group: Processes,
    title: str,
) -> Iterator[Told]:
    done = 0
    for turn in group.turns(title, len(missing)):
        asked = missing[turn]
        for step in maker.make(asked, variants[asked.number]):
            group.check()
            share = (turn + step.step / max(step.steps, 1) / 2) / len(missing)
            yield Event(title, min(share, 1.0), f"{asked.ident}, {turn + 1} of {len(missing)}")
        done += 1
        yield Event(title, (turn + 1) / len(missing), f"{turn + 1} of {len(missing)} patients")


def _variants(people: Sequence[Asked], rounds: Sequence[Sequence[int]]) -> dict[int, int]:
    """How often each patient is made again, as the decisions have it."""
    variants = {one.number: 0 for one in people}
    for again in rounds:
        for number in again:
            variants[number] += 1
    return variants


def _tools(ground: Ground, load: Callable[[], zoo.Model]) -> Tools:
    from cmr_synth.cohorts.examination import CINE
    from cmr_synth.judges.segmenter import Segmenter

    model = load()
    segmenter = Segmenter.load() if ground.request.contrast == CINE else None
    detector = None
    if ground.archive is not None:
        from cmr_synth.judges.copy_detector import CopyDetector

        detector = CopyDetector.load()
    return Tools(model, segmenter, ground.archive, detector)


def _certificate(ground: Ground, maker: Maker, group: Processes) -> Any:
    """What the audit would have caught; decisions do not rest on it, so one process does it."""
    archive = ground.archive
    if archive is None or not group.is_main:
        return None
    calibration = archive.calibration
    if calibration is None or calibration.too_few or archive.pixels is None:
        return None
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.certificate import certify

    events = certify(
        archive, calibration, CopyDetector.load(), copies=ground.request.evidence.copies
    )
    return (yield from outcome(titled("plant copies", events, of="kinds")))


def _require_room(work: Work, ground: Ground) -> None:
    """Refuse a disk that is too full before anything is made."""
    parent = next(path for path in work.out.parents if path.exists())
    phases = 1 if ground.request.frames is not None else len(ground.request.phases)
    pictures = phases * len(ground.people.asked)
    wanted = expected_bytes(ground.request, ground.slices[1], pictures)
    if work.folder.is_dir():
        wanted -= sum(path.stat().st_size for path in work.folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(parent).free
    if wanted > free:
        raise InputError(
            f"{work.out}: about {wanted / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are "
            "free; make room, or choose another --out."
        )


@contextmanager
def _unless_nothing_is_done(work: Work) -> Iterator[None]:
    """Remove the hidden folder again if it was made for this and no patient was finished."""
    made = not work.folder.exists()
    try:
        yield
    finally:
        if made and not any(work.state.glob("syn*.json")) and work.folder.exists():
            shutil.rmtree(work.folder, ignore_errors=True)
