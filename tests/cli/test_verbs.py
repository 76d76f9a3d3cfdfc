"""Verbs of other packages stand beside ours; one that is at fault is named, and the rest works."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
import typer

from cmr_synth import cli, extensions


def sing(times: int = 1) -> None:
    """Sing, as another package would have it.

    Parameters are typer's.
    """
    typer.echo("la " * times)


def mumble(what: int | str) -> None:
    """Sing what cannot be given."""


group = typer.Typer(help="Verbs of a kind.", no_args_is_help=True)
group.command("sing")(sing)
no_verb = 3


@pytest.fixture
def theirs(monkeypatch):
    """Declare places as verbs of another package, by name."""

    def declare(**places):
        entries = [EntryPoint(name, place, cli.GROUP) for name, place in places.items()]
        monkeypatch.setattr(extensions, "entry_points", lambda group: entries)

    return declare


def test_a_verb_of_another_package_is_listed_and_runs(run, theirs):
    theirs(sing=f"{__name__}:sing", choir=f"{__name__}:group")
    assert "Sing, as another package would have it." in run("--help").out
    assert run("sing", "--times", 2).out.split() == ["la", "la"]
    assert run("choir", "sing").out.split() == ["la"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("package_not_there.verb:sing", "No module named 'package_not_there'"),
        (f"{__name__}:nothing", "has no attribute 'nothing'"),
        (f"{__name__}:no_verb", "it is of type int, no function"),
        (f"{__name__}:mumble", "support Union types"),
    ],
)
def test_a_verb_at_fault_is_named_and_the_rest_works(run, theirs, place, reason):
    theirs(sing=place)
    ended = run("zoo", "list")
    assert ended.code == 0 and "flow" in ended.out
    assert "verb 'sing' of the package" in ended.line and reason in ended.line


def test_a_verb_declared_twice_is_one_line(run, theirs):
    theirs(train="elsewhere:train")
    ended = run("zoo", "list")
    assert ended.code == 1
    assert "verb 'train' is declared twice" in ended.line and "elsewhere:train" in ended.line
