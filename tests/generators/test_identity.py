"""The one hash of a model: whatever is changed of card, configuration, weights or parts shows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import rfc8785
import yaml

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card, file_hashes, read_card, write_card
from cmr_synth.generators.identity import SUFFIX, identity_of, record
from cmr_synth.generators.parts import write_parts


def changed(card: Card, **fields: object) -> Card:
    return Card(**card.model_dump(mode="json") | fields)


def without_defaults(fields: dict) -> dict:
    """A card without what is empty."""
    kept = {k: without_defaults(v) if isinstance(v, dict) else v for k, v in fields.items()}
    return {key: value for key, value in kept.items() if value is not None and value != []}


def test_it_is_that_of_the_canonical_card(tiny_model: Path) -> None:
    stated = yaml.safe_load((tiny_model / zoo.CARD).read_text())
    stated.pop("measured")  # nothing was, which is the default
    bare = without_defaults(stated)
    bare["training"]["cohorts"] = []  # empty here, but not by default
    for default in ("contrast", "tissues"):
        del bare["conditions"][default]
    card = read_card(tiny_model / zoo.CARD)
    assert identity_of(card) == hashlib.sha256(rfc8785.dumps(bare)).hexdigest()
    assert card.config_sha256 == sha256(tiny_model / zoo.CONFIG)


def test_the_look_of_the_file_does_not_matter_and_every_field_does(own_tiny_model: Path) -> None:
    path = own_tiny_model / zoo.CARD
    card = read_card(path)
    facts = card.model_dump(mode="json")
    path.write_text(json.dumps(dict(reversed(facts.items()))))  # JSON is YAML
    assert identity_of(read_card(path)) == identity_of(card)
    training = facts["training"]
    others = [
        changed(card, licence="CC BY 4.0"),
        changed(card, limits=[]),
        changed(card, default_steps=3),
        changed(card, sha256="0" * 64),
        changed(card, config_sha256="0" * 64),
        changed(card, measured={"privacy": {"flagged": 0}}),
        changed(card, training=training | {"privacy": {"epsilon": 1.0}}),
        changed(card, training=training | {"privacy": {"epsilon": 1.5}}),
    ]
    assert len({identity_of(one) for one in [card, *others]}) == 1 + len(others)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e999"])
def test_a_number_that_is_none_is_refused(own_tiny_model: Path, number: str) -> None:
    path = own_tiny_model / zoo.CARD
    forge_card(own_tiny_model, "privacy: null", f"privacy: {{epsilon: !!float {number}}}")
    with pytest.raises(InputError, match=f"not a readable card \\({number} is no number"):
        read_card(path)


def test_a_number_that_json_does_not_hold_has_no_hash(tiny_model: Path) -> None:
    card = changed(read_card(tiny_model / zoo.CARD), measured={"speed": {"seconds": 2**60}})
    with pytest.raises(InputError, match="the card of 'tiny' has no hash") as caught:
        identity_of(card)
    assert "\n" not in str(caught.value)


def test_a_field_that_is_given_twice_is_refused(own_tiny_model: Path) -> None:
    path = own_tiny_model / zoo.CARD
    path.write_text("licence: all is allowed\n" + path.read_text())
    with pytest.raises(InputError, match="'licence' is given twice"):
        zoo.load(own_tiny_model)


@pytest.fixture(params=["added", "bundled"])
def kept(
    request: pytest.FixtureRequest,
    own_tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> zoo.Entry:
    """A model with one further file, in the zoo."""
    (own_tiny_model / "more.json").write_text("{}")
    write_parts(own_tiny_model, ["more.json"])
    card = read_card(own_tiny_model / zoo.CARD).model_copy(update=file_hashes(own_tiny_model))
    write_card(card, own_tiny_model / zoo.CARD)
    if request.param == "added":
        return zoo.add(own_tiny_model)
    record(card, own_tiny_model)
    monkeypatch.setattr(zoo, "_BUNDLED", own_tiny_model.parent)
    return zoo.find("tiny")


def forge_card(folder: Path, old: str, new: str) -> None:
    path = folder / zoo.CARD
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def forge_all(folder: Path) -> None:
    """A configuration of one's own, with a card that names it."""
    (folder / zoo.CONFIG).write_text('{"family": "flow", "config": {}}')
    write_card(
        read_card(folder / zoo.CARD).model_copy(update=file_hashes(folder)), folder / zoo.CARD
    )


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda f: forge_card(f, "licence: CC0 1.0", "licence: any"), r"card\.yaml: was changed"),
        (lambda f: forge_card(f, "Shows noise.", "None."), r"card\.yaml: was changed"),
        (lambda f: forge_card(f, "privacy: null", "privacy: {epsilon: 1}"), r"card\.yaml: was cha"),
        (lambda f: (f / zoo.CONFIG).write_text("{}"), r"config\.json: has SHA-256 .*its card says"),
        (lambda f: (f / zoo.WEIGHTS).write_text("x"), r"weights\.safetensors: has SHA-256 .*card"),
        (
            lambda f: (f / "more.json").write_text("[]"),
            r"more\.json: has SHA-256 .*safetensors list",
        ),
        (
            forge_all,
            r"card\.yaml: was changed; the model's hash would be .* but tiny\.identity says",
        ),
        (lambda f: f.with_name(f.name + SUFFIX).unlink(), r"tiny\.identity: not readable"),
    ],
    ids=["licence", "limits", "epsilon", "config", "weights", "part", "card+config", "identity"],
)
@pytest.mark.parametrize("by", ["name", "folder"])
def test_whatever_is_forged_in_the_zoo_is_refused(kept, forge, message: str, by: str) -> None:
    assert zoo.verify("tiny").name == "tiny"
    forge(kept.folder)
    for use in (zoo.verify, zoo.load):
        with pytest.raises(InputError, match=message) as caught:
            use("tiny" if by == "name" else kept.folder)
        assert "\n" not in str(caught.value)


def test_a_forged_card_is_not_shown_either(kept: zoo.Entry) -> None:
    forge_card(kept.folder, "licence: CC0 1.0", "licence: any")
    with pytest.raises(InputError, match="was changed"):
        zoo.card_of("tiny")


def test_what_was_put_there_by_hand_is_told_to_be_added(tiny_model: Path, empty_zoo: Path) -> None:
    import shutil

    shutil.copytree(tiny_model, empty_zoo / "models" / "tiny")
    with pytest.raises(InputError, match="cmr-synth zoo add"):
        zoo.load("tiny")


@pytest.mark.parametrize("forge", [lambda f: forge_card(f, "CC0 1.0", "any"), forge_all])
def test_a_forged_model_from_elsewhere_has_not_the_hash_one_was_given(
    own_tiny_model: Path, empty_zoo: Path, forge
) -> None:
    known = identity_of(read_card(own_tiny_model / zoo.CARD))
    forge(own_tiny_model)
    with pytest.raises(InputError, match="the model's hash is .*but you gave") as caught:
        zoo.add(own_tiny_model, sha256=known)
    assert "\n" not in str(caught.value)
    assert not empty_zoo.exists()


def test_the_hash_of_the_weights_alone_is_not_enough(tiny_model: Path, empty_zoo: Path) -> None:
    with pytest.raises(InputError, match="the SHA-256 of the weights alone.*give the model's one"):
        zoo.add(tiny_model, sha256=sha256(tiny_model / zoo.WEIGHTS))
    assert not empty_zoo.exists()


BUNDLED = [entry for entry in zoo.entries() if entry.source == "bundled"]


@pytest.mark.parametrize("entry", BUNDLED, ids=lambda entry: entry.name)
def test_every_bundled_model_has_the_hash_that_travels_with_it(entry: zoo.Entry) -> None:
    known = entry.folder.with_name(entry.name + SUFFIX).read_text().strip()
    assert identity_of(read_card(entry.folder / zoo.CARD)) == known, "run `make cards`"


def test_a_hash_travels_for_each_bundled_model_and_for_no_other() -> None:
    (parent,) = {entry.folder.parent for entry in BUNDLED}
    known = {path.name.removesuffix(SUFFIX) for path in parent.glob(f"*{SUFFIX}")}
    assert known == {entry.name for entry in BUNDLED}
