"""What a family does not take is refused in one line, word by word."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import TAKES, Condition
from cmr_synth.generators.refusals import HAS_NONE, refuse_untaken

GIVEN = {
    "mask": np.zeros((4, 4), np.uint8),
    "vendor": "ge",
    "phase": "ED",
    "pathology": "hcm",
    "cohort": "acdc",
    "z": 0.0,  # the base, and no matter of truth
    "phenotypes": {"ef": 35.0},
    "reference": np.zeros((4, 4), np.float32),
    "prompt": "a heart",
}


@pytest.mark.parametrize("name", GIVEN)
def test_each_condition_is_refused_by_its_name_unless_taken(name):
    asked = [Condition(), Condition(**{name: GIVEN[name]})]
    assert asked[1].stated == (name,)
    refuse_untaken("toy", {name}, asked)
    with pytest.raises(InputError, match=f"^{name}: models of 'toy' {HAS_NONE[name]}.$"):
        refuse_untaken("toy", TAKES.keys() - {name}, asked)
    assert asked[1].known_to(TAKES.keys() - {name}).stated == ()
    assert asked[1].known_to(TAKES) == asked[1] or name in ("mask", "reference")


def test_nothing_stated_is_never_refused():
    refuse_untaken("toy", (), [Condition(), Condition(prompt="")])
