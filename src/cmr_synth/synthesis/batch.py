"""Many masks in, a synthetic data set out: resumable, cancellable, one mask whole or not at all.

Each mask becomes `n` images with a JSON sidecar each. The files of one mask are written to a
hidden folder and move to their names together, so that whatever ends a run leaves only whole
masks behind, which `resume` then finds again by their sidecars. Processes that were launched
together share the masks: an image does not depend on which of them makes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, staged
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.masks import Mask, find_masks, read_mask, unique_stems
from cmr_synth.imaging.scan import Scan
from cmr_synth.processes import ALONE, Processes
from cmr_synth.synthesis.formats import (
    DICOM_ENDINGS,
    NIFTI,
    check_formats,
    has_formats,
    one_study,
    write_synthetic,
)
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.placing import upright
from cmr_synth.synthesis.record import Synthetic, labels_hash
from cmr_synth.synthesis.reference import Reference
from cmr_synth.synthesis.request import Request

PER_SLICE = 100  # steps of progress that a slice counts for

State = Literal["found", "waiting", "skipped", "running", "done", "failed"]


@dataclass(frozen=True)
class BatchFile:
    """A mask has come to another state.

    Parameters
    ----------
    number, total : int
        Its place among the masks of this batch, from 0, and how many there are.
    path : Path
    stem : str
        Its name in the data set.
    state : str
        "found" for all at first, "waiting" once it has been read, "skipped" if its images are
        there already, "running", "done", "failed".
    message : str
        For "waiting" how its labels were read, for "failed" what is wrong with it.
    notes : tuple of str
        What the reader had to assume, for "waiting"; for the first "found", what was left out of
        the folders.
    records : tuple of dict
        What the sidecars of its images say, for "skipped" and "done".
    """

    number: int
    total: int
    path: Path
    stem: str
    state: State
    message: str = ""
    notes: tuple[str, ...] = ()
    records: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class BatchProgress:
    """`step` of `steps` are done; a slice counts for `PER_SLICE`, skipped masks for nothing."""

    step: int
    steps: int
    number: int
    total: int


@dataclass(frozen=True)
class _Job:
    number: int
    path: Path
    stem: str
    pictures: int


def run_batch(
    masks: Sequence[str | Path] | str | Path,
    out: str | Path,
    request: Request | None = None,
    *,
    load: Callable[[], zoo.Model] | None = None,
    resume: bool = False,
    keep_going: bool = False,
    formats: Sequence[str] = (NIFTI,),
    group: Processes = ALONE,
) -> Generator[BatchFile | BatchProgress, None, None]:
    """Make a synthetic data set.

    Every mask is read before anything is made of the first. Close the iterator to cancel: it
    acts at the next step, and leaves nothing of the mask that was being worked on.

    Parameters
    ----------
    masks : path, or sequence of path
        Mask files, or folders of them; see `cmr_synth.imaging.masks.find_masks`.
    out : path
        Folder for the images and their sidecars; other files in it stay.
    request : Request, optional
        By default one image of each mask with nothing specified.
    load : callable, optional
        Gives the loaded model, for those who keep one; called when the first mask needs it.
    resume : bool
        Skip masks whose images are in `out` already: same model file, mask file, labels,
        conditions, steps, guidance and seed, and image files that are what their sidecars say.
    keep_going : bool
        Report a mask that cannot be used and go on with the others, instead of stopping.
    formats : sequence of str
        Of `cmr_synth.synthesis.formats.FORMATS`; every image is written in all of them.
    group : Processes
        Those that share the masks, each of which calls this with the same arguments. The main
        one yields what becomes of every mask, and comes to its end when all are done.

    Yields
    ------
    BatchFile or BatchProgress

    Raises
    ------
    InputError
        If a condition is none that the model knows, the model cannot be loaded or an image
        cannot be written; and, unless `keep_going`, if a mask cannot be used.
    EndedElsewhere
        If another process has failed.
    """
    asked = request or Request()
    card = zoo.require_generator(zoo.card_of(asked.model))
    asked.check(card)
    found = find_masks([masks] if isinstance(masks, str | Path) else masks)
    if asked.surroundings is not None and len(found.files) > 1:
        raise InputError(
            f"surroundings: {asked.surroundings} is the scan of one mask, and {len(found.files)} "
            "are given; give them one by one."
        )
    return _Batch(
        files=list(zip(found.files, unique_stems(found.files), strict=True)),
        left_out=found.left_out,
        out=Path(out),
        request=asked,
        card=card,
        load=load or (lambda: zoo.load(asked.model, device=asked.device)),
        reference=asked.read_reference(card),
        resume=resume,
        keep_going=keep_going,
        formats=check_formats(formats),
        group=group,
    ).run()


def finished(
    mask: Mask,
    stem: str,
    out: Path,
    request: Request,
    card: Card,
    reference: Reference | None = None,
    formats: Sequence[str] = (NIFTI,),
) -> tuple[dict[str, Any], ...]:
    """Find the images that a mask already has, if they are those that are asked for.

    Parameters
    ----------
    mask : Mask
    stem : str
        Its name in the data set.
    out : Path
        Folder of the data set.
    request : Request
    card : Card
        Of the model.
    reference : Reference, optional
        As prepared from the picture that the request names.
    formats : sequence of str
        Of which all have to be there.

    Returns
    -------
    tuple of dict
        What the sidecars of all `request.n` images say; empty if one is missing, was made in
        another way, or is another file than its sidecar says.
    """
    given = {**request.record(card, reference), "seed": request.seed}
    del given["z"]  # stands among the positions too
    wanted = {
        "model": card.sha256,
        "mask": (mask.sha256, labels_hash(mask.scan)),
        "z": None if request.z is None else round(request.z, 4),
        "only": None,  # a part of a mask is not all of it
        **given,
    }
    records = []
    for variant in range(request.n):
        try:
            path = out / f"{request.stem(stem, variant)}.json"
            record = json.loads(path.read_text(encoding="utf-8"))
            positions = record["slice_positions"] or {}
            made = {
                "model": record["model"]["sha256"],
                "mask": (record["mask"]["file_sha256"], record["mask"]["labels_sha256"]),
                # stacks have positions of their own
                "z": next(iter(positions.values())) if len(positions) == 1 else None,
                "only": record.get("only"),
                **_WITHOUT_WORDS,
                **{key: record[key] for key in given if key in record},
            }
            whole = sha256(out / record["file"]) == record["sha256"] and has_formats(
                record, out, formats
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return ()  # missing or damaged: made again
        if made != wanted or record["variant"] != variant or not whole:
            return ()
        records.append(record)
    return tuple(records)


_WITHOUT_WORDS: dict[str, Any] = {
    "spacing": None,
    "mirror": "no",
    "phenotypes": {},
    "surroundings": None,
}
"""What older programs meant, who knew no others."""


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """A run over all masks; see `run_batch`."""

    files: Sequence[tuple[Path, str]]
    left_out: tuple[str, ...]
    out: Path
    request: Request
    card: Card
    load: Callable[[], zoo.Model]
    reference: Reference | None
    resume: bool
    keep_going: bool
    formats: Sequence[str]
    group: Processes

    def run(self) -> Generator[BatchFile | BatchProgress, None, None]:
        for number in range(len(self.files)):
            yield self._event(number, "found", notes=() if number else self.left_out)
        with _unless_empty(self.out):  # entered by all before the first of them writes
            jobs = yield from self._look_at_all()
            if jobs:
                yield from self._make_all(jobs)

    def _event(self, number: int, state: State, **more: Any) -> BatchFile:
        return BatchFile(number, len(self.files), *self.files[number], state, **more)

    def _look_at_all(self) -> Generator[BatchFile, None, list[_Job]]:
        """Tell what every mask is; returns those that have to be made."""
        looks: Any = self._own_looks()
        if self.group.count > 1:
            looks = sorted(self.group.gather(list(looks)), key=lambda look: look["number"])
        jobs = []
        for look in looks:
            number, state, message = look["number"], look["state"], look["message"]
            if state == "waiting":
                path, stem = self.files[number]
                jobs.append(_Job(number, path, stem, look["pictures"]))
                yield self._event(number, state, message=message, notes=tuple(look["notes"]))
            elif state == "skipped":
                yield self._event(number, state, records=self._records(number))
            else:
                yield self._event(number, state, message=message)
        return jobs

    def _own_looks(self) -> Iterator[dict[str, Any]]:
        """What the masks that this process owns are, and whether their images are there."""
        for number, (path, stem) in enumerate(self.files):
            if not self.group.owns(number):
                continue
            try:
                mask = read_mask(path, convention=self.request.labels)
                upright(mask.scan, self.request.mirror)  # asks before anything is made
            except InputError as error:
                if not self.keep_going:
                    raise
                yield {"number": number, "state": "failed", "message": str(error)}
                continue
            there = self.resume and bool(
                finished(
                    mask, stem, self.out, self.request, self.card, self.reference, self.formats
                )
            )
            yield {
                "number": number,
                "state": "skipped" if there else "waiting",
                "message": mask.labels,
                "notes": mask.scan.notes,
                "pictures": _pictures(mask.scan, self.request),
            }

    def _make_all(self, jobs: list[_Job]) -> Generator[BatchFile | BatchProgress, None, None]:
        tally = _Tally(self.group, PER_SLICE * sum(job.pictures for job in jobs), len(self.files))
        yield BatchProgress(0, tally.steps, jobs[0].number, tally.total)
        model: zoo.Model | None = None
        ended: list[dict[str, Any]] = []
        for turn in self.group.turns("jobs", len(jobs)):
            job = jobs[turn]
            model = model or self.load()
            yield self._event(job.number, "running")
            try:
                mask, making = self._begin(job, model)
            except InputError as error:
                if not self.keep_going:
                    raise
                ended.append({"number": job.number, "state": "failed", "message": str(error)})
                yield self._event(job.number, "failed", message=str(error))
            else:
                made = yield from self._write(job, mask, making, tally)
                ended.append({"number": job.number, "state": "done", "message": ""})
                yield self._event(job.number, "done", records=tuple(made))
            tally.done += PER_SLICE * job.pictures
            yield tally.at(tally.done, job.number)
        yield from self._wait_for_others(ended, tally, jobs[-1].number)

    def _begin(self, job: _Job, model: zoo.Model) -> tuple[Mask, Iterator[Progress | Synthetic]]:
        # read again: the masks of a data set may be larger together than memory
        mask = read_mask(job.path, convention=self.request.labels)
        return mask, synthesize(mask.scan, model, self.request, reference=self.reference)

    def _write(
        self, job: _Job, mask: Mask, making: Iterator[Progress | Synthetic], tally: _Tally
    ) -> Generator[BatchProgress, None, list[dict[str, Any]]]:
        """Write the images of one mask, all or none; returns what their sidecars say."""
        made = []
        share = PER_SLICE * job.pictures
        study = one_study()
        with staged(self.out, whole=DICOM_ENDINGS) as folder:
            for step in making:
                if isinstance(step, Synthetic):
                    step.record["mask"] |= {"file_sha256": mask.sha256, "labels": mask.labels}
                    stem = self.request.stem(job.stem, step.record["variant"])
                    made.append(
                        write_synthetic(
                            step,
                            folder,
                            stem,
                            formats=self.formats,
                            mask=mask.scan,
                            study=study,
                        )
                    )
                else:
                    now = tally.done + round(share * step.step / step.steps)
                    yield tally.at(now, job.number)
        return made

    def _wait_for_others(
        self, ended: list[dict[str, Any]], tally: _Tally, last: int
    ) -> Generator[BatchFile | BatchProgress, None, None]:
        """Tell how the masks of the other processes ended."""
        own = {end["number"] for end in ended}
        for all_ended in self.group.gathering(ended):
            if all_ended is None:
                yield tally.at(tally.done, last)
                continue
            for end in all_ended:
                number, state = end["number"], end["state"]
                if self.group.is_main and number not in own:
                    there = self._records(number) if state == "done" else ()
                    yield self._event(number, state, message=end["message"], records=there)

    def _records(self, number: int) -> tuple[dict[str, Any], ...]:
        """What the sidecars of a mask's images say, for the main process."""
        if not self.group.is_main:
            return ()
        stem = self.files[number][1]
        stems = [self.request.stem(stem, variant) for variant in range(self.request.n)]
        texts = [(self.out / f"{one}.json").read_text(encoding="utf-8") for one in stems]
        return tuple(json.loads(text) for text in texts)


@dataclass
class _Tally:
    """Steps that are done, here and by all processes together."""

    group: Processes
    steps: int
    total: int
    done: int = 0
    told: int = field(default=0, init=False)

    def at(self, step: int, number: int) -> BatchProgress:
        """Progress when `step` of the steps are done here."""
        more, self.told = step - self.told, step
        everybody = step if self.group.count == 1 else self.group.add("progress", more)
        return BatchProgress(everybody, self.steps, number, self.total)


@contextmanager
def _unless_empty(out: Path) -> Iterator[None]:
    """Remove `out` again if it was not there before and nothing has come into it.

    Each mask's own folder does so too, but not while those of other processes are still in it.
    """
    made = [path for path in (out, *out.parents) if not path.exists()]
    try:
        yield
    finally:
        for folder in made:
            try:
                folder.rmdir()
            except OSError:
                break


def _pictures(scan: Scan, request: Request) -> int:
    """How many slices show a heart, over all frames and variants."""
    slices = int(is_heart(scan.array).any(axis=(-2, -1)).sum())
    return slices * request.n
