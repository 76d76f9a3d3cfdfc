"""Looking up what other packages declare."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from cmr_synth import extensions


def test_installed_packages_are_looked_through_once_a_group(monkeypatch):
    asked = []

    def find(group):
        asked.append(group)
        return [EntryPoint("theirs", "elsewhere:thing", group)]

    monkeypatch.setattr(extensions, "entry_points", find)
    for _ in range(3):
        for group in ("one", "two"):
            assert list(extensions.declared(group, {"ours": "here:thing"}, what="thing")) == [
                "ours",
                "theirs",
            ]
    assert asked == ["one", "two"]
