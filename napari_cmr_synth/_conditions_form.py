"""Model, conditions and sampling as a form; every entry is what the model's card allows."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from cmr_synth.errors import InputError
from cmr_synth.imaging.heart_side import Mirror
from cmr_synth.imaging.spacing import spacing_of
from cmr_synth.synthesis.request import Request

from . import _models, _settings
from ._card_dialog import CardDialog
from ._family_form import FamilyForm
from ._fields import Number, WholeNumber
from ._layout import form, group, narrow_combo, show_row, side_by_side, stacked, word_wrapped
from ._messages import show_problem
from ._phenotypes_form import PhenotypesForm

if TYPE_CHECKING:
    from qtpy.QtWidgets import QComboBox

    from cmr_synth.generators.card import Card

UNSPECIFIED = "unspecified"
LARGEST_THROWN_SEED = 2**31  # short enough to read out; more can be typed
TOGETHER = 4  # images made at once: fewer than without a window, which needs memory, too
MOST_VARIANTS = 100  # that a person can look at
MOST_OF_FILES = 10_000
Scope = Literal["slice", "stack", "cine"]
"""The slice in view, all slices of the frame in view, or all slices of all frames."""
SCOPES: dict[Scope, str] = {
    "slice": "Slice in view",
    "stack": "All slices",
    "cine": "All frames",
}
MIRROR: dict[Mirror, str] = {
    "auto": "hearts on the wrong side",
    "no": "nothing",
    "left-right": "left and right",
    "top-bottom": "top and bottom",
    "half-turn": "both (half turn)",
}
TITLES = {"siemens": "Siemens", "philips": "Philips", "ge": "GE", "canon": "Canon"}


PAINT_SCAR = "Late enhancement: paint scar in the Heart mask panel, Structures, Scar..."


class ConditionsForm(QWidget):
    """What to make and how; which mask it is made of is not its concern.

    Parameters
    ----------
    of_files : bool
        For masks in files, which are made whole, so that there is no scope to choose.
    parent : QWidget, optional
    """

    changed = Signal()
    """Any entry that changes the picture."""

    def __init__(self, *, of_files: bool = False, parent: QWidget | None = None):
        super().__init__(parent)
        self._card: Card | None = None
        self._groups: dict[str, QWidget] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for title, inside in (
            ("Model", self._build_model()),
            ("Picture", self._build_conditions()),
            ("Heart", self._build_heart()),
            ("Sampling", self._build_sampling(of_files)),
        ):
            self._groups[title] = group(title, inside)
            column.addWidget(self._groups[title])
        column.addWidget(self._build_advanced())
        self._on_model()
        self._offer(self.vendor, _settings.get("vendor"))

    @property
    def card(self) -> Card | None:
        """The card of the chosen model."""
        return self._card

    def request(self, *, labels: str | None, single: bool) -> Request:
        """What the form is set to.

        Parameters
        ----------
        labels : str or None
            Meaning of the mask's numbers.
        single : bool
            Whether one slice at most is made, which then takes the position given.

        Raises
        ------
        InputError
            If the seed is no whole number or there is no model.
        """
        if self._card is None:
            raise InputError("there is no model to use; add one: cmr-synth zoo add FOLDER")
        text = self.seed.text().strip()
        if not (text.isascii() and text.isdigit()):
            raise InputError(f"seed {text!r}: give a whole number of 0 or more, or throw the dice.")
        given = single and self.position.value() >= 0
        return Request(
            model=self._card.name,
            device=_settings.device(),
            labels=labels,
            spacing=spacing_of(typed) if (typed := self.spacing.text().strip()) else None,
            mirror=self.mirror.currentData(),
            vendor=self.vendor.currentData(),
            phase=self.phase.currentData(),
            pathology=self.pathology.currentData(),
            cohort=self.cohort.currentData(),
            contrast=self.contrast.currentData(),
            z=round(self.position.value(), 3) if given else None,
            phenotypes=self.heart.asked,
            n=self.variants.value(),
            seed=int(text),
            steps=self.steps.value() or None,
            guidance=round(self.guidance.value(), 3) if self.guidance.value() >= 0 else None,
            sampler=self.family.entry("sampler"),
            prompt=self.family.entry("prompt"),
            batch=self.batch.value(),
        )

    @property
    def chosen_scope(self) -> Scope:
        """How much of the mask is made."""
        scope: Scope = self.scope.currentData()
        return scope

    def offer_scopes(self, axes: int) -> None:
        """Offer what a mask of so many axes can be made into.

        Parameters
        ----------
        axes : int
            2 for a slice, 3 for a stack, 4 for a cine.
        """
        wanted = self.scope.currentData()
        self.scope.clear()
        for least, (scope, shown) in enumerate(SCOPES.items(), start=2):
            if axes >= least:
                of_frame = " of the frame in view" if (scope, axes) == ("stack", 4) else ""
                self.scope.addItem(shown + of_frame, scope)
        at = self.scope.findData(wanted)
        self.scope.setCurrentIndex(at if at >= 0 else self.scope.count() - 1)

    def show_position(self, text: str | None, *, editable: bool = False) -> None:
        """Show the position that follows from a stack, or let it be given.

        Parameters
        ----------
        text : str or None
            None for a single slice.
        editable : bool
            Whether another one may be given in place of the stack's.
        """
        self.position.setVisible(text is None or editable)
        self.position_text.setVisible(text is not None)
        self.position_text.setText(text or "")

    def throw_dice(self) -> None:
        """Set another seed."""
        self.seed.setText(str(secrets.randbelow(LARGEST_THROWN_SEED)))

    def remember(self) -> None:
        """Make model and vendor the defaults of the next session."""
        for key, value in (
            ("model", self.model.currentData()),
            ("vendor", self.vendor.currentData() or ""),
        ):
            try:
                if _settings.get(key) != value:
                    _settings.put(key, value)
            except InputError:  # a vendor that only this model knows is no lasting default
                continue

    def _on_model(self, *_: object) -> None:
        name = self.model.currentData()
        try:
            self._card = _models.card(name) if name else None
        except InputError as error:
            self._card = None
            show_problem(error)
        card = self._card
        self.card_button.setEnabled(card is not None)
        if card is None:
            return
        self.model.setToolTip(f"{card.title}\nLicence: {card.licence}")
        for combo, words in (
            (self.vendor, card.conditions.vendors),
            (self.phase, card.conditions.phases),
            (self.pathology, card.conditions.pathologies),
            (self.cohort, card.conditions.cohorts),
            (self.contrast, card.conditions.contrasts),
        ):
            self._fill(combo, words)
        show_row(self.cohort, bool(card.conditions.cohorts))
        show_row(self.contrast, bool(card.conditions.contrasts))
        self.heart.show_model(card.conditions.phenotypes)
        self._groups["Heart"].setVisible(bool(card.conditions.phenotypes))
        self._say_what_is_a_guess()
        steps, guidance = card.default_steps, card.default_guidance
        self.steps.setSpecialValueText(f"{steps} (model's own)" if steps else "none")
        self.guidance.setSpecialValueText(
            "none" if guidance is None else f"{guidance:g} (model's own)"
        )
        self.family.show_model(card.name)
        self.changed.emit()

    def _fill(self, combo: QComboBox, words: tuple[str, ...]) -> None:
        """Offer other words; what was chosen stays so if it is among them."""
        from cmr_synth.cohorts.examination import CONTRASTS, PATHOLOGIES

        chosen = combo.currentData()
        combo.blockSignals(True)
        combo.clear()
        combo.addItem(UNSPECIFIED, None)
        for word in words:
            combo.addItem(TITLES.get(word, {**PATHOLOGIES, **CONTRASTS}.get(word, word)), word)
        combo.blockSignals(False)
        self._offer(combo, chosen)

    def _offer(self, combo: QComboBox, word: str | None) -> None:
        combo.setCurrentIndex(max(0, combo.findData(word)) if word else 0)

    def _show_card(self) -> None:
        if self._card is not None:
            CardDialog(self._card, self).show()

    def _build_model(self) -> QWidget:
        self.model = narrow_combo()
        names = _models.choices()
        for name in names:
            self.model.addItem(name, name)
        if not names:
            self.model.addItem("No model in the zoo", None)
        self._offer(self.model, _settings.get("model"))
        self.model.currentIndexChanged.connect(self._on_model)
        self.card_button = QPushButton("Card")
        self.card_button.setToolTip("Licence, training data, measured quality and limits")
        self.card_button.clicked.connect(self._show_card)
        return side_by_side(self.model, self.card_button)

    def _build_conditions(self) -> QWidget:
        self.vendor, self.phase, self.pathology, self.cohort = (narrow_combo() for _ in range(4))
        self.contrast = narrow_combo()
        self.cohort.setToolTip("Data set whose patients and hospital the picture shall look like.")
        self.position = Number()
        self.position.setRange(-0.05, 1.0)
        self.position.setSingleStep(0.05)
        self.position.setSpecialValueText(UNSPECIFIED)
        self.position.setValue(-0.05)
        self.position.setToolTip("0 is the base, 1 the apex. Stacks have their own positions.")
        self.guess = word_wrapped("")
        self.guess.hide()
        self.position_text = word_wrapped("")
        self.position_text.setToolTip("0 is the base, 1 the apex; they follow from the stack.")
        for combo in (self.vendor, self.phase, self.pathology, self.cohort, self.contrast):
            combo.currentIndexChanged.connect(self._on_entry)
        self.position.valueChanged.connect(self._on_entry)
        fields = form(
            ("Vendor", self.vendor),
            ("Phase", self.phase),
            ("Position", side_by_side(self.position, self.position_text)),
            ("Pathology", self.pathology),
            ("Cohort", self.cohort),
            ("Contrast", self.contrast),
        )
        return stacked(fields, self.guess)

    def _build_heart(self) -> QWidget:
        self.heart = PhenotypesForm()
        self.heart.changed.connect(self._on_entry)
        return self.heart

    def _build_sampling(self, of_files: bool) -> QWidget:
        self.scope = narrow_combo(self)
        self.scope.setVisible(not of_files)
        self.offer_scopes(3)
        self.variants = WholeNumber()
        self.variants.setRange(1, MOST_OF_FILES if of_files else MOST_VARIANTS)
        self.variants.setToolTip("Different pictures of the same mask and conditions")
        self.seed = QLineEdit(str(Request().seed))
        self.seed.setToolTip("The same seed gives the same picture.")
        self.dice = QToolButton()
        self.dice.setText("\N{DIE FACE-5}")
        self.dice.setToolTip("Another seed")
        self.dice.clicked.connect(self.throw_dice)
        self.seed.textChanged.connect(self._on_entry)
        scope = [] if of_files else [("Make", self.scope)]
        return form(
            *scope,
            ("Images of each" if of_files else "Variants", self.variants),
            ("Seed", side_by_side(self.seed, self.dice)),
        )

    def _build_advanced(self) -> QCollapsible:
        """What a model is best left to decide, and what the mask's file nearly always says."""
        self.steps = WholeNumber()
        self.steps.setRange(0, 1000)
        self.steps.setToolTip("Network evaluations; a model looks best at its own number.")
        self.guidance = Number()
        self.guidance.setRange(-0.1, 20.0)
        self.guidance.setSingleStep(0.1)
        self.guidance.setValue(-0.1)
        self.guidance.setToolTip("Above 1 exaggerates the conditions, and doubles the time.")
        self.batch = WholeNumber()
        self.batch.setRange(1, 64)
        self.batch.setValue(TOGETHER)
        self.batch.setToolTip("Images made at once: speed and memory, not pixels")
        self.spacing = QLineEdit()
        self.spacing.setPlaceholderText("as the mask says")
        self.spacing.setToolTip(
            "mm, columns x rows x slices such as 1.4x1.4x8, of a mask whose header never got one."
        )
        self.spacing.editingFinished.connect(self._on_entry)
        self.mirror = narrow_combo()
        for word, shown in MIRROR.items():
            self.mirror.addItem(shown, word)
        self.mirror.setToolTip(
            "The right ventricle belongs on the left of the picture. Where a file puts it on the "
            "right, this is mended by the heart's own layout, or as you choose."
        )
        self.mirror.currentIndexChanged.connect(self._on_entry)
        self.steps.valueChanged.connect(self._on_entry)
        self.guidance.valueChanged.connect(self._on_entry)
        self.family = FamilyForm()
        self.family.changed.connect(self._on_entry)
        self.advanced = QCollapsible("Advanced")
        self.advanced.layout().setContentsMargins(0, 0, 0, 0)
        fields = form(
            ("Steps", self.steps),
            ("Guidance", self.guidance),
            ("At once", self.batch),
            ("Spacing", self.spacing),
            ("Mirror", self.mirror),
        )
        self.advanced.addWidget(stacked(fields, self.family))
        self.advanced.toggled.connect(lambda opened: self.family.learn() if opened else None)
        return self.advanced

    def _on_entry(self, *_: object) -> None:
        self._say_what_is_a_guess()
        self.changed.emit()

    def _say_what_is_a_guess(self) -> None:
        """What of the entries training never had, which the record will say too; and of scar."""
        from cmr_synth.cohorts.examination import LGE

        lines: list[str] = []
        if self._card is not None:
            asked = Request(
                pathology=self.pathology.currentData(),
                contrast=self.contrast.currentData(),
                phenotypes=self.heart.asked,
            )
            lines = asked.remarks(self._card)
            if asked.contrast_of(self._card) == LGE:
                lines.insert(0, PAINT_SCAR)
        self.guess.setText("\n".join(lines))
        self.guess.setVisible(bool(lines))
