"""The table of metrics: lazy, one name once, and whoever is at fault is named in one line."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from cmr_synth import extensions
from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism import metrics as table
from cmr_synth.evaluation.realism.card_facts import card_facts
from cmr_synth.evaluation.realism.contract import Declared, NotMeasured, Truths
from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.fidelity import fidelity
from cmr_synth.evaluation.realism.metrics import Found, load_metric, measure, metrics, usable
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.generators.interface import Progress
from cmr_synth.reports.fidelity import table_of

from ..conftest import drawn_sample
from .test_fidelity import Pixels


def brightness(sets: Sets) -> Estimate:
    """How much brighter synthetic slices are."""
    made, real, more = (s.pixels.mean() for s in (sets.synthetic, sets.held_out, sets.other))
    return Estimate(float(made - real), np.nan, np.nan, float(more - real), sets.patients)


def told_of(sets: Sets):
    """The same, after a while."""
    yield Progress(1, 2)
    yield Progress(2, 2)
    yield brightness(sets)


def declared(measured, *, name="theirs", needs=("pixels",)) -> Declared:
    return Declared(
        name=name,
        heading="Brightness",
        sentence="mean of the synthetic pixels less that of real ones",
        measure=measured,
        needs=frozenset(needs),
        truths=Truths(identity=0.0, worse="higher"),
    )


def raises(sets):
    raise RuntimeError("no licence\nfor this")


def short(sets):
    raise NotMeasured("no brightness: it is dark")


THEIRS = declared(brightness)
OF_FEATURES = declared(brightness, needs=("features",))
LONG = declared(told_of)
RAISES = declared(raises)
WRONG = declared(lambda sets: 0.5)
SHORT = declared(short)
MISNAMED = declared(brightness, name="ours")
NEEDY = declared(brightness, needs=("money",))
BARE = object()


@pytest.fixture
def theirs(monkeypatch):
    """Declare a place as a metric called "theirs"."""

    def declare(place: str) -> None:
        entry = EntryPoint("theirs", f"{__name__}:{place}" if ":" not in place else place, "g")
        monkeypatch.setattr(extensions, "entry_points", lambda group: [entry])

    return declare


@pytest.fixture(scope="module")
def sets() -> Sets:
    return Sets(
        drawn_sample(6, 6, prefix="h", seed=9),
        drawn_sample(6, 6, prefix="h"),
        drawn_sample(8, 6, prefix="o", seed=50),
        Pixels(),
    )


def found(sets: Sets) -> Found:
    *_, last = measure(sets, {"theirs": load_metric("theirs")})
    assert isinstance(last, Found)
    return last


def test_nothing_is_imported_before_load():
    assert metrics()["kernel"].value == table.BUILT_IN["kernel"]


def test_a_metric_declared_twice_is_an_error(monkeypatch):
    other = EntryPoint("kernel", "elsewhere:KERNEL", table.GROUP)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [other])
    with pytest.raises(ValueError, match="metric 'kernel' is declared twice: .*elsewhere:KERNEL"):
        metrics()


def test_an_unknown_name_lists_those_known():
    with pytest.raises(InputError, match="no metric is called 'fid'; known are .*frechet"):
        load_metric("fid")


def test_another_packages_metric_is_measured_and_has_a_column(theirs, sets):
    theirs("THEIRS")
    chosen, remarks = usable(("pixels",))
    assert "theirs" in chosen and not remarks
    one = found(sets).estimates["theirs"]
    shown = table_of({"a model": {"theirs": one}})
    assert list(shown.columns) == ["Candidate", "Brightness"]
    assert shown.rows[0][1] == f"{one.value:.3f} ({one.floor:.3f})"


def test_a_ratio_has_columns_for_other_patients_and_for_its_null():
    one = Estimate(1.2, 1.0, 1.5, 1.02, 20, 0.8, 1.3, null=0.99, null_low=0.9, null_high=1.1)
    without = replace(one, null=np.nan, null_low=np.nan, null_high=np.nan)
    shown = table_of({"a": {"frechet_ratio": one}, "b": {"frechet_ratio": without}})
    assert list(shown.columns) == ["Candidate", "Ratio", "Ratio floor", "Ratio null"]
    assert shown.rows == [
        ["a", "1.20 [1.00, 1.50]", "1.02 [0.80, 1.30]", "0.99 [0.90, 1.10]"],
        ["b", "1.20 [1.00, 1.50]", "1.02 [0.80, 1.30]", "–"],
    ]
    assert "null" not in without.as_dict() and one.as_dict()["null_high"] == 1.1
    facts = card_facts("a space", "0" * 64, {"frechet_ratio": one})
    assert facts["ratio_to_floor"] == 1.2 and facts["ratio_interval"] == [1.0, 1.5]
    assert facts["ratio_null"] == [0.99, 0.9, 1.1]
    assert facts["ratio_of_real_patients"] == [1.02, 0.8, 1.3]
    assert "ratio_null" not in card_facts("a space", "0" * 64, {"frechet_ratio": without})


def test_one_that_needs_features_is_in_every_space(theirs, sets):
    theirs("OF_FEATURES")
    measured = fidelity(sets.synthetic, sets.held_out, sets.other, Pixels())
    assert list(measured.estimates)[-1] == "theirs"
    assert measured.as_dict()["metrics"]["theirs"]["low"] is None


def test_one_that_takes_long_tells_of_it(theirs, sets):
    theirs("LONG")
    *steps, last = measure(sets, {"theirs": load_metric("theirs")})
    assert [event.step for event in steps] == [1, 2]
    assert last.estimates["theirs"] == brightness(sets)


def test_what_there_is_too_little_for_is_a_note(theirs, sets):
    theirs("SHORT")
    assert found(sets).notes == ("no brightness: it is dark",)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("package_not_there:METRIC", "ModuleNotFoundError: No module named 'package_not_there'"),
        ("BARE", "it declares no name, heading, sentence"),
        ("MISNAMED", "it calls itself 'ours'"),
        ("NEEDY", "money"),
    ],
)
def test_one_that_cannot_be_used_is_named_and_the_rest_works(theirs, sets, place, reason):
    theirs(place)
    measured = fidelity(sets.synthetic, sets.held_out, sets.other, Pixels())
    (remark,) = measured.remarks
    assert remark.startswith("metric 'theirs' of the package") and reason in remark
    assert "\n" not in remark
    assert {"frechet", "kernel", "class_score"} <= set(measured.estimates)


@pytest.mark.parametrize(
    ("place", "reason"),
    [("RAISES", "RuntimeError: no licence"), ("WRONG", "returned float, not an Estimate")],
)
def test_one_that_fails_is_named_and_the_rest_works(theirs, sets, place, reason):
    theirs(place)
    *_, last = measure(sets, {"theirs": load_metric("theirs"), "kernel": load_metric("kernel")})
    (remark,) = last.remarks
    assert remark.startswith("metric 'theirs' of the package") and reason in remark
    assert "\n" not in remark and list(last.estimates) == ["kernel"]


def test_one_of_ours_that_fails_is_not_hidden(sets):
    from dataclasses import replace

    with pytest.raises(RuntimeError, match="no licence"):
        list(measure(sets, {"kernel": replace(load_metric("kernel"), measure=raises)}))
