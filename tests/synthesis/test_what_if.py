"""The same mask several ways: each scan is the one that `synthesize` makes of it alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.what_if import across_seeds, across_vendors


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> zoo.Model:
    return zoo.load(tiny_model)


@pytest.fixture(scope="module")
def mask() -> Scan:
    labels = draw_stack(slices=3, shape=(128, 128))
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    return Scan(array=labels, spacing=(8.0, 1.5, 1.5), affine=affine, name="heart")


def scans(items) -> list[Synthetic]:
    return [item for item in items if isinstance(item, Synthetic)]


@pytest.mark.parametrize("slices", [None, [1]])
def test_only_the_vendor_differs(model: zoo.Model, mask: Scan, slices: list[int] | None) -> None:
    made = scans(across_vendors(mask, model, Request(seed=3, phase="ES"), slices=slices))
    assert [each.record["vendor"] for each in made] == list(model.card.conditions.vendors)
    assert {each.record["seed"] for each in made} == {3}
    for each in made:
        (alone,) = scans(
            synthesize(
                mask,
                model,
                Request(vendor=each.record["vendor"], seed=3, phase="ES"),
                slices=slices,
            )
        )
        np.testing.assert_array_equal(each.scan.array, alone.scan.array)
    assert np.abs(made[0].scan.array - made[1].scan.array).max() > 1e-3


def test_each_seed_can_be_made_again_alone(model: zoo.Model, mask: Scan) -> None:
    made = scans(across_seeds(mask, model, Request(n=3, seed=7, vendor="ge"), slices=[1]))
    assert [each.record["seed"] for each in made] == [7, 8, 9]
    for each in made:
        request = Request(seed=each.record["seed"], vendor="ge")
        (alone,) = scans(synthesize(mask, model, request, slices=[1]))
        np.testing.assert_array_equal(each.scan.array, alone.scan.array)
    assert np.abs(made[0].scan.array - made[1].scan.array).mean() > 1e-3


def test_progress_runs_over_all_of_them(model: zoo.Model, mask: Scan) -> None:
    items = list(across_seeds(mask, model, Request(n=3, batch=2)))
    shares = [item.step / item.steps for item in items if isinstance(item, Progress)]
    assert shares == sorted(shares) and len(set(shares)) == len(shares) and shares[-1] == 1
    firsts = [i for i, item in enumerate(items) if isinstance(item, Synthetic)]
    assert firsts[0] < len(items) // 2, "a scan is there before all are made"


def test_chosen_vendors_come_in_the_order_given(model: zoo.Model, mask: Scan) -> None:
    made = scans(across_vendors(mask, model, vendors=["ge", "siemens"], slices=[1]))
    assert [each.record["vendor"] for each in made] == ["ge", "siemens"]


def test_bad_input_is_refused_before_anything_is_made(model: zoo.Model, mask: Scan) -> None:
    with pytest.raises(InputError, match="vendor 'canon'"):
        across_vendors(mask, model, vendors=["siemens", "canon"])
    with pytest.raises(InputError, match="trained without vendors"):
        across_vendors(mask, model, vendors=[])
    with pytest.raises(InputError, match="n: 0 given"):
        across_seeds(mask, model, Request(n=0))
