"""Likeness by mask told from likeness by texture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmr_synth.evaluation.sample import Sample, joined
from cmr_synth.generators.interface import Images
from cmr_synth.generators.noise import noise_for
from cmr_synth.privacy.audit import NeighbourAudit, audit_neighbours
from cmr_synth.privacy.explain import explain


class FromMask:
    """Draws the mask in surroundings that follow from the seed alone."""

    shape = (128, 128)
    takes = frozenset({"mask"})

    def sample(self, conditions, *, seed, indices, **options) -> Iterator[Images]:
        made = []
        for condition, index in zip(conditions, indices, strict=True):
            ground = gaussian_filter(noise_for(seed, index, self.shape), 6)
            ground = 0.35 + 0.3 * ground / np.abs(ground).max()
            made.append(np.clip(ground + np.array([0, 0.45, -0.05, 0.4])[condition.mask], 0, 1))
        yield Images(np.stack(made).astype(np.float32))


class FromPatient(FromMask):
    """Draws the patient whose mask it is given, whatever the seed."""

    def __init__(self, sample: Sample):
        self.known = {labels.tobytes(): p for labels, p in zip(sample.labels, sample.pixels)}  # noqa: B905

    def sample(self, conditions, *, seed, indices, **options) -> Iterator[Images]:
        made = [self.known[np.ascontiguousarray(one.mask).tobytes()] for one in conditions]
        noise = [0.02 * noise_for(seed, k, self.shape) for k in indices]
        yield Images(np.clip(np.stack(made) + np.stack(noise), 0, 1).astype(np.float32))


@pytest.fixture(scope="module")
def audited(archive, real, detector) -> NeighbourAudit:
    """Copies of two patients, and honest pictures from masks of the archive."""
    honest = real.take(np.arange(30, 36))
    conditions = [type("C", (), {"mask": labels}) for labels in honest.labels]
    (made,) = FromMask().sample(conditions, seed=11, indices=range(6))
    sample = joined(
        [real.take(np.arange(2)), Sample("made", made.pixels, honest.labels, honest.rows, 1.5)],
        name="mixed",
    )
    return audit_neighbours(sample, archive, detector, None)


def test_copies_resemble_by_texture_and_honest_pictures_by_mask(audited, archive, detector):
    *progress, explained = explain(audited, archive, detector, FromMask(), count=5)
    assert len(explained.counterfactuals) == 8 and progress[-1].step == 40
    leaks = {i: one.leak for i, one in explained.counterfactuals.items()}
    assert leaks[0] == leaks[1] == "texture"
    assert all(leaks[i] == "mask" for i in range(2, 8))
    assert explained.leaks() == {"mask": 6, "texture": 2, "texture of a part": 0}
    one = explained.counterfactuals[0]
    assert one.rank == 1 and one.distance < 0.1 < one.others.min()
    assert explained.as_dict(archive)["each"][0]["counterfactual"]["leak"] == "texture"


def test_a_model_that_always_draws_the_patient_of_a_mask_leaks_through_the_mask(
    audited, archive, real, detector
):
    """Every picture of the mask is as near: texture is bound to the mask, which the words say."""
    *_, explained = explain(audited, archive, detector, FromPatient(real), count=5, most=2)
    assert {one.leak for one in explained.counterfactuals.values()} <= {"mask", "texture"}
    one = explained.counterfactuals[0]
    assert one.others.max() < 0.6


def test_the_most_suspicious_slices_are_looked_at(audited, archive, detector):
    *_, explained = explain(audited, archive, detector, FromMask(), count=1, most=2)
    assert set(explained.counterfactuals) == {0, 1}
