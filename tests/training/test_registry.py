"""Tasks by the family of a recipe; their contract is tested by `test_contract.py`."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from cmr_synth import extensions
from cmr_synth.errors import InputError
from cmr_synth.training import registry
from cmr_synth.training.registry import make_task, tasks
from cmr_synth.training.task import Task


@pytest.fixture
def add(monkeypatch, make_recipe):
    """`add(object)`: a task of the package `theirs`, and a recipe that names it."""

    def made(found: object = None, *, module: str = "theirs.training"):
        if found is not None:
            other = ModuleType(module)
            other.Theirs = found
            monkeypatch.setitem(sys.modules, module, other)
        entry = EntryPoint("theirs", f"{module}:Theirs", registry.GROUP)
        monkeypatch.setattr(
            extensions, "entry_points", lambda group: [entry] if group == registry.GROUP else []
        )
        return make_recipe(family="theirs")

    return made


def test_nothing_is_imported_before_it_is_made():
    assert tasks()["flow"].value == registry.BUILT_IN["flow"]


def test_an_unknown_family_lists_those_known(make_recipe):
    with pytest.raises(InputError, match=r"recipe 'tiny': field 'family': 'gan' is unknown.*flow"):
        make_task(make_recipe(family="gan"))


def test_a_task_of_another_package_is_made(add, tiny_task):
    assert isinstance(make_task(add(tiny_task)), tiny_task)


def without(tiny_task, name: str) -> type:
    """The small task without one of its parts."""

    class Lacking(tiny_task):
        def __init__(self, recipe):
            super().__init__(recipe)
            self.built = True

        def __getattribute__(self, asked):
            if asked == name and "built" in object.__getattribute__(self, "__dict__"):
                raise AttributeError(asked)
            return super().__getattribute__(asked)

    return Lacking


@pytest.mark.parametrize("part", registry.PARTS)
def test_a_task_that_lacks_a_part_names_its_package(add, tiny_task, part):
    recipe = add(without(tiny_task, part))
    with pytest.raises(InputError, match=f"task 'theirs' of the package 'theirs' .*no {part}"):
        make_task(recipe)


def test_one_that_is_not_to_be_imported_names_its_package(add):
    recipe = add(module="nowhere.training")
    with pytest.raises(InputError, match="task 'theirs' of the package 'nowhere' cannot be used"):
        make_task(recipe)
    assert "flow" in tasks()


def test_one_that_is_no_class_names_its_package(add):
    with pytest.raises(InputError, match="of the package 'theirs' .*makes nothing of a recipe"):
        make_task(add("a word"))


def test_a_network_without_a_rate_names_its_package(add, tiny_task):
    class Lacking(tiny_task):
        def __init__(self, recipe):
            super().__init__(recipe)
            del self.rates["judge"]

    with pytest.raises(InputError, match=r"package 'theirs' .*networks and rates differ in judge"):
        make_task(add(Lacking))


def test_what_is_checked_is_what_the_protocol_states():
    stated = {*Task.__annotations__, *(n for n in vars(Task) if not n.startswith("_"))}
    assert set(registry.PARTS) == stated
