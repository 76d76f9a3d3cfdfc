"""Names: who is one person by them, and who is not."""

from __future__ import annotations

import pytest

from cmr_synth.cohorts.people import named_alike
from cmr_synth.cohorts.splits import split_patients
from cmr_synth.errors import InputError


@pytest.mark.parametrize(
    "names",
    [
        ("pat00-ED", "pat00-ES"),
        ("pat00ED", "pat00ES"),
        ("pat00", "pat00-es"),
        ("pat00.diastole", "pat00.systole"),
        ("pat00-frame01", "pat00-frame12"),
        ("sub-7-ses-baseline", "sub-7-ses-followup"),
        ("sub-7-visit1", "sub-7-visit2", "sub-7-visit3"),
        ("A 7 V1", "A 7 V2"),
        ("pat00-pre", "pat00-post"),
    ],
    ids=str,
)
def test_a_phase_or_a_visit_tells_nobody_apart(names):
    assert named_alike([*names, "pat01-ED", "other"]) == [tuple(sorted(names))]
    with pytest.raises(InputError, match=f"1 person .*{names[0]}.*cohort.csv"):
        split_patients(dict.fromkeys(names))
    again = {name: names[0] for name in names[1:]}
    assert not named_alike(names, again)
    assert len(set(split_patients(dict.fromkeys(names), same_person=again).values())) == 1


@pytest.mark.parametrize(
    "names",
    [
        [f"patient{k:03}" for k in range(1, 151)],
        [f"Sbj{k}" for k in range(70)],
        [f"SC-{kind}-{k:02}" for kind in ("HF-I", "HF-NI", "HYP", "N") for k in range(12)],
        [f"v{k:02}" for k in range(40)],  # volunteers
        ["ED", "ES"],
        ["A", "B"],
        ["ines", "in", "ted", "t"],
        [f"s0p{k:02}" for k in range(20)],
    ],
    ids=lambda names: names[0],
)
def test_names_of_different_people_are_no_finding(names):
    assert named_alike(names) == []


def test_many_are_listed_in_part():
    names = [f"pat{k:02}-{phase}" for k in range(12) for phase in ("ED", "ES")]
    with pytest.raises(InputError, match="12 people .*pat09-ED, pat09-ES; and 2 more"):
        split_patients(dict.fromkeys(names))
