"""The segmenter: loaded or refused, its labels, its completion of partly labelled slices."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import INFARCT, LV, MYO, NO_REFLOW, RV, UNLABELLED
from cmr_synth.cohorts import acdc
from cmr_synth.cohorts.reading import found_in
from cmr_synth.cohorts.splits import split_patients
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.files import sha256
from cmr_synth.imaging.grid import WorkingGrid, place
from cmr_synth.imaging.normalise import NORMALISATIONS
from cmr_synth.judges.segmenter import BUNDLED, Segmenter, SegmenterConfig, SegmenterNetwork
from cmr_synth.networks.weights import save_weights, state_of

FILTERS = (8, 8, 8)
SHADES = np.array([0.2, 0.9, 0.35, 0.8], dtype=np.float32)


def write_segmenter(folder: Path, *, filters: tuple[int, ...] = FILTERS, seed: int = 0) -> Path:
    """Write a segmenter of random weights."""
    config = SegmenterConfig(filters=filters)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SegmenterNetwork(config)
    folder.mkdir(parents=True)
    save_weights(folder / "weights.safetensors", state_of(network), bits=16)
    about = {"family": "segmenter", "config": config.model_dump()}
    (folder / "config.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def test_one_of_late_enhancement_gives_scar_its_labels(pictures: np.ndarray) -> None:
    config = SegmenterConfig(
        filters=FILTERS, structures=("LV", "MYO", "infarct", "no-reflow"), contrast="lge"
    )
    segmenter = Segmenter(SegmenterNetwork(config), hash="random")
    shares = segmenter.shares(pictures)
    assert shares.shape == (3, 5, 128, 128)
    found = segmenter.segment(pictures)
    assert set(np.unique(found)) <= {0, LV, MYO, INFARCT, NO_REFLOW}
    np.testing.assert_array_equal(found == NO_REFLOW, shares.argmax(axis=1) == 4)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"structures": ("LV", "infarct")}, "scar is part of the wall"),
        ({"structures": ()}, "each once"),
        ({"contrast": "ct"}, "'ct' is none of cine"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(stated: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmenterConfig(**stated)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A segmenter's folder that a test may damage."""
    return write_segmenter(tmp_path / "segmenter")


@pytest.fixture
def pictures(heart: np.ndarray) -> np.ndarray:
    """Three painted hearts, (3, 128, 128) in [0, 1]."""
    noise = np.random.default_rng(0).normal(0, 0.03, (3, *heart.shape))
    return np.clip(SHADES[heart] + noise, 0, 1).astype(np.float32)


class Planted(nn.Module):
    """A network that finds what the test says, whatever the picture shows.

    Where `second` is given, it is the second choice.
    """

    def __init__(self, found: np.ndarray, second: np.ndarray | None = None):
        super().__init__()
        self.config = SegmenterConfig()
        self.scores = 20 * self._one_hot(found)
        if second is not None:
            self.scores += 10 * self._one_hot(second)

    @staticmethod
    def _one_hot(labels: np.ndarray) -> Tensor:
        hot = functional.one_hot(torch.from_numpy(labels).long(), 4)
        return hot.permute(0, 3, 1, 2).float()  # (n, y, x, 4) -> (n, 4, y, x)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores[: len(images)]


def finds(found: np.ndarray, second: np.ndarray | None = None) -> Segmenter:
    return Segmenter(Planted(found, second), hash="planted")  # type: ignore[arg-type]


def completed(segmenter: Segmenter, labels: np.ndarray, *hidden: int) -> np.ndarray:
    may_hide = np.zeros((len(labels), 4), dtype=bool)
    may_hide[:, list(hidden)] = True
    images = np.zeros(labels.shape, dtype=np.float32)
    return segmenter.complete(images, labels, may_hide)


def only(labels: np.ndarray, *given: int) -> np.ndarray:
    """A mask on which some structures were drawn and the rest is unknown."""
    return np.where(np.isin(labels, given), labels, UNLABELLED).astype(np.uint8)


# --- loading ---------------------------------------------------------------------------------


def test_it_segments_what_was_saved(folder: Path, pictures: np.ndarray) -> None:
    segmenter = Segmenter.load(folder)
    found = segmenter.segment(pictures)
    assert found.shape == pictures.shape
    assert found.dtype == np.uint8
    assert set(np.unique(found)) <= {0, LV, MYO, RV}
    assert segmenter.hash == sha256(folder / "weights.safetensors")
    assert np.array_equal(found, Segmenter.load(folder).segment(pictures))


def test_other_weights_find_something_else(tmp_path: Path, pictures: np.ndarray) -> None:
    first = Segmenter.load(write_segmenter(tmp_path / "a", seed=0))
    second = Segmenter.load(write_segmenter(tmp_path / "b", seed=1))
    assert first.hash != second.hash
    assert not np.allclose(first.shares(pictures), second.shares(pictures), atol=1e-3)


def test_shares_are_probabilities_and_do_not_depend_on_the_batch(
    folder: Path, pictures: np.ndarray
) -> None:
    segmenter = Segmenter.load(folder)
    shares = segmenter.shares(pictures)
    assert shares.shape == (3, 4, 128, 128)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(segmenter.shares(pictures, batch=1), shares, atol=1e-5)


def test_features_are_one_row_a_picture(folder: Path, pictures: np.ndarray) -> None:
    segmenter = Segmenter.load(folder)
    features = segmenter.features(pictures)
    assert features.shape == (3, 2 * FILTERS[1])  # mean and standard deviation of each map
    assert features.dtype == np.float64
    np.testing.assert_allclose(segmenter.features(pictures, batch=2), features, atol=1e-5)
    assert not np.allclose(features, segmenter.features(1 - pictures), atol=1e-3)


def test_no_pictures_give_no_labels(folder: Path) -> None:
    assert Segmenter.load(folder).segment(np.zeros((0, 128, 128))).shape == (0, 128, 128)


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{filters")


def _json_of_something_else(folder: Path) -> None:
    (folder / "config.json").write_text("[1, 2]")


def _unknown_fields(folder: Path) -> None:
    about = {"config": {"filters": ["many"], "depth": 3}}
    (folder / "config.json").write_text(json.dumps(about))


def _no_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def _cut_weights(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _other_size(folder: Path) -> None:
    about = {"config": {"filters": [8, 8, 16]}}
    (folder / "config.json").write_text(json.dumps(about))


DAMAGES = (
    _no_config,
    _no_json,
    _json_of_something_else,
    _unknown_fields,
    _no_weights,
    _cut_weights,
    _other_size,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_a_damaged_folder_is_refused_in_one_line(folder: Path, damage) -> None:
    damage(folder)
    with pytest.raises(InputError, match=r"config\.json|weights") as caught:
        Segmenter.load(folder)
    assert len(str(caught.value).splitlines()) == 1


# --- completion ------------------------------------------------------------------------------


def test_what_was_not_drawn_is_completed(heart: np.ndarray) -> None:
    whole = heart[None]
    assert np.array_equal(completed(finds(whole), only(whole, LV), MYO, RV), whole)


def test_given_labels_are_kept(heart: np.ndarray) -> None:
    """Also where the network is sure of something else, and far from the rest of the heart."""
    given = heart[None].copy()
    given[0, 2:5, 2:5] = RV
    moved = np.roll(heart, 9, axis=1)[None]
    found = completed(finds(moved), given, LV, MYO, RV)
    assert np.array_equal(found, given)
    partly = only(given, LV, RV)
    found = completed(finds(moved), partly, MYO)
    assert np.array_equal(found[partly != UNLABELLED], given[partly != UNLABELLED])


def test_only_structures_that_may_hide_are_filled_in(heart: np.ndarray) -> None:
    whole = heart[None]
    found = completed(finds(whole), only(whole, LV), MYO)
    assert np.array_equal(found == MYO, whole == MYO)
    assert not (found == RV).any()
    assert not (found == UNLABELLED).any()


def test_the_next_likely_structure_that_may_hide_is_taken(heart: np.ndarray) -> None:
    """Pixels taken for RV first and myocardium second become myocardium where RV cannot be."""
    whole = heart[None]
    thought = np.where(whole == MYO, RV, whole).astype(np.uint8)
    found = completed(finds(thought, second=whole), only(whole, LV), MYO)
    assert np.array_equal(found == MYO, whole == MYO)


def test_each_slice_has_its_own_rule(heart: np.ndarray) -> None:
    whole = np.stack([heart, heart])
    may_hide = np.zeros((2, 4), dtype=bool)
    may_hide[0, RV] = may_hide[1, MYO] = True
    labels = only(whole, LV)
    found = finds(whole).complete(np.zeros(whole.shape, np.float32), labels, may_hide)
    assert (found[0] == RV).any() and not (found[0] == MYO).any()
    assert (found[1] == MYO).any() and not (found[1] == RV).any()


def test_strays_are_dropped(heart: np.ndarray) -> None:
    whole = heart[None]
    assert not heart[:12, :12].any()
    thought = whole.copy()
    thought[0, 1:4, 1:4] = LV  # not connected to the drawn cavity
    thought[0, 1:4, 6:9] = MYO  # not around any cavity
    thought[0, 6:9, 1:4] = RV  # the smaller of two parts
    found = completed(finds(thought), only(whole, LV), LV, MYO, RV)
    assert np.array_equal(found, whole)


def test_of_a_structure_never_drawn_the_largest_part_is_kept() -> None:
    thought = np.zeros((1, 64, 64), dtype=np.uint8)
    thought[0, 5:9, 5:9] = thought[0, 30:50, 30:50] = RV
    found = completed(finds(thought), np.full((1, 64, 64), UNLABELLED, np.uint8), RV)
    assert not found[0, :20].any()
    assert np.array_equal(found[0, 20:], thought[0, 20:])


def test_no_slices_are_completed_to_none() -> None:
    empty = np.zeros((0, 64, 64), dtype=np.uint8)
    assert completed(finds(np.zeros((1, 64, 64), np.uint8)), empty, MYO).shape == (0, 64, 64)


# --- the bundled one -------------------------------------------------------------------------


def test_the_bundled_segmenter_finds_hearts_of_patients_it_never_saw(
    data_root: Path, tmp_path: Path
) -> None:
    """A bound against mishaps of loading, orientation and scale; the benchmarks measure."""
    if not (BUNDLED / "weights.safetensors").is_file():
        pytest.skip("no segmenter is bundled; tools/bundle_model.py puts one in")
    training = data_root / "acdc" / "training"
    group = re.compile(r"^Group: *(\w+)", re.MULTILINE)
    pathology_of = {
        info.parent.name: acdc.PATHOLOGY[group.findall(info.read_text())[0]]
        for info in training.glob("patient*/Info.cfg")
    }
    split = split_patients(pathology_of)
    for patient in sorted(patient for patient, name in split.items() if name == "test")[:2]:
        shutil.copytree(training / patient, tmp_path / patient)
    segmenter = Segmenter.load()
    found, truth, patients = [], [], []
    for examination in found_in(acdc, tmp_path):
        spacing = examination.spacing[1:]
        placement = place(examination.labels > 0, spacing, grid=WorkingGrid(), must_fit=False)
        drawn = examination.labelled
        pixels = placement.image_to_grid(NORMALISATIONS["percentile"](examination.image))
        truth.append(placement.labels_to_grid(examination.labels)[drawn])
        found.append(segmenter.segment(pixels[drawn]))
        patients += [examination.patient] * int(drawn.sum())
    scores = dice_by_patient(np.concatenate(found), np.concatenate(truth), np.array(patients))
    for structure, values in scores.items():
        assert len(values) == 2
        assert values.mean() > 0.8, structure
