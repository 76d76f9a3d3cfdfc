"""`zoo`: what the engine's functions say, in lines and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.identity import identity_of


def test_add_list_show_verify(run, tiny_model: Path) -> None:
    assert run("zoo", "add", tiny_model).code == 0
    models = json.loads(run("zoo", "list", "--json").out)["models"]
    assert {"name": "tiny", "source": "added"}.items() <= models[-1].items()
    assert "Tiny flow (CC0 1.0)" in run("zoo", "list").out
    digest = sha256(tiny_model / "weights.safetensors")
    assert yaml.safe_load(run("zoo", "show", "tiny").out)["sha256"] == digest
    identity = identity_of(zoo.card_of(tiny_model))
    assert json.loads(run("zoo", "verify", "tiny", "--json").out) == {
        "verified": {"tiny": digest},
        "identities": {"tiny": identity},
    }
    assert f"{identity}  as it was added" in run("zoo", "verify", "tiny").out
    assert f"{identity}  as its card says" in run("zoo", "verify", tiny_model).out
    assert yaml.safe_load(run("zoo", "show", "tiny").out)["identity"] == identity
    assert models[-1]["identity"] == identity
    assert identity[:12] in run("zoo", "list").out
    assert identity in run("zoo", "add", tiny_model).out


def test_verify_fails_on_a_damaged_model_and_list_still_shows_the_others(
    run, tiny_model: Path, empty_zoo: Path
) -> None:
    run("zoo", "add", tiny_model)
    folder = empty_zoo / "models" / "tiny"
    (folder / "weights.safetensors").write_bytes(b"else")
    ended = run("zoo", "verify")
    assert ended.code == 1
    assert "damaged or was exchanged" in ended.line
    (folder / "card.yaml").write_text("nothing")
    ended = run("zoo", "list")
    assert ended.code == 0
    assert "tiny" in ended.out and "damaged:" in ended.out


def test_add_needs_the_hash_that_was_given(run, tiny_model: Path, empty_zoo: Path) -> None:
    ended = run("zoo", "add", tiny_model, "--sha256", "0" * 64)
    assert ended.code == 1
    assert "but you gave" in ended.line
    assert not empty_zoo.exists()


def test_pull_refuses_what_is_no_hash(run) -> None:
    ended = run("zoo", "pull", "owner/model", "--sha256", "abc")
    assert ended.code == 1
    assert "is no SHA-256" in ended.line
