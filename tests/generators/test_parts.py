"""Further files of a model: listed, verified, and carried along by the zoo."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from safetensors.torch import save_file

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.card import file_hashes, read_card, write_card
from cmr_synth.generators.parts import parts_of, require_parts, write_parts


@pytest.fixture
def model(own_tiny_model: Path) -> Path:
    """A model with a part in a folder; what it would make is not asked here."""
    (own_tiny_model / "words").mkdir()
    (own_tiny_model / "words" / "vocab.json").write_text('{"a": 0}')
    (own_tiny_model / "words" / "unlisted.txt").write_text("stays behind")
    write_parts(own_tiny_model, ["words/vocab.json"])
    card = read_card(own_tiny_model / zoo.CARD)
    own = card.model_copy(update=file_hashes(own_tiny_model))
    write_card(own, own_tiny_model / zoo.CARD)
    return own_tiny_model


def test_other_models_have_no_parts(tiny_model):
    assert parts_of(tiny_model / "weights.safetensors") == {}
    require_parts(tiny_model)


def test_the_list_does_not_depend_on_the_order(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(name)
    write_parts(tmp_path, ["a.json", "b.json"])
    first = sha256(tmp_path / "weights.safetensors")
    write_parts(tmp_path, ["b.json", "a.json"])
    assert sha256(tmp_path / "weights.safetensors") == first
    assert parts_of(tmp_path / "weights.safetensors") == {
        name: sha256(tmp_path / name) for name in ("a.json", "b.json")
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil.json", "leads out of the model's folder"),
        ("/evil.json", "leads out of the model's folder"),
        ("C:/evil.json", "leads out of the model's folder"),
        ("a\\..\\..\\evil.json", "leads out of the model's folder"),
        ("evil.py", "but a model has .json, .safetensors, .txt files only"),
        ("evil.bin", "but a model has .json, .safetensors, .txt files only"),
    ],
)
def test_a_list_that_cannot_be_trusted_is_refused(tmp_path, name, said):
    path = tmp_path / "weights.safetensors"
    save_file({}, path, metadata={"parts": json.dumps({name: "0" * 64})})
    with pytest.raises(InputError, match=said):
        parts_of(path)


def test_parts_are_verified_added_and_zipped(model, tmp_path):
    assert zoo.verify(model).name == "tiny"
    entry = zoo.add(model)
    assert (entry.folder / "words" / "vocab.json").read_text() == '{"a": 0}'
    assert not (entry.folder / "words" / "unlisted.txt").exists()
    shutil.rmtree(entry.folder)
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        for file in model.rglob("*"):
            packed.write(file, f"some-model/{file.relative_to(model)}")
    entry = zoo.add(tmp_path / "model.zip")
    assert zoo.verify(entry).name == "tiny"
    assert not (entry.folder / "words" / "unlisted.txt").exists()
    (model / "words" / "vocab.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"vocab\.json: has SHA-256 .*lists .*was exchanged"):
        zoo.add(model)


def test_a_zip_without_a_part_is_refused(model, tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        for name in zoo.FILES:
            packed.write(model / name, name)
    with pytest.raises(InputError, match=r"model\.zip: holds no words/vocab\.json"):
        zoo.add(tmp_path / "model.zip")
