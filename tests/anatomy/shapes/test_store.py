"""A shape model's folder: only what its card describes is read."""

import shutil

import pytest

from cmr_synth.anatomy.shapes.card import CARD, WEIGHTS
from cmr_synth.anatomy.shapes.model import BUNDLED, ShapeModel
from cmr_synth.errors import InputError


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BUNDLED, tmp_path / "shapes")


def test_a_copy_is_the_same_model(folder):
    assert ShapeModel.load(folder).card == ShapeModel.load().card


def test_a_file_of_another_hash_is_not_read(folder):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(InputError, match="not the file that its card describes"):
        ShapeModel.load(folder)


def test_a_damaged_card_is_named(folder):
    (folder / CARD).write_text("name: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"card\.yaml: not the card of a shape model"):
        ShapeModel.load(folder)


def test_a_folder_without_files_says_what_belongs_there(tmp_path):
    with pytest.raises(InputError, match=r"has card\.yaml and shapes\.safetensors"):
        ShapeModel.load(tmp_path)


def test_licence_and_origin_are_on_the_card():
    card = ShapeModel.load().card
    assert "CC BY-NC-SA 4.0" in card.licence
    assert sum(card.learned_from[0].by_pathology.values()) == card.learned_from[0].patients
