"""Families by name; their contract is tested by `test_contract.py`."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from cmr_synth.errors import InputError
from cmr_synth.generators import registry
from cmr_synth.generators.registry import families, load_family


def test_nothing_is_imported_before_load() -> None:
    assert families()["flow"].value == registry.BUILT_IN["flow"]


def test_a_family_declared_twice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    other = EntryPoint("flow", "elsewhere:Flow", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [other])
    with pytest.raises(ValueError, match="'flow' is declared twice: .*elsewhere:Flow"):
        families()


def test_an_unknown_family_lists_those_known() -> None:
    with pytest.raises(InputError, match="no family of generators is called 'gan'.*flow"):
        load_family("gan")
