"""Verdicts on one slice, with the shipped reference and the bundled networks."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmr_synth.errors import InputError
from cmr_synth.evaluation.one_picture.real_reference import (
    SHARES,
    load_real_reference,
    percentile_of,
)
from cmr_synth.evaluation.one_picture.verdicts import judge
from cmr_synth.evaluation.realism.tissue import FIGURES
from cmr_synth.judges.encoder import Encoder
from cmr_synth.judges.segmenter import Segmenter

from ..conftest import drawn_sample


@pytest.fixture(scope="module")
def judges():
    return load_real_reference(), Segmenter.load(), Encoder.load()


def states(verdicts):
    return {one.title: one.state for one in verdicts}


def test_the_shipped_reference_fits_the_bundled_networks_and_rises(judges):
    reference, segmenter, encoder = judges
    assert (reference.segmenter, reference.encoder) == (segmenter.hash, encoder.hash)
    assert reference.vendors[0] == "all" and {"siemens", "ge", "philips"} <= set(reference.vendors)
    for figure in FIGURES:
        for vendor in (*reference.vendors, "nobody's"):
            assert (np.diff(reference.tissue_of(figure, vendor)) >= 0).all()
    assert reference.patients > 100 and (np.diff(reference.distances_of("siemens")) >= 0).all()


def test_places_among_real_ones():
    values = np.linspace(0, 1, len(SHARES))
    assert percentile_of(0.25, values) == pytest.approx(25)
    assert percentile_of(-1, values) == 0 and percentile_of(2, values) == 100
    assert percentile_of(3.0, np.full(len(SHARES), 3.0)) == 50
    assert np.isnan(percentile_of(np.nan, values))


def test_noise_is_no_heart(judges):
    sample = drawn_sample(1, 1)
    pixels = np.random.default_rng(0).random((128, 128))
    verdicts, found = judge(pixels, sample.labels[0], "siemens", *judges)
    assert states(verdicts)["Like real slices"] == "unusual"
    assert states(verdicts)["Follows its mask"] == "unusual"
    assert found.shape == (128, 128)
    assert json.dumps([one.as_dict() for one in verdicts], allow_nan=False)
    assert all(one.words and one.why for one in verdicts)


def test_a_bundled_models_slice_is_more_usual_than_the_same_slice_blurred(judges):
    from cmr_synth.generators import zoo
    from cmr_synth.generators.interface import Condition, Images

    mask = drawn_sample(1, 2).labels[1]
    model = zoo.load("flow-fast")
    asked = [Condition(mask=mask, z=0.5, vendor="siemens", phase="ED")]
    *_, made = model.generator.sample(asked, seed=0)
    assert isinstance(made, Images)
    picture = made.pixels[0]
    good, _ = judge(picture, mask, "siemens", *judges)
    bad, _ = judge(gaussian_filter(picture, 1.5), mask, "siemens", *judges)
    place = [one[-1].places[0].percentile for one in (good, bad)]
    assert place[0] < 97.5 < place[1]


def test_empty_slices_and_other_weights_are_refused(judges):
    reference, segmenter, encoder = judges
    mask = drawn_sample(1, 1).labels[0]
    with pytest.raises(InputError, match="is empty"):
        judge(np.zeros((128, 128)), mask, "siemens", *judges)
    other = Encoder(encoder.network, hash="0" * 64)
    with pytest.raises(InputError, match="measured with other weights"):
        judge(np.eye(128), mask, "siemens", reference, segmenter, other)


def test_a_damaged_reference_is_told(tmp_path):
    (tmp_path / "r.npz").write_bytes(b"PK broken")
    with pytest.raises(InputError, match="install the program again"):
        load_real_reference(tmp_path / "r.npz")
