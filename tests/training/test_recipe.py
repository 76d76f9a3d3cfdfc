"""Recipes: what YAML may state, and one line for what it may not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cmr_synth.errors import InputError
from cmr_synth.training.recipe import Recipe, bundled_recipes, load_recipe


@pytest.mark.parametrize("name", bundled_recipes())
def test_bundled_recipes_are_valid(name):
    recipe = load_recipe(name)
    assert recipe.name == name and recipe == load_recipe(f"{name}.yaml")


def test_a_file_states_departures(tmp_path):
    path = tmp_path / "Mine.yaml"
    path.write_text("family: flow\nimages: 1000\naugmentation:\n  gamma: 0.4  # other scanners\n")
    recipe = load_recipe(path)
    assert recipe.name == "mine" and recipe.augmentation.gamma == 0.4
    assert recipe.batch_size == Recipe.model_fields["batch_size"].default


def test_what_is_resolved_reads_back_the_same(tmp_path):
    import yaml

    recipe = load_recipe("segmenter")
    (tmp_path / "segmenter.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert load_recipe(tmp_path / "segmenter.yaml") == recipe


def test_a_recipe_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load_recipe("segmenter").images = 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: [", "not valid YAML at line 1"),
        ("- family", "a recipe is a YAML mapping"),
        ("", "a recipe is a YAML mapping"),
        ("images: 10", "field 'family': Field required"),
        ("family: flow\nimages: many", "field 'images': Input should be a valid integer"),
        ("family: flow\nimages: 0", "field 'images': Input should be greater than 0"),
        ("family: flow\nimages: 5\nema: 1", "field 'ema': Input should be less than 1"),
        ("family: flow\nimages: 5\nlr: 1", "field 'lr': .*; known fields are name, family"),
        ("family: flow\nimages: 5\nprecision: fp8", "field 'precision'"),
        (
            "family: flow\nimages: 5\naugmentation:\n  gama: 1",
            "field 'augmentation.gama': Extra inputs",
        ),
        ("family: flow\nimages: 5\n1: 2", "field '1': Keys should be strings"),
        ("family: flow\nimages: 5\nmodel: {1: 2}", "field 'model.1"),
        ("family: flow\nimages: 5\nlearning_rate: .inf", "field 'learning_rate': .*finite"),
        ("family: flow\nimages: 5\nbetas: [0.9, 1.0]", "field 'betas.1': .*less than 1"),
        ("family: flow\nimages: 5\nseed: 1e30", "field 'seed'"),
        ("family: flow\nimages: 5\nimages: 6", r"at line 3 \(key 'images' is given twice\)"),
        ("augmentation:\n  gamma: 0.1\n  gamma: 0.2", r"at line 3 \(key 'gamma'"),
        ("day: 2020-13-45", "not valid YAML"),
        ("[" * 3000, "not valid YAML"),
        ("images: 0\nema: 2", r"field 'family': .* \(2 more\)"),
    ],
)
def test_a_wrong_recipe_is_one_line(text, message, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_missing_recipe_lists_the_bundled_ones():
    with pytest.raises(InputError, match=r"flwo: no such file; bundled recipes are .*segmenter"):
        load_recipe("flwo")


@pytest.mark.parametrize("name", ["segmenter.txt", "segmenter.yml", "other/segmenter"])
def test_only_its_name_is_a_bundled_recipe(name):
    with pytest.raises(InputError, match="no such file; bundled recipes are"):
        load_recipe(name)


def test_an_anchor_may_be_merged(tmp_path):
    text = "augmentation: &a {gamma: 0.1}\nfamily: flow\nimages: 5\nmodel: {<<: *a, gamma: 1}\n"
    (tmp_path / "r.yaml").write_text(text)
    assert load_recipe(tmp_path / "r.yaml").model == {"gamma": 1}


def test_bytes_are_no_recipe(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"\xff\xfe\x00family")
    with pytest.raises(InputError, match="cannot be read as text"):
        load_recipe(tmp_path / "r.yaml")
