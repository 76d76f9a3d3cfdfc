"""What a release is to be: the fields most often filled in, and all others as lines of YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from cmr_synth.errors import InputError

from .._fields import Number, WholeNumber
from .._layout import button, form, narrow_combo, side_by_side
from .._long_work import ask_folder
from .._messages import show_note

if TYPE_CHECKING:
    from cmr_synth.release.request import ReleaseRequest

MASKS = {"sampled hearts, of nobody": "sampled", "drawn templates": "templates"}
FORMS = {
    "NIfTI": "nifti",
    "nnU-Net": "nnunet",
    "BIDS-like": "bids",
    "DICOM and SEG": "dicom",
}
_APART = re.compile(r"(?<!\d),|,(?!\d)|;")
_FIELDS = ("name", "patients", "seed", "masks", "format", "model")  # of the form's own widgets


class RequestForm(QWidget):
    """Fields of a request.

    Parameters
    ----------
    parent : QWidget, optional
    """

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.name = QLineEdit("my-release", self)
        self.name.setToolTip("Small letters, digits and dashes")
        self.patients = WholeNumber(self)
        self.patients.setRange(1, 100_000)
        self.patients.setValue(20)
        self.pathologies = QLineEdit("normal 1, hcm 1", self)
        self.pathologies.setToolTip("Pathologies and their shares; empty leaves them open")
        self.vendors = QLineEdit(self)
        self.vendors.setPlaceholderText("all that the model knows, evenly")
        self.vendors.setToolTip("Vendors and their shares, such as siemens 2, ge 1")
        self.lowest_ef, self.highest_ef = Number(self), Number(self)
        for field in (self.lowest_ef, self.highest_ef):
            field.setRange(0, 100)
            field.setDecimals(0)
            field.setSuffix(" %")
            field.setSpecialValueText("as it comes")
            field.setToolTip("Range of the LV ejection fraction; 0 leaves it open")
        self.masks = narrow_combo(self)
        for words, value in MASKS.items():
            self.masks.addItem(words, value)
        self.masks.addItem("masks in the folder below", None)
        self.folder = QLineEdit(self)
        self.folder.setPlaceholderText("folder of masks, only if they are given")
        self.model = QLineEdit("flow-fast", self)
        self.model.setToolTip("A model of the zoo, or a model's folder")
        self.seed = WholeNumber(self)
        self.seed.setRange(0, 2**31 - 1)
        self.format = narrow_combo(self)
        for words, value in FORMS.items():
            self.format.addItem(words, value)
        self.archive = QLineEdit(self)
        self.archive.setPlaceholderText("none: the release says not audited")
        self.real = QLineEdit(self)
        self.real.setPlaceholderText("none: fidelity is not measured")
        self.more = QPlainTextEdit(self)
        self.more.setPlaceholderText(
            "further fields as YAML, such as\ncreator: Cardiology\nredraws: 3"
        )
        self.more.setFixedHeight(64)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            form(
                ("Name", self.name),
                ("Patients", self.patients),
                ("Pathologies", self.pathologies),
                ("Vendors", self.vendors),
                ("LV EF from", self.lowest_ef),
                ("to", self.highest_ef),
                ("Hearts", self.masks),
                ("Masks", _with_button(self.folder, "Masks")),
                ("Model", self.model),
                ("Seed", self.seed),
                ("Files", self.format),
                ("Archive", _with_button(self.archive, "Archive of real patients")),
                ("Real slices", _with_button(self.real, "Slice set of real patients")),
                ("More", self.more),
            )
        )
        layout.addWidget(
            side_by_side(
                button("Open request...", "Fill the form in from a file", self._open),
                button("Save request...", "For the command line, and to keep", self._save),
            )
        )

    def request(self) -> ReleaseRequest:
        """What is filled in.

        Raises
        ------
        InputError
            Naming the first field at fault.
        """
        from cmr_synth.release.request import parse_request

        return parse_request(self.stated(), name="request")

    def stated(self) -> dict[str, Any]:
        """Fields as a request file has them."""
        import yaml

        from cmr_synth.generators import exact_yaml

        try:
            more = exact_yaml.load(self.more.toPlainText()) or {}
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or "it cannot be read"
            raise InputError(f"More: {problem}; write fields as NAME: VALUE.") from error
        if not isinstance(more, dict):
            raise InputError("More: write fields as NAME: VALUE, one a line.")
        masks = self.masks.currentData() or {"folder": self.folder.text().strip()}
        found: dict[str, Any] = {
            "name": self.name.text().strip(),
            "patients": self.patients.value(),
            "masks": masks,
            "model": self.model.text().strip(),
            "seed": self.seed.value(),
            "format": self.format.currentData(),
        }
        for name, field in (("pathologies", self.pathologies), ("vendors", self.vendors)):
            if field.text().strip():
                found[name] = shares(field.text(), name)
        low, high = self.lowest_ef.value(), self.highest_ef.value()
        if high:
            found["function"] = {"lv_ef_percent": {"from": low, "to": high}}
        evidence = {
            name: field.text().strip()
            for name, field in (("archive", self.archive), ("real", self.real))
            if field.text().strip()
        }
        if evidence:
            found["evidence"] = evidence
        for name, value in more.items():
            both = isinstance(value, dict) and isinstance(found.get(name), dict)
            found[name] = {**found[name], **value} if both else value
        return found

    def fill(self, path: Path) -> None:
        """Fill the form in from a request file.

        Raises
        ------
        InputError
            If it is none.
        """
        import yaml

        from cmr_synth.release.request import read_request

        request = read_request(path)
        plain = request.plain()
        self.name.setText(request.name)
        self.patients.setValue(request.patients)
        self.model.setText(request.model)
        self.seed.setValue(min(request.seed, self.seed.maximum()))
        self.format.setCurrentIndex(list(FORMS.values()).index(request.format))
        if isinstance(request.masks, str):
            self.masks.setCurrentIndex(list(MASKS.values()).index(request.masks))
        else:
            self.masks.setCurrentIndex(len(MASKS))
            if request.masks.folder is not None:
                self.folder.setText(str(request.at(request.masks.folder)))
        for field in (self.pathologies, self.vendors):
            field.clear()
        self.highest_ef.setValue(0)
        for field, where in ((self.archive, request.archive), (self.real, request.real)):
            field.setText("" if where is None else str(where))
        rest = {k: v for k, v in plain.items() if k not in (*_FIELDS, "release", "evidence")}
        if not isinstance(request.masks, str) and request.masks.cohort is not None:
            rest["masks"] = plain["masks"]
        own = {k: v for k, v in plain.get("evidence", {}).items() if k not in ("archive", "real")}
        rest |= {"evidence": own} if own else {}
        self.more.setPlainText(yaml.safe_dump(rest, sort_keys=False) if rest else "")

    def _open(self) -> None:
        from .._messages import show_problem

        path, _ = QFileDialog.getOpenFileName(self, "Request", "", "YAML (*.yaml *.yml)")
        if path:
            try:
                self.fill(Path(path))
            except InputError as error:
                show_problem(error)

    def _save(self) -> None:
        from cmr_synth.files import write_file

        from .._messages import show_problem

        try:
            text = self.request().text()
            path, _ = QFileDialog.getSaveFileName(self, "Request", "request.yaml", "YAML (*.yaml)")
            if path:
                with write_file(Path(path)) as temporary:
                    temporary.write_text(text, encoding="utf-8")
                show_note(f"Saved {path}")
        except InputError as error:
            show_problem(error)


def shares(text: str, what: str) -> dict[str, float]:
    """Words with their shares, such as "siemens 2, ge"; a comma within a number is a point.

    Raises
    ------
    InputError
        If a share is no number.
    """
    found: dict[str, float] = {}
    for part in filter(None, map(str.strip, _APART.split(text))):
        word, _, number = part.partition(" ")
        try:
            found[word] = float(number.replace(",", ".")) if number.strip() else 1.0
        except ValueError as error:
            raise InputError(
                f"{what}: {part!r}; write a word and its share, such as normal 1, hcm 2."
            ) from error
    return found


def _with_button(field: QLineEdit, title: str) -> QWidget:
    return side_by_side(field, button("...", f"Choose: {title}", lambda: ask_folder(field, title)))
