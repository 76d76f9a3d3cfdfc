"""What a segmenter learns from slices of which not everything was drawn."""

import pytest
import torch
from torch.nn import functional

from cmr_synth.anatomy.labels import INFARCT, LV, MYO, NO_REFLOW, RV, UNLABELLED
from cmr_synth.judges.segmenter import SegmenterConfig
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.segmenter import SegmenterTask, known_labels, possible
from cmr_synth.training.recipe import Recipe

CINE = (0, LV, MYO, RV)
LGE = SegmenterConfig(structures=("LV", "MYO", "infarct", "no-reflow"), contrast="lge")


def labels_of(*rows):
    return torch.tensor([rows])


def loss_of(scores, labels, partial, dice="picture"):
    recipe = Recipe(
        name="segmenter", family="segmenter", images=8, model={"filters": [4, 8, 8]},
        loss={"partial": partial, "dice": dice},
    )  # fmt: skip
    task = SegmenterTask(recipe)
    task.networks = {"segmenter": lambda images: scores}
    seen = torch.ones(len(labels), 1, *labels.shape[1:])
    ((_, loss),) = task.losses(Batch(seen, labels, seen, ({},), ()))
    return loss


def test_what_was_drawn_can_be_nothing_else():
    for marginal in (True, False):
        may_be = possible(labels_of([0, LV], [MYO, RV]), CINE, marginal=marginal)
        assert may_be.sum(dim=1).eq(1).all() and may_be[0, LV, 0, 1] and may_be[0, RV, 1, 1]


def test_what_nobody_drew_may_be_anything_or_what_its_slice_has_not():
    labels = labels_of([LV, UNLABELLED], [RV, UNLABELLED])
    assert possible(labels, CINE, marginal=False)[0, :, 0, 1].tolist() == [True] * 4
    assert possible(labels, CINE, marginal=True)[0, :, 0, 1].tolist() == [True, False, True, False]


def test_scar_is_told_from_the_wall_by_who_knows_it():
    assert LGE.labels == (0, LV, MYO, INFARCT, NO_REFLOW)
    labels = labels_of([LV, MYO, INFARCT], [RV, NO_REFLOW, UNLABELLED])
    assert known_labels(labels, LGE).tolist() == [[[LV, MYO, INFARCT], [0, NO_REFLOW, UNLABELLED]]]
    assert known_labels(labels, SegmenterConfig()).tolist() == [
        [[LV, MYO, MYO], [RV, MYO, UNLABELLED]]
    ]


def test_where_the_wall_was_drawn_nobody_left_scar_undrawn():
    labels = labels_of([LV, MYO], [MYO, UNLABELLED])
    hidden = possible(labels, LGE.labels, marginal=True)[0, :, 1, 1]
    assert hidden.tolist() == [True, False, False, False, False]
    without_wall = labels_of([LV, LV], [LV, UNLABELLED])
    hidden = possible(without_wall, LGE.labels, marginal=True)[0, :, 1, 1]
    assert hidden.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("partial", ["ignored", "marginal"])
def test_with_everything_drawn_the_loss_is_that_of_dice_and_cross_entropy(partial):
    torch.manual_seed(0)
    scores, labels = 5 * torch.randn(1, 4, 8, 8), torch.randint(0, 4, (1, 8, 8))
    shares, truth = scores.softmax(1), functional.one_hot(labels, 4).permute(0, 3, 1, 2)
    overlap, total = ((x[:, 1:]).sum(dim=(2, 3)) for x in (shares * truth, shares + truth))
    expected = (
        functional.cross_entropy(scores, labels) + (1 - (2 * overlap + 10) / (total + 10)).mean()
    )
    assert loss_of(scores, labels, partial)[0] == pytest.approx(float(expected), abs=1e-5)


def test_the_dice_of_a_batch_is_of_all_its_pictures_together():
    torch.manual_seed(0)
    scores, labels = 5 * torch.randn(3, 4, 8, 8), torch.randint(0, 4, (3, 8, 8))
    labels[:2][labels[:2] == RV] = MYO  # only the last picture has one
    shares, truth = scores.softmax(1), functional.one_hot(labels, 4).permute(0, 3, 1, 2)
    overlap, total = ((x[:, 1:]).sum(dim=(0, 2, 3)) for x in (shares * truth, shares + truth))
    dice = (1 - (2 * overlap + 10) / (total + 10)).mean()
    entropy = functional.cross_entropy(scores, labels, reduction="none").mean(dim=(1, 2))
    torch.testing.assert_close(loss_of(scores, labels, "ignored", "batch"), entropy + dice)


def test_unlabelled_pixels_count_for_nothing_if_they_are_ignored():
    labels = torch.full((1, 8, 8), UNLABELLED)
    labels[0, :4] = LV
    scores = torch.randn(1, 4, 8, 8)
    other = scores.clone()
    other[0, :, 4:] = 10 * torch.randn(4, 4, 8)
    same = [loss_of(one, labels, "ignored") for one in (scores, other)]
    assert torch.allclose(*same)


def test_a_cavity_found_outside_the_drawn_one_costs_and_an_undrawn_wall_does_not():
    labels = torch.full((1, 8, 8), UNLABELLED)
    labels[0, :4] = LV
    wall, cavity = (torch.full((1, 4, 8, 8), -9.0) for _ in range(2))
    wall[0, LV, :4] = cavity[0, LV, :4] = 9
    wall[0, MYO, 4:] = cavity[0, LV, 4:] = 9
    assert float(loss_of(wall, labels, "marginal")) < 0.01
    assert float(loss_of(cavity, labels, "marginal")) > 1
    assert float(loss_of(cavity, labels, "ignored")) < 0.01


def test_where_nothing_is_known_nothing_is_learned():
    labels = torch.full((1, 8, 8), UNLABELLED)
    assert float(loss_of(torch.randn(1, 4, 8, 8), labels, "marginal")) == pytest.approx(0, abs=1e-6)
