"""Families by name; their contract is tested by `test_contract.py`."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from cmr_synth import extensions
from cmr_synth.errors import InputError
from cmr_synth.generators import registry
from cmr_synth.generators.interface import TAKES
from cmr_synth.generators.probing import Drawing
from cmr_synth.generators.registry import families, load_family, load_generator


def test_nothing_is_imported_before_load() -> None:
    assert families()["flow"].value == registry.BUILT_IN["flow"]


def test_a_family_declared_twice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    other = EntryPoint("flow", "elsewhere:Flow", registry.GROUP)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [other])
    with pytest.raises(ValueError, match="'flow' is declared twice: .*elsewhere:Flow"):
        families()


def test_an_unknown_family_lists_those_known() -> None:
    with pytest.raises(InputError, match="no family of generators is called 'gan'.*flow"):
        load_family("gan")


class Theirs:
    """A family of another package, complete."""

    takes = frozenset(TAKES)
    config, device, shape, probe = None, "cpu", (8, 8), Drawing()

    @classmethod
    def load(cls, folder, *, device=None):
        """A generator."""
        return cls()

    def sample(self, conditions, **options):
        """Nothing."""


class Undeclared(Theirs):
    """One from before families stated what they take."""

    takes = property()  # something else than a set of words


class Misspelt(Theirs):
    """One that takes what nobody can give."""

    takes = frozenset({"mask", "vender"})


class Unprobed(Theirs):
    """One that does not say how it can be probed."""

    probe = None


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch):
    """Declare a place as a family called "theirs"."""

    def declare(place: str) -> None:
        entry = EntryPoint("theirs", place, registry.GROUP)
        monkeypatch.setattr(extensions, "entry_points", lambda group: [entry])

    return declare


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("package_not_there.generator:Mine", "ModuleNotFoundError: No module named"),
        ("json:decoder", "it declares no load, sample, takes"),
        (f"{__name__}:Undeclared", "its takes is no frozenset"),
        (f"{__name__}:Misspelt", "it takes vender, which is none of mask, vendor, phase"),
        (f"{__name__}:Unprobed", "its probe is none of cmr_synth.generators.probing"),
    ],
)
def test_a_broken_family_of_another_package_is_named_and_the_rest_works(
    theirs, tmp_path, place, reason
) -> None:
    theirs(place)
    package = place.partition(":")[0].partition(".")[0]
    line = f"^generator 'theirs' of the package '{package}' cannot be used .{reason}[^\n]*$"
    with pytest.raises(InputError, match=line):
        load_generator("theirs", tmp_path, device="cpu")
    assert load_family("flow").takes


def test_a_whole_family_of_another_package_is_loaded(theirs, tmp_path) -> None:
    theirs(f"{__name__}:Theirs")
    assert load_generator("theirs", tmp_path, device="cpu").takes == TAKES.keys()
