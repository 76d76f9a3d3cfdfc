"""The command line: one module for each verb, listed in one table, open to other packages.

A verb parses its arguments, calls the engine and prints. Results go to stdout, everything else to
stderr; the exit code is 0 for done, 1 for input that is at fault (one line says what, where, and
what to do), 2 for wrong usage. Modules of verbs import nothing heavy before they run.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import typer

from cmr_synth import extensions
from cmr_synth.cli.console import Interrupted, fail, print_anything, remark
from cmr_synth.errors import InputError

GROUP = "cmr_synth.verbs"
WHAT = "verb"
VERBS = {
    "demo": "cmr_synth.cli.demo:demo",
    "synthesize": "cmr_synth.cli.synthesize:synthesize",
    "adapt": "cmr_synth.cli.adapt:adapt",
    "covariate": "cmr_synth.cli.covariate:covariate",
    "simulate": "cmr_synth.cli.simulate:simulate",
    "reconstruct": "cmr_synth.cli.reconstruct:reconstruct",
    "manifold": "cmr_synth.cli.manifold:manifold",
    "sample-masks": "cmr_synth.cli.sample_masks:sample_masks",
    "sample-volumes": "cmr_synth.cli.sample_volumes:sample_volumes",
    "find-heart": "cmr_synth.cli.find_heart:find_heart",
    "measure": "cmr_synth.cli.measure:measure",
    "contours": "cmr_synth.cli.contours:app",
    "dial": "cmr_synth.cli.dial:dial",
    "beat": "cmr_synth.cli.beat:beat",
    "request": "cmr_synth.cli.request:request",
    "zoo": "cmr_synth.cli.zoo:app",
    "cohort": "cmr_synth.cli.cohort:app",
    "train": "cmr_synth.cli.train:train",
    "average": "cmr_synth.cli.average:average",
    "calibrate": "cmr_synth.cli.calibrate:calibrate",
    "compare": "cmr_synth.cli.compare:compare",
    "evaluate": "cmr_synth.cli.evaluate:app",
    "archive": "cmr_synth.cli.archive:app",
    "audit": "cmr_synth.cli.audit:app",
    "release": "cmr_synth.cli.release:app",
    "app": "cmr_synth.cli.app:app",
}
"""Verb to `module:object`: a function, or a `typer.Typer` with verbs of its own. Third parties add
theirs as entry points of `GROUP`."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ECHO_SECONDS = 3.0
_HOME = re.compile(r"((?:--?[\w-]+=)?(?:[\w.-]+=)?)(~(?:[/\\].*)?)", re.DOTALL)


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="cmr-synth",
        help="Synthetic cardiac MRI from heart masks.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # a plain help page appears in half the time
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def top(
        version: bool = typer.Option(False, "--version", help="Show the version and exit."),
    ) -> None:
        if version:
            import cmr_synth

            typer.echo(f"cmr-synth {cmr_synth.__version__}")
            raise typer.Exit()

    for name, entry in extensions.declared(GROUP, VERBS, what=WHAT).items():
        fault = _fault if name in VERBS else lambda verb: _fault(verb) or _unreadable(verb)
        try:
            _add(app, name, extensions.load(entry, what=WHAT, fault=fault))
        except InputError as error:  # of another package, which the other verbs can do without
            remark(str(error))
    return app


def _add(app: typer.Typer, name: str, verb: Any) -> None:
    if isinstance(verb, typer.Typer):
        app.add_typer(verb, name=name)
    else:
        app.command(name)(verb)


def _fault(verb: Any) -> str | None:
    """What is wrong with a verb in words, or None."""
    if isinstance(verb, typer.Typer):
        return None
    return None if callable(verb) else f"it is of type {type(verb).__name__}, no function"


def _unreadable(verb: Any) -> str | None:
    """Why Typer cannot make a command of a verb, such as a parameter of a type unknown to it."""
    trial = typer.Typer(add_completion=False)
    _add(trial, "trial", verb)
    try:
        typer.main.get_command(trial)
    except Exception as error:  # whatever there is in somebody else's function
        return extensions.reason_of(error)
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those that the program was called with.
    """
    # Threads of torch that wait for each other shall sleep: by default they spin, and beside any
    # other program every step takes ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    print_anything()
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    given = sys.argv[1:] if arguments is None else arguments
    try:
        build()([_at_home(argument) for argument in given], prog_name="cmr-synth")
    except InputError as error:
        fail(str(error))
    except (Interrupted, KeyboardInterrupt):
        fail("interrupted; nothing unfinished was left behind.")
    except BrokenPipeError:  # the reader of our output, such as `head`, has had enough
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(
            f"{where}{error.strerror or error}; check the path, the permissions and the room left."
        )
    except (MemoryError, RuntimeError) as error:  # torch has no type of its own on processors
        from cmr_synth.training.memory import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        fail("out of memory; use fewer or smaller masks at once, or a smaller batch.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _at_home(argument: str) -> str:
    """An argument with `~` expanded where shells leave it: `--out=~/made`, `--data=acdc=~/acdc`."""
    found = _HOME.fullmatch(argument)
    return found.group(1) + os.path.expanduser(found.group(2)) if found else argument


def _interrupt(number: int, frame: FrameType | None) -> None:
    first = time.monotonic()
    launched = int(os.environ.get("WORLD_SIZE") or 1) > 1

    def again(number: int, frame: FrameType | None) -> None:  # a second one does not wait
        # but a launcher passes on the Ctrl-C that each process has had from the terminal already
        if not launched or time.monotonic() - first > _ECHO_SECONDS:
            raise KeyboardInterrupt

    for each in _SIGNALS if launched else (number,):
        signal.signal(each, again)
    raise Interrupted
