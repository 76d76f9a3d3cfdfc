"""What every verb says, and where: results to stdout, progress and remarks to stderr."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any, NoReturn

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]
"""The option that every verb has."""

Tell = Callable[[float | None, str], None]
"""Report the share that is done, 0 to 1 or None where it is not known, and a few words."""


class Interrupted(BaseException):
    """Ctrl-C or a polite request to end; unwinds like any exception, so that files are tidied."""


def print_anything() -> None:
    """Escape what the console cannot print, instead of ending with a traceback after the work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def result(facts: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print the result of a verb."""
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        for line in lines:
            print(line)
    sys.stdout.flush()


def remark(text: str) -> None:
    """Say something on stderr."""
    print(f"cmr-synth: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    """Say what is wrong, in one line, and exit with code 1."""
    remark(" ".join(text.split()))
    sys.exit(1)


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Tell]:
    """Show a bar with the time left on stderr, where a person is watching.

    Parameters
    ----------
    title : str
    quiet : bool
        Show nothing.

    Yields
    ------
    callable
        `tell(share, words)`.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda share, words: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, words="")

        def tell(share: float | None, words: str) -> None:
            total = None if share is None else 1.0
            bar.update(task, total=total, completed=share or 0.0, words=words)

        yield tell


def followed(events: Iterable[Any], *, quiet: bool = False) -> Iterator[Any]:
    """Results among the events of an evaluation, which are shown as a bar for every title."""
    from cmr_synth.evaluation.events import Event, Remark

    title, bars = None, ExitStack()
    with bars:
        for event in events:
            if not isinstance(event, Event):
                bars.close()  # nothing is printed into a bar
                title = None
                if isinstance(event, Remark):
                    remark(event.words)
                else:
                    yield event
                continue
            if event.title != title:
                bars.close()
                title = event.title
                tell = bars.enter_context(progress(title, quiet=quiet))
            if event.share is not None or event.words:
                tell(event.share, event.words)
