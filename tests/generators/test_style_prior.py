"""The prior of styles: a Gaussian given what is known about a picture, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.generators.spade_gan.prior import SIDE, StylePrior
from cmr_synth.generators.vocabulary import Vocabulary

WIDTH = 6
VOCABULARY = Vocabulary(vendors=("siemens", "ge"), phases=("ED", "ES"))


def masks_at(columns) -> torch.Tensor:
    """(n, 4, 32, 32): a round LV in a column of fields, on background."""
    made = torch.zeros(len(columns), 4, 32, 32)
    made[:, 0] = 1
    for mask, column in zip(made, columns, strict=True):
        here = slice(8 * column + 1, 8 * column + 7)
        mask[0, 12:20, here], mask[1, 12:20, here] = 0, 1
    return made


def learned(n=4000, *, noise=0.2) -> StylePrior:
    """Of styles that follow the place of the heart, the vendor and z."""
    rng = np.random.default_rng(0)
    columns, vendors = rng.integers(0, SIDE, n), rng.integers(0, 2, n)
    z = rng.random(n)
    styles = noise * torch.from_numpy(rng.standard_normal((n, WIDTH))).float()
    styles[:, 0] += torch.from_numpy(columns)
    styles[:, 1] += torch.from_numpy(4.0 * vendors)
    styles[:, 2] += torch.from_numpy(3.0 * z)
    conditions = [
        {"vendor": VOCABULARY.vendors[v], "z": float(height)}
        for v, height in zip(vendors, z, strict=True)
    ]
    prior = StylePrior(WIDTH, VOCABULARY)
    masks = masks_at(columns)
    # the second pass has the mean that the first has found
    prior.update(styles, masks, conditions, 1.0)
    prior.update(styles, masks, conditions, 1.0)
    return prior


@pytest.fixture(scope="module")
def prior() -> StylePrior:
    return learned()


def draws(n=500) -> torch.Tensor:
    return torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(1))


def test_before_it_has_learned_it_is_standard_normal():
    prior, draw = StylePrior(WIDTH, VOCABULARY), draws()
    found = prior(draw, masks_at([1] * 500), [{"vendor": "ge", "z": 0.5}] * 500)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(WIDTH), atol=0.15, rtol=0)
    torch.testing.assert_close(torch.cov(found.T), torch.eye(WIDTH), atol=0.2, rtol=0)


def test_styles_follow_what_is_known(prior):
    for column, vendor, z in ((0, "siemens", 0.1), (3, "ge", 0.9)):
        found = prior(draws(), masks_at([column] * 500), [{"vendor": vendor, "z": z}] * 500)
        wanted = torch.tensor([column, 4.0 * (vendor == "ge"), 3 * z])
        torch.testing.assert_close(found[:, :3].mean(dim=0), wanted, atol=0.1, rtol=0)
        assert found.std(dim=0).numpy() == pytest.approx([0.2] * WIDTH, abs=0.05)


def test_what_is_not_known_spreads(prior):
    open_mask = torch.zeros(500, 4, 32, 32)
    nothing = prior(draws(), open_mask, [{}] * 500)
    assert nothing[:, 0].std().item() == pytest.approx(np.std(range(SIDE)), rel=0.15)
    assert nothing[:, 1].std().item() == pytest.approx(2.0, rel=0.15)
    for empty in ({"vendor": "", "z": None}, {"vendor": None}, {"vendor": "acme"}):
        torch.testing.assert_close(prior(draws(), open_mask, [empty] * 500), nothing)
    mask_alone = prior(draws(), masks_at([2] * 500), [{}] * 500)
    assert mask_alone[:, 0].std() < 0.5 and mask_alone[:, 1].std() > 1.5


def test_a_style_depends_on_its_own_picture_alone(prior):
    draw = draws(3)
    masks = torch.cat([masks_at([0, 3]), torch.zeros(1, 4, 32, 32)])
    asked = [{"vendor": "ge"}, {"z": 0.2}, {}]
    whole = prior(draw, masks, asked)
    for i in range(3):
        alone = prior(draw[i : i + 1], masks[i : i + 1], asked[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i])


def test_what_is_remembered_follows_the_moments(prior):
    draw, mask = draws(1), masks_at([1])
    prior = learned(400)
    first = prior(draw, mask, [{}])
    prior.update(torch.full((8, WIDTH), 9.0), masks_at([1] * 8), [{}] * 8, 0.5)
    assert (prior(draw, mask, [{}]) - first).abs().max() > 0.5
    prior.load_state_dict(learned(400).state_dict())
    torch.testing.assert_close(prior(draw, mask, [{}]), first)


def test_half_precision_keeps_it(prior):
    halved = StylePrior(WIDTH, VOCABULARY)
    halved.load_state_dict({k: v.half().float() for k, v in prior.state_dict().items()})
    asked = (draws(50), masks_at([2] * 50), [{"vendor": "ge", "z": 0.4}] * 50)
    torch.testing.assert_close(halved(*asked), prior(*asked), atol=0.05, rtol=0)


def test_moments_are_learned_in_full_where_networks_are_not():
    """A training in bf16 runs the update under autocast."""
    whole, half = StylePrior(WIDTH, VOCABULARY), StylePrior(WIDTH, VOCABULARY)
    styles, masks, known = draws(40), masks_at([1] * 40), [{"vendor": "ge", "z": 0.5}] * 40
    whole.update(styles, masks, known, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        half.update(styles, masks, known, 0.5)
    torch.testing.assert_close(half.moments, whole.moments, rtol=0, atol=0)


def test_the_covariance_is_symmetric_and_whole(prior):
    whole = prior.covariance
    torch.testing.assert_close(whole, whole.T)
    assert torch.linalg.eigvalsh(whole.double()).min() > -1e-4
