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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, staged
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.masks import Mask, mask_files, read_mask, unique_stems
from cmr_synth.imaging.readers import read_scan
from cmr_synth.imaging.scan import Scan
from cmr_synth.processes import ALONE, Processes
from cmr_synth.synthesis.from_mask import (
    Synthetic,
    check_conditions,
    check_numbers,
    labels_hash,
    synthesize,
)
from cmr_synth.synthesis.record import write_synthetic
from cmr_synth.synthesis.reference import Reference, reference_on_grid

PER_SLICE = 100  # steps of progress that a slice counts for

State = Literal["found", "waiting", "skipped", "running", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """What is made of every mask; see `cmr_synth.synthesis.from_mask.synthesize`.

    Parameters
    ----------
    labels : str, optional
        The convention that the masks follow; None tells it by topology, mask by mask.
    vendor, phase, pathology, z, n, seed, steps, guidance, sampler, prompt, batch
        As there.
    reference, reference_mask : Path, optional
        A real picture whose look is taken over, and its mask.
    reference_slice : int, optional
        Which of its slices; the middle one if not given.
    reference_strength : float in [0, 1]
        How much of its look.
    """

    labels: str | None = None
    vendor: str | None = None
    phase: str | None = None
    pathology: str | None = None
    z: float | None = None
    n: int = 1
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    prompt: str | None = None
    reference: Path | None = None
    reference_mask: Path | None = None
    reference_slice: int | None = None
    reference_strength: float = 0.5
    batch: int = 8

    def stem(self, mask_stem: str, variant: int) -> str:
        """File name of one image, without ending."""
        words = [self.vendor or "any", *filter(None, (self.phase, self.pathology))]
        return "_".join([mask_stem, *words, f"seed{self.seed}", f"{variant:03d}"])


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
        What the reader had to assume, for "waiting".
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
    request: BatchRequest | None = None,
    *,
    model: str | Path = zoo.DEFAULT,
    device: str | None = None,
    load: Callable[[], zoo.Model] | None = None,
    resume: bool = False,
    keep_going: bool = False,
    group: Processes = ALONE,
) -> Generator[BatchFile | BatchProgress, None, None]:
    """Make a synthetic data set.

    Every mask is read before anything is made of the first. Close the iterator to cancel: it
    acts at the next step, and leaves nothing of the mask that was being worked on.

    Parameters
    ----------
    masks : path, or sequence of path
        Mask files, or folders of them; see `cmr_synth.imaging.masks.mask_files`.
    out : path
        Folder for the images and their sidecars; other files in it stay.
    request : BatchRequest, optional
        By default one image of each mask with nothing specified.
    model : str or Path
        Name in the zoo, or a model's folder.
    device : str, optional
        By default the fastest that is there.
    load : callable, optional
        Gives the loaded `model`, for those who keep one; called when the first mask needs it.
    resume : bool
        Skip masks whose images are in `out` already: same model file, mask file, labels,
        conditions, steps, guidance and seed, and image files that are what their sidecars say.
    keep_going : bool
        Report a mask that cannot be used and go on with the others, instead of stopping.
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
    request = request or BatchRequest()
    out = Path(out)
    card = zoo.require_generator(zoo.card_of(model))
    check_conditions(card, vendor=request.vendor, phase=request.phase, pathology=request.pathology)
    check_numbers(
        n=request.n,
        seed=request.seed,
        batch=request.batch,
        reference_strength=request.reference_strength,
    )
    paths = mask_files([masks] if isinstance(masks, str | Path) else masks)
    stems = unique_stems(paths)
    return _run(
        list(zip(paths, stems, strict=True)),
        out,
        request,
        card,
        load or (lambda: zoo.load(model, device=device)),
        reference=reference_of(request, card),
        resume=resume,
        keep_going=keep_going,
        group=group,
    )


def finished(
    mask: Mask,
    stem: str,
    out: Path,
    request: BatchRequest,
    card: Card,
    reference: Reference | None = None,
) -> tuple[dict[str, Any], ...]:
    """Find the images that a mask already has, if they are those that are asked for.

    Parameters
    ----------
    mask : Mask
    stem : str
        Its name in the data set.
    out : Path
        Folder of the data set.
    request : BatchRequest
    card : Card
        Of the model.
    reference : Reference, optional
        As prepared from the picture that the request names.

    Returns
    -------
    tuple of dict
        What the sidecars of all `request.n` images say; empty if one is missing, was made in
        another way, or is another file than its sidecar says.
    """
    given = {
        "vendor": request.vendor,
        "phase": request.phase,
        "pathology": request.pathology,
        "steps": card.default_steps if request.steps is None else request.steps,
        "guidance": card.default_guidance if request.guidance is None else request.guidance,
        "seed": request.seed,
        "sampler": request.sampler,
        "prompt": request.prompt,
        "reference": None if reference is None else reference.record(request.reference_strength),
    }
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
                **{key: record[key] for key in given},
            }
            whole = sha256(out / record["file"]) == record["sha256"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return ()  # missing or damaged: made again
        if made != wanted or record["variant"] != variant or not whole:
            return ()
        records.append(record)
    return tuple(records)


def _run(
    files: Sequence[tuple[Path, str]],
    out: Path,
    request: BatchRequest,
    card: Card,
    load: Callable[[], zoo.Model],
    *,
    reference: Reference | None,
    resume: bool,
    keep_going: bool,
    group: Processes,
) -> Generator[BatchFile | BatchProgress, None, None]:
    total = len(files)

    def event(number: int, state: State, **more: Any) -> BatchFile:
        return BatchFile(number, total, *files[number], state, **more)

    def records_of(number: int) -> tuple[dict[str, Any], ...]:
        return _records(files[number][1], out, request) if group.is_main else ()

    for number in range(total):
        yield event(number, "found")
    with _unless_empty(out):  # entered by all before the first of them writes
        looks: Any = _looks(files, out, request, card, reference, resume, keep_going, group)
        if group.count > 1:
            looks = sorted(group.gather(list(looks)), key=lambda look: look["number"])
        jobs: list[_Job] = []
        for look in looks:
            number, state, message = look["number"], look["state"], look["message"]
            if state == "waiting":
                path, stem = files[number]
                jobs.append(_Job(number, path, stem, look["pictures"]))
                yield event(number, state, message=message, notes=tuple(look["notes"]))
            elif state == "skipped":
                yield event(number, state, records=records_of(number))
            else:
                yield event(number, state, message=message)
        if not jobs:
            return

        done, told, steps = 0, 0, PER_SLICE * sum(job.pictures for job in jobs)

        def progress(step: int, number: int) -> BatchProgress:
            nonlocal told
            more, told = step - told, step
            everybody = step if group.count == 1 else group.add("progress", more)
            return BatchProgress(everybody, steps, number, total)

        yield BatchProgress(0, steps, jobs[0].number, total)
        model: zoo.Model | None = None
        ended: list[dict[str, Any]] = []
        for turn in group.turns("jobs", len(jobs)):
            job = jobs[turn]
            model = model or load()
            yield event(job.number, "running")
            share = PER_SLICE * job.pictures
            try:
                # read again: the masks of a data set may be larger together than memory
                mask = read_mask(job.path, convention=request.labels)
                making = synthesize(
                    mask.scan,
                    model,
                    vendor=request.vendor,
                    phase=request.phase,
                    pathology=request.pathology,
                    z=request.z,
                    n=request.n,
                    seed=request.seed,
                    steps=request.steps,
                    guidance=request.guidance,
                    sampler=request.sampler,
                    prompt=request.prompt,
                    reference=reference,
                    reference_strength=request.reference_strength,
                    batch=request.batch,
                )
            except InputError as error:
                if not keep_going:
                    raise
                ended.append({"number": job.number, "state": "failed", "message": str(error)})
                yield event(job.number, "failed", message=str(error))
            else:
                made: list[dict[str, Any]] = []
                with staged(out) as folder:
                    for step in making:
                        if isinstance(step, Synthetic):
                            about = {"file_sha256": mask.sha256, "labels": mask.labels}
                            step.record["mask"] |= about
                            stem = request.stem(job.stem, step.record["variant"])
                            made.append(write_synthetic(step, folder, stem))
                        else:
                            now = done + round(share * step.step / step.steps)
                            yield progress(now, job.number)
                ended.append({"number": job.number, "state": "done", "message": ""})
                yield event(job.number, "done", records=tuple(made))
            done += share
            yield progress(done, job.number)

        own = {end["number"] for end in ended}
        for all_ended in group.gathering(ended):
            if all_ended is None:
                yield progress(done, jobs[-1].number)
                continue
            for end in all_ended:
                number, state = end["number"], end["state"]
                if group.is_main and number not in own:
                    there = records_of(number) if state == "done" else ()
                    yield event(number, state, message=end["message"], records=there)


def reference_of(request: BatchRequest, card: Card) -> Reference | None:
    """The picture whose look is taken over, on the grid of the model.

    Raises
    ------
    InputError
        If it cannot be read or used; see `reference_on_grid`.
    """
    if request.reference is None:
        for name in ("reference_mask", "reference_slice"):
            if getattr(request, name) is not None:
                raise InputError(f"{name.replace('_', ' ')}: needs a reference; name the picture.")
        return None
    mask = request.reference_mask
    return reference_on_grid(
        read_scan(request.reference),
        WorkingGrid(shape=card.grid.shape, spacing=card.grid.spacing_mm),
        k=request.reference_slice,
        mask=None if mask is None else read_mask(mask).scan,
    )


def _looks(
    files: Sequence[tuple[Path, str]],
    out: Path,
    request: BatchRequest,
    card: Card,
    reference: Reference | None,
    resume: bool,
    keep_going: bool,
    group: Processes,
) -> Iterator[dict[str, Any]]:
    """What the masks that this process owns are, and whether their images are there."""
    for number, (path, stem) in enumerate(files):
        if not group.owns(number):
            continue
        try:
            mask = read_mask(path, convention=request.labels)
        except InputError as error:
            if not keep_going:
                raise
            yield {"number": number, "state": "failed", "message": str(error)}
            continue
        there = resume and bool(finished(mask, stem, out, request, card, reference))
        yield {
            "number": number,
            "state": "skipped" if there else "waiting",
            "message": mask.labels,
            "notes": mask.scan.notes,
            "pictures": _pictures(mask.scan, request),
        }


def _records(stem: str, out: Path, request: BatchRequest) -> tuple[dict[str, Any], ...]:
    """What the sidecars of a mask's images say."""
    paths = [out / f"{request.stem(stem, variant)}.json" for variant in range(request.n)]
    return tuple(json.loads(path.read_text(encoding="utf-8")) for path in paths)


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


def _pictures(scan: Scan, request: BatchRequest) -> int:
    """How many slices show a heart, over all frames and variants."""
    slices = int(is_heart(scan.array).any(axis=(-2, -1)).sum())
    return slices * request.n
