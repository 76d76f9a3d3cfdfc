"""What a record says of an image is a fact where the model repeats it, and else a statement."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.imaging.masks import read_mask
from cmr_synth.privacy.origin import AGREE, origin_of
from cmr_synth.privacy.subject import read_subject
from cmr_synth.synthesis.batch import run_batch
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.unconditional import run_unconditional

MODEL = "flow-fast"
CLOSE = 1e-5  # made in a batch of another size


@pytest.fixture(scope="module")
def load():
    model = zoo.load(MODEL, device="cpu")

    def of(name, device):
        assert (name, device) == (MODEL, "cpu")
        return model

    return of


@pytest.fixture
def mask(tmp_path):
    labels = np.stack([draw_slice(level=level) for level in ("basal", "mid", "apical")])
    path = tmp_path / "heart.nii.gz"
    nib.save(nib.Nifti1Image(labels.T, np.diag([-1.5, -1.5, 8.0, 1.0])), path)
    return path


@pytest.fixture
def image(mask, tmp_path):
    """The second of two variants."""
    list(run_batch(mask, tmp_path, Request(model=MODEL, vendor="ge", device="cpu", n=2)))
    return sorted(tmp_path.glob("heart_ge*.nii.gz"))[1]


@pytest.fixture
def origin(image, mask, load):
    """Origin of the image with some fields of its record changed."""
    beside = image.with_name(image.name.replace(".nii.gz", ".json"))
    whole = json.loads(beside.read_text())

    def of(*, given=True, load=load, **changes):
        beside.write_text(json.dumps(whole | {"sha256": sha256(image)} | changes))
        return origin_of(read_subject(image, read_mask(mask) if given else None), load=load)

    return of


def test_an_image_is_reproduced_by_its_model(origin):
    found = origin()
    assert found.state == "reproduced" and found.compared["largest_difference"] <= CLOSE
    assert found.facts["model"]["name"] == MODEL and found.facts["vendor"] == "ge"
    assert found.compared["device"] == "cpu" and "torch" in found.compared["versions"]
    assert found.facts["epsilon"] is None  # trained without


@pytest.mark.parametrize("off", [0.5 * AGREE, 2 * AGREE])
def test_how_closely_is_said(off, origin, image):
    stored = nib.load(image)
    pixels = np.array(stored.dataobj)
    drawn = np.argwhere((pixels > 0.2) & (pixels < 0.8))[0]
    pixels[tuple(drawn)] += np.float32(off)
    nib.save(nib.Nifti1Image(pixels, stored.affine, stored.header), image)
    found = origin()
    assert found.state == ("reproduced" if off < AGREE else "stated")
    assert found.compared["largest_difference"] == pytest.approx(off, abs=CLOSE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"vendor": "philips"}, "the pixels differ by up to"),
        ({"seed": 2**63 - 1}, "the pixels differ by up to"),
        ({"guidance": 1e308}, "from its record"),
        ({"variant": 10**6}, "the pixels differ by up to"),
        ({"vendor": "nobody\nelse"}, "cannot be made again"),
        ({"sampler": "nothing"}, ""),
        ({"steps": 10**6}, "1000 at most"),
        ({"slice_positions": {"0": 0.1, "1": 0.2, "2": 0.3}}, "slice positions"),
        ({"only": {"slices": [7], "frames": [0]}}, "has no slice 7"),
        ({"reference": {"name": "x", "slice": 0, "frame": 0, "strength": 1}}, "look of a real"),
        ({"reference": 7}, "look of a real"),
        ({"mask": None}, "names no mask"),
    ],
    ids=str,
)
def test_a_record_that_does_not_come_true_is_a_statement(changes, why, origin):
    found = origin(**changes)
    assert found.state == "stated" and len(found.words.splitlines()) == 1
    assert why in found.why


def test_epsilon_is_not_borrowed_from_another_model(origin):
    """A record that named a model with differential privacy had its epsilon signed."""
    private = zoo.card_of("flow")
    found = origin(model={"name": "flow", "family": "flow", "version": "1", "licence": "x"}
                   | {"sha256": "0" * 64})  # fmt: skip
    assert found.state == "stated" and "epsilon" not in found.facts
    found = origin(model={"name": "flow", "family": "flow", "version": "1", "licence": "x"}
                   | {"sha256": private.sha256}, load=None)  # fmt: skip
    assert found.state == "stated" and "--no-reproduce" in found.why


def test_a_folder_is_not_taken_for_a_model_of_the_zoo(origin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "card.yaml").write_text("name: own")
    card = zoo.card_of(MODEL)
    model = {"family": "flow", "version": "1", "licence": "x", "sha256": card.sha256}
    assert "is not in the zoo" in origin(model=model | {"name": "own"}).why


def test_an_image_without_a_record_or_a_mask(load, tmp_path):
    list(run_unconditional(tmp_path, Request(model=MODEL, device="cpu", n=2)))
    second = sorted(tmp_path.glob("unconditional*.nii.gz"))[1]
    found = origin_of(read_subject(second, None), load=load)
    assert found.state == "reproduced" and found.compared["largest_difference"] <= CLOSE
    second.with_name(second.name.replace(".nii.gz", ".json")).unlink()
    found = origin_of(read_subject(second, None), load=load)
    assert found.state == "not known" and not found.facts
