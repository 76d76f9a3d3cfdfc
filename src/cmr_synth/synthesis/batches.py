"""One folder of masks made several ways, vendor after vendor and seed after seed, as one batch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

from cmr_synth.generators import zoo
from cmr_synth.synthesis.batch import BatchFile, BatchProgress, run_batch
from cmr_synth.synthesis.formats import NIFTI
from cmr_synth.synthesis.request import Request


def across(
    request: Request, *, vendors: Sequence[str | None] = (), seeds: int = 1
) -> list[Request]:
    """The requests that differ in vendor and seed only.

    Parameters
    ----------
    request : Request
        What else is asked for.
    vendors : sequence of str
        By default that of the request alone.
    seeds : int
        How many, counted on from that of the request; at least 1.
    """
    return [
        replace(request, vendor=vendor, seed=request.seed + number)
        for vendor in (vendors or (request.vendor,))
        for number in range(seeds)
    ]


def run_batches(
    masks: Sequence[str | Path] | str | Path,
    out: str | Path,
    requests: Sequence[Request],
    *,
    load: Callable[[], zoo.Model] | None = None,
    resume: bool = False,
    keep_going: bool = False,
    formats: Sequence[str] = (NIFTI,),
) -> Generator[BatchFile | BatchProgress, None, None]:
    """Make a data set of every request, one after the other, into one folder.

    Parameters
    ----------
    requests : sequence of Request
        Of different vendors or seeds, which are in the names of the files; see `across`.
    masks, out, load, resume, keep_going, formats
        As for `run_batch`.

    Returns
    -------
    generator
        Of what `run_batch` tells; a mask counts once for each request, and says in `stem` for
        which.

    Raises
    ------
    InputError
        As `run_batch`, of the first request before anything is made.
    """
    for turn, request in enumerate(requests):
        told = run_batch(
            masks,
            out,
            request,
            load=load,
            resume=resume,
            keep_going=keep_going,
            formats=formats,
        )
        for event in told:
            number = turn * event.total + event.number
            total = len(requests) * event.total
            if isinstance(event, BatchFile):
                name = event.stem
                if len(requests) > 1:
                    name += f", {request.vendor or 'any vendor'}, seed {request.seed}"
                yield replace(event, stem=name, number=number, total=total)
            else:
                step, steps = turn * event.steps + event.step, len(requests) * event.steps
                yield replace(event, step=step, steps=steps, number=number, total=total)
