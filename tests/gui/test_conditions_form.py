"""The form of conditions: what is entered is asked of the engine, and defaults are the engine's."""

from __future__ import annotations

from dataclasses import fields

import pytest

pytest.importorskip("qtpy", reason="Qt is not installed; the extra [app] brings it")

from cmr_synth.errors import InputError
from cmr_synth.generators.phenotypes import Phenotype
from cmr_synth.synthesis.request import Request
from napari_cmr_synth import _models
from napari_cmr_synth._conditions_form import PAINT_SCAR, TOGETHER, ConditionsForm


@pytest.fixture
def form(viewer, qtbot):
    """The form on its own, shown."""
    widget = ConditionsForm()
    qtbot.addWidget(widget)
    widget.show()
    return widget


def test_untouched_it_asks_for_what_the_engine_does_by_default(form):
    asked, default = form.request(labels=None, single=True), Request()
    apart = {f.name for f in fields(Request) if getattr(asked, f.name) != getattr(default, f.name)}
    assert apart <= {"batch"} and asked.batch == TOGETHER


def test_what_is_entered_is_asked_for(form):
    form.vendor.setCurrentIndex(form.vendor.findData("ge"))
    form.phase.setCurrentIndex(form.phase.findData("ES"))
    form.position.setValue(0.25)
    form.guidance.setValue(1.5)
    form.steps.setValue(3)
    form.seed.setText("12")
    form.variants.setValue(2)
    asked = form.request(labels="acdc", single=True)
    assert (asked.vendor, asked.phase, asked.z, asked.labels) == ("ge", "ES", 0.25, "acdc")
    assert (asked.guidance, asked.steps, asked.seed, asked.n) == (1.5, 3, 12, 2)
    assert form.request(labels="acdc", single=False).z is None


def test_a_model_of_late_enhancement_says_where_scar_is_painted(form):
    form.model.setCurrentIndex(form.model.findData("flow-lge"))
    assert form.guess.isVisibleTo(form) and form.guess.text() == PAINT_SCAR
    form.model.setCurrentIndex(form.model.findData("flow"))
    assert PAINT_SCAR not in form.guess.text()


def test_a_seed_too_large_is_refused(form):
    form.seed.setText(str(2**63))
    with pytest.raises(InputError, match="seed"):
        form.request(labels=None, single=True)


@pytest.mark.parametrize(
    ("takes", "shown"),
    [
        ({"mask", "sampler"}, {"sampler"}),
        ({"prompt"}, {"prompt"}),
        ({"sampler", "prompt", "z"}, {"sampler", "prompt"}),
        ({"mask", "vendor"}, set()),
    ],
)
def test_sampler_and_prompt_are_there_if_the_family_takes_them(form, monkeypatch, takes, shown):
    monkeypatch.setitem(_models._takes, form.card.family, frozenset(takes))
    family = form.family
    family.show_model(form.card.name)
    form.advanced.expand(animate=False)
    family.sampler.setText("heun")
    family.prompt.setText("a heart")
    assert form.steps.isVisible()
    for word, field in (("sampler", family.sampler), ("prompt", family.prompt)):
        assert field.isVisible() == (word in shown)
    asked = form.request(labels=None, single=True)
    assert asked.sampler == ("heun" if "sampler" in shown else None)
    assert asked.prompt == ("a heart" if "prompt" in shown else None)


def test_opening_advanced_learns_what_the_family_takes(form, qtbot, monkeypatch):
    monkeypatch.setattr(_models, "_takes", {})
    family = form.family
    family.show_model(form.card.name)
    assert not form.advanced.isExpanded()
    with qtbot.waitSignal(family.learnt, timeout=60_000):
        form.advanced.toggleButton().click()
    assert form.steps.isVisible()
    assert _models.takes(form.card.name)
    assert family.sampler.isVisible() == ("sampler" in _models.takes(form.card.name))


def test_masks_in_files_are_made_whole(viewer, qtbot):
    form = ConditionsForm(of_files=True)
    qtbot.addWidget(form)
    form.show()
    assert not form.scope.isVisible() and form.position.isVisible()
    form.variants.setValue(5000)
    assert form.request(labels=None, single=True).n == 5000


def test_cohorts_are_offered_by_models_that_know_some(form, monkeypatch):
    card = form.card
    for words in ((), ("acdc", "chla")):
        known = card.conditions.model_copy(update={"cohorts": words})
        changed = card.model_copy(update={"conditions": known})
        monkeypatch.setattr(_models, "card", lambda name, changed=changed: changed)
        form._on_model()
        assert form.cohort.isVisible() == bool(words)
        assert form.request(labels=None, single=True).cohort is None
    form.cohort.setCurrentIndex(form.cohort.findData("chla"))
    assert form.request(labels=None, single=True).cohort == "chla"


def test_contrasts_are_offered_by_models_that_make_several(form, monkeypatch):
    card = form.card
    for words in ((), ("cine", "lge")):
        known = card.conditions.model_copy(update={"contrasts": words})
        changed = card.model_copy(update={"conditions": known})
        monkeypatch.setattr(_models, "card", lambda name, changed=changed: changed)
        form._on_model()
        assert form.contrast.isVisible() == bool(words)
        assert form.request(labels=None, single=True).contrast is None
    form.contrast.setCurrentIndex(form.contrast.findData("lge"))
    assert "late gadolinium" in form.contrast.currentText()
    assert form.request(labels=None, single=True).contrast == "lge"


def test_measurements_of_the_heart_are_asked_of_models_that_know_them(form, monkeypatch):
    card = form.card
    known = (
        Phenotype(name="ef", mean=50, sd=15, low=12, high=75, patients=74),
        Phenotype(name="mass_edv", mean=0.9, sd=0.4, low=0.4, high=2.6, patients=74),
    )
    for phenotypes in ((), known, known[:1]):
        words = card.conditions.model_copy(update={"phenotypes": phenotypes})
        changed = card.model_copy(update={"conditions": words})
        monkeypatch.setattr(_models, "card", lambda name, changed=changed: changed)
        form._on_model()
        assert form.heart.isVisible() == bool(phenotypes)
        assert list(form.heart.fields) == [one.name for one in phenotypes]
        if phenotypes == known:
            assert form.request(labels=None, single=True).phenotypes == ()
            assert form.heart.fields["ef"].text() == "open"
            form.heart.fields["ef"].setValue(35)
            form.heart.fields["mass_edv"].setValue(1.25)
            asked = form.request(labels=None, single=True)
            assert asked.phenotypes == (("ef", 35.0), ("mass_edv", 1.25))
            assert not form.guess.isVisible()
    # what the next model knows too stays as it was entered
    assert form.request(labels=None, single=True).phenotypes == (("ef", 35.0),)
    form.heart.fields["ef"].setValue(90)
    assert form.guess.isVisible() and "what comes out is a guess" in form.guess.text()
    form.heart.fields["ef"].setValue(0)
    assert not form.guess.isVisible()
    assert form.request(labels=None, single=True).phenotypes == ()


def test_spacing_and_mirror_are_asked_for(form):
    from cmr_synth.imaging.heart_side import MIRRORS

    given = form.request(labels=None, single=False)
    assert (given.spacing, given.mirror) == (None, "auto")
    offered = [form.mirror.itemData(i) for i in range(form.mirror.count())]
    assert offered == list(MIRRORS)
    form.spacing.setText("1,4x1,4x8")
    form.mirror.setCurrentIndex(offered.index("half-turn"))
    given = form.request(labels=None, single=False)
    assert (given.spacing, given.mirror) == ((8.0, 1.4, 1.4), "half-turn")
    form.spacing.setText("wide")
    with pytest.raises(InputError, match="columns x rows x slices"):
        form.request(labels=None, single=False)
