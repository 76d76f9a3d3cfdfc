"""Whole volumes with masks: plausible or counted as not, on disk as any cohort's."""

import json
from collections.abc import Iterator

import nibabel as nib
import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.cohorts.folder import examinations
from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.generators.card import draft_card, write_card
from cmr_synth.generators.interface import Progress
from cmr_synth.generators.noise import numbers_of
from cmr_synth.generators.volumes.generator import LatentVolumeGenerator, Volumes
from cmr_synth.generators.volumes.network import LatentVolumeConfig, LatentVolumeModel
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.masks import read_mask
from cmr_synth.networks.weights import save_weights, state_of
from cmr_synth.privacy.subject import read_subject
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.volumes import (
    MOST_DRAWS,
    SyntheticVolume,
    implausible,
    run_volumes,
    synthesize_volumes,
)

GRID = {"shape": (64, 64), "spacing_mm": 3.0}


def write_model(folder, axis: str = "z", *, empty: bool = True):
    """A tiny model folder with random weights and a card; where `empty` it draws no hearts."""
    config = LatentVolumeConfig(
        **GRID,
        channels=(8, 8),
        attention=(False, False),
        head_width=4,
        groups=4,
        vendors=("siemens",),
        pathologies=("dcm",),
        autoencoder={
            **GRID, "axis": axis, "depth": 8, "least": 4, "channels": (8, 8), "latent": 4,
            "groups": 4,
        },
    )  # fmt: skip
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LatentVolumeModel(config)
    if empty:
        fold = config.autoencoder.fold**2  # channels of the picture come first, then background
        model.autoencoder.body.decoder.blocks[-1].conv.bias.data[fold : 2 * fold] = 100
    save_weights(folder / "weights.safetensors", state_of(model), bits=16)
    about = {
        "family": "latent-volume",
        "config": config.model_dump(mode="json"),
        "recipe": {"name": "tiny"},
        "images_seen": 1,
        "minutes": 0.0,
    }
    (folder / "config.json").write_text(json.dumps(about))
    rows = tuple(
        SliceRow(
            cohort="drawn", patient=f"p{k % 2}", split="train", vendor="siemens",
            phase=("ED", "ES")[k % 2], pathology="dcm", slice=k // 2, z=0.5,
            completed=False, between_mm=10.0, frame=None if axis == "z" else k // 2,
        )
        for k in range(16)
    )  # fmt: skip
    if axis == "t":
        rows = tuple(SliceRow(**{**vars(row), "slice": 3}) for row in rows)
    empty = np.zeros((16, 80, 80), np.uint8)
    drawn = {"drawn": {"title": "Drawn hearts", "licence": "CC0", "citation": "nobody"}}
    slices = SliceSet(empty, empty, empty, rows, {"spacing_mm": 3.0, "cohorts": drawn})
    write_card(draft_card(folder, slices), folder / "card.yaml")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "tiny-stacks")


class Drawn(LatentVolumeGenerator):
    """Draws hearts in code; the first `misses` draws of odd numbers are torn apart."""

    misses = 2

    def sample_volumes(
        self, conditions, *, seed, indices=None, **_
    ) -> Iterator[Progress | Volumes]:
        yield Progress(1, 1)
        labels = []
        for index in indices:
            number, attempt = numbers_of(index)
            drawn = draw_stack(slices=6, shape=(64, 64), spacing=(10.0, 3.0, 3.0), seed=number)
            if number % 2 and attempt < self.misses:
                drawn[2] = 0  # a gap in the stack
            labels.append(np.concatenate([np.zeros_like(drawn[:1]), drawn, drawn[:1] * 0]))
        labels = np.stack(labels)
        yield Volumes((labels / np.float32(4)).astype(np.float32), labels)


@pytest.fixture
def model(folder, monkeypatch):
    """The tiny model, which draws its hearts in code."""
    from cmr_synth.generators import zoo

    loaded = zoo.load(folder)
    generator = Drawn(loaded.generator.network)
    monkeypatch.setattr(zoo, "load", lambda *_, **__: Model(generator, loaded.card))
    return Model(generator, loaded.card)


def volumes(steps) -> list[SyntheticVolume]:
    return [step for step in steps if isinstance(step, SyntheticVolume)]


def test_implausible_masks_are_drawn_again_and_counted(model):
    made = volumes(synthesize_volumes(model, Request(n=4, phase="ED")))
    facts = [one.image.record["volume"] for one in made]
    assert [fact["draws"] for fact in facts] == [1, 3, 1, 3]
    assert all(one.plausible for one in made) and not any(fact["findings"] for fact in facts)


def test_what_stays_implausible_is_kept_and_said(model):
    model.generator.misses = MOST_DRAWS
    made = volumes(synthesize_volumes(model, Request(n=2)))
    assert [one.plausible for one in made] == [True, False]
    fact = made[1].image.record["volume"]
    assert fact["draws"] == MOST_DRAWS and "slice" in fact["findings"][0]


def test_a_stack_has_the_slices_of_its_heart_at_the_models_distance(model):
    (one,) = volumes(synthesize_volumes(model, Request()))
    assert one.mask.shape == one.image.scan.shape == (6, 64, 64)
    assert one.mask.spacing == (10.0, 3.0, 3.0)


def test_volume_number_k_is_the_same_however_many_are_made(folder):
    from cmr_synth.generators import zoo

    request = Request(seed=3, steps=2)
    loaded = zoo.load(folder)
    three = volumes(synthesize_volumes(loaded, Request(seed=3, steps=2, n=3, batch=2)))
    (last,) = volumes(synthesize_volumes(loaded, request, first=2))
    np.testing.assert_allclose(last.image.scan.array, three[2].image.scan.array, atol=1e-5)
    assert last.image.record["variant"] == 2


def test_files_are_marked_and_read_as_a_cohort(model, folder, tmp_path):
    *_, records = run_volumes(tmp_path / "made", Request(model=folder, n=2, phase="ES"))
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == sorted(
        f"stack000{k}_ES{end}" for k in (0, 1) for end in (".nii.gz", ".json", "_gt.nii.gz")
    )
    for record in records:
        image = nib.load(tmp_path / "made" / record["file"])
        mask = nib.load(tmp_path / "made" / record["mask_file"])
        assert image.header["descrip"].item().startswith(b"SYNTHETIC")
        assert mask.header["descrip"].item().startswith(b"SYNTHETIC")
        np.testing.assert_allclose(image.header.get_zooms(), (3, 3, 10))
        assert np.array_equal(image.affine, mask.affine)
    read = [unread.read() for unread in examinations(tmp_path / "made")]
    first = next(iter(read[0]))
    assert (first.patient, first.phase, first.labels.shape) == ("stack0000", "ES", (6, 64, 64))
    assert first.labels.max() == 3


def test_a_passport_can_be_made_of_a_volume_with_its_mask(model, folder, tmp_path):
    *_, (record,) = run_volumes(tmp_path / "made", Request(model=folder))
    mask = read_mask(tmp_path / "made" / record["mask_file"], convention="mnms")
    subject = read_subject(tmp_path / "made" / record["file"], mask)
    assert len(subject.places) == 6 and subject.record["synthetic"]


def test_a_cine_is_one_slice_over_a_beat(tmp_path):
    made = write_model(tmp_path / "tiny-cines", axis="t")
    *_, (record,) = run_volumes(tmp_path / "made", Request(model=made, steps=2, z=0.5))
    image = nib.load(tmp_path / "made" / "cine0000.nii.gz")
    assert image.shape == (64, 64, 1, 8) and image.header.get_zooms()[3] == 0.125
    assert nib.load(tmp_path / "made" / "cine0000_gt.nii.gz").shape == image.shape
    assert record["volume"]["frames"] == 8 and record["z"] == 0.5
    with pytest.raises(InputError, match="^phase: this model makes whole beats"):
        list(run_volumes(tmp_path / "other", Request(model=made, phase="ED")))
    assert not (tmp_path / "other").exists()


def test_a_volume_without_a_heart_is_not_plausible(folder):
    from cmr_synth.generators import zoo

    (one,) = volumes(synthesize_volumes(zoo.load(folder), Request(steps=1)))
    assert not one.plausible and not one.mask.array.any()
    assert one.image.record["volume"]["findings"] == ["0 slices have an LV, fewer than 4."]


def test_a_hole_is_no_reason_to_draw_again_and_a_missing_wall_is(folder):
    from cmr_synth.generators import zoo

    config = zoo.load(folder).generator.config.autoencoder
    labels = draw_stack(slices=6, shape=(64, 64), spacing=(10.0, 3.0, 3.0))
    rows, columns = np.nonzero(labels[2] == LV)
    holed = labels.copy()
    holed[2, int(rows.mean()), int(columns.mean())] = 0
    assert not implausible(holed, config)
    assert implausible(np.where(labels == MYO, 0, labels).astype(np.uint8), config)


def test_every_frame_of_a_cine_is_to_show_a_heart(folder):
    from cmr_synth.generators import zoo

    config = zoo.load(folder).generator.config.autoencoder.model_copy(update={"axis": "t"})
    frame = draw_stack(slices=5, shape=(64, 64), spacing=(10.0, 3.0, 3.0))[2]
    beating = np.stack([frame] * 4)
    assert not implausible(beating, config)
    beating[2] = 0
    assert [one.message for one in implausible(beating, config)] == ["Frame 2: there is no LV."]


def test_a_model_of_slices_makes_no_volumes(tiny_model, tmp_path):
    with pytest.raises(InputError, match="family 'flow', which makes slices; train one with"):
        list(run_volumes(tmp_path / "made", Request(model=tiny_model)))
    assert not (tmp_path / "made").exists()
