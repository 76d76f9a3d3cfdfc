"""Distribution metrics of samples: floors, equal sizes, refusals; and spaces by name."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism.fidelity import fidelity
from cmr_synth.evaluation.realism.inception import Inception
from cmr_synth.evaluation.realism.spaces import EncoderSpace, open_space
from cmr_synth.evaluation.sample import Sample

from ..conftest import drawn_sample


class Pixels:
    """A space of eight numbers a slice: means of bands of rows."""

    name, hash = "bands", "0" * 64
    frechet_name, kernel_name = "Frechet distance", "kernel distance"
    standardise = False

    def features(self, sample: Sample) -> np.ndarray:
        bands = sample.pixels.reshape(len(sample), 8, -1)
        return 10 * bands.mean(axis=2).astype(np.float64)

    def shares(self, sample: Sample) -> None:
        return None


@pytest.fixture(scope="module")
def samples():
    held_out = drawn_sample(8, 6, prefix="h", seed=0)
    other = drawn_sample(10, 6, prefix="o", seed=50)
    return held_out, other


def test_the_same_slices_are_at_the_floor(samples):
    held_out, other = samples
    found = fidelity(held_out, held_out, other, Pixels())
    assert found.estimates["kernel"].value == pytest.approx(0, abs=1e-9)
    for name in ("frechet", "precision", "recall", "density", "coverage", "class_score"):
        assert found.estimates[name].value == pytest.approx(found.estimates[name].floor)
    ratio = found.estimates["frechet_ratio"]
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1, 1, 1))
    assert ratio.floor_low < ratio.floor < ratio.floor_high and np.isnan(ratio.null)
    assert found.estimates["frechet"].floor > 0 and found.slices == 48 and found.patients == 8


def test_the_ratio_is_the_distance_over_its_floor(samples):
    held_out, other = samples
    found = fidelity(drawn_sample(8, 6, prefix="h", seed=90), held_out, other, Pixels()).estimates
    assert found["frechet_ratio"].value == pytest.approx(
        found["frechet"].value / found["frechet"].floor
    )


def test_the_null_is_of_one_generator_on_both_sides(samples):
    held_out, other = samples
    dim, again = (
        replace(made, pixels=0.6 * made.pixels)
        for made in (drawn_sample(8, 6, prefix="h", seed=90, noise=n) for n in (0.03, 0.031))
    )
    found = fidelity(dim, held_out, other, Pixels(), again=again).estimates["frechet_ratio"]
    assert found.value > 5 and found.null_low <= found.null <= found.null_high
    assert found.null == pytest.approx(1, abs=0.1)
    with pytest.raises(ValueError, match="has not the rows"):
        fidelity(dim, held_out, other, Pixels(), again=other)


def test_other_patients_are_at_about_the_floor_and_damage_is_far(samples):
    held_out, other = samples
    like = drawn_sample(8, 6, prefix="h", seed=90)
    near = fidelity(like, held_out, other, Pixels())
    dim = replace(like, pixels=0.6 * like.pixels)
    far = fidelity(dim, held_out, other, Pixels())
    assert far.estimates["frechet_ratio"].value > 5 * near.estimates["frechet_ratio"].value
    assert far.estimates["kernel"].low > near.estimates["kernel"].high
    ratio = near.estimates["frechet_ratio"]
    assert ratio.low <= ratio.value <= ratio.high
    assert json.dumps(far.as_dict(), allow_nan=False)


def test_one_repeated_picture_is_precise_and_recalls_next_to_nothing(samples):
    held_out, other = samples
    collapsed = replace(held_out, pixels=np.repeat(held_out.pixels[:1], len(held_out), axis=0))
    found = fidelity(collapsed, held_out, other, Pixels())
    value = {name: one.value for name, one in found.estimates.items()}
    assert value["precision"] > 0.8 and value["recall"] < 0.05
    assert np.isfinite(value["frechet"]) and np.isfinite(value["class_score"])


def test_the_order_of_slices_changes_nothing(samples):
    held_out, other = samples
    made = drawn_sample(8, 6, prefix="h", seed=90)
    order = np.random.default_rng(0).permutation(len(made))
    a = fidelity(made, held_out, other, Pixels())
    b = fidelity(made.take(order), held_out, other, Pixels())
    for name in ("frechet", "kernel"):
        assert b.estimates[name].value == pytest.approx(a.estimates[name].value, rel=1e-9)


def test_unequal_sets_are_cut_and_it_is_said(samples):
    held_out, other = samples
    found = fidelity(drawn_sample(6, 6, prefix="h", seed=9), held_out, other, Pixels())
    assert found.slices == 36 and "cut to 36 slices" in found.notes[0]


def test_too_few_slices_for_the_features_leave_the_kernel_distance(samples):
    held_out, other = samples
    found = fidelity(drawn_sample(8, 6, prefix="h", seed=9), held_out, other, EncoderSpace())
    assert "frechet" not in found.estimates and found.slices_needed == 97
    assert "need 97 slices in each half of the patients; 8 patients have 24" in found.notes[-1]
    assert "about 33 patients like these are needed" in found.notes[-1]
    assert np.isfinite(found.estimates["kernel"].value)


def test_radiomics_are_standardised_and_see_blur(samples):
    from scipy.ndimage import gaussian_filter

    held_out, other = samples
    made = drawn_sample(8, 6, prefix="h", seed=90)
    blurred = replace(made, pixels=gaussian_filter(made.pixels, (0, 1, 1)))
    space = open_space("radiomics")
    near, far = (fidelity(one, held_out, other, space) for one in (made, blurred))
    assert far.estimates["kernel"].value > 3 * abs(near.estimates["kernel"].value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.take(np.arange(10)), "need 30 at least"),
        (lambda s: drawn_sample(1, 36), "has 1 patient; .* need 6 at least"),
        (lambda s: drawn_sample(5, 8), "has 5 patients; .* need 6 at least"),
        (lambda s: drawn_sample(6, 6, size=96), "pictures differ in size"),
    ],
)
def test_bad_samples_are_refused(samples, change, message):
    held_out, other = samples
    with pytest.raises(InputError, match=message):
        fidelity(change(held_out), held_out, other, Pixels())


def test_patients_on_both_sides_are_listed(samples):
    held_out, _ = samples
    with pytest.raises(InputError, match="8 patients are both in .*drawn h0"):
        fidelity(held_out, held_out, held_out, Pixels())


def test_fid_needs_the_weights_that_it_is_defined_by(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "some.safetensors")
    with pytest.raises(InputError, match="not the weights of FID's InceptionV3"):
        open_space(str(tmp_path / "some.safetensors"))
    (tmp_path / "fid.pth").write_bytes(b"cos\nsystem\n")
    with pytest.raises(InputError, match="never opened"):
        open_space(str(tmp_path / "fid.pth"))
    with pytest.raises(InputError, match="no feature space; known are encoder"):
        open_space("imagenet")
    assert Inception.__doc__


def test_the_encoders_identity_is_the_hash_of_its_weights():
    from cmr_synth.files import sha256
    from cmr_synth.judges.encoder import BUNDLED

    assert open_space("encoder").hash == sha256(BUNDLED / "weights.safetensors")
