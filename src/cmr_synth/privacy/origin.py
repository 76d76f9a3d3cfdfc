"""Where an image comes from: made again from its record, or as that says.

The record beside an image is not signed, and anybody can write another. What it says of model,
vendor and epsilon becomes known where the model, made to repeat it, gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card
from cmr_synth.generators.device import available
from cmr_synth.privacy.subject import Subject
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic, versions
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.unconditional import synthesize_unconditional

Load = Callable[[str, str], zoo.Model]
"""Gives a model by name and device."""

AGREE = 1 / 255
"""Largest difference of equal pictures; devices and versions of torch differ by less."""
MOST_STEPS = 1000
"""Of a record that is repeated: a made-up one shall not keep the machine busy for years."""
MODEL = ("name", "family", "version", "sha256", "identity", "licence", "contrast")
SAID = ("vendor", "phase", "pathology", "cohort", "contrast")


@dataclass(frozen=True)
class Origin:
    """Where an image comes from, and how that is known.

    Parameters
    ----------
    state : str
        "reproduced": the model was made to repeat it; "stated": its record says so; "not known":
        it has no record.
    why : str
        What was compared, or why it was not.
    facts : dict
        Model, vendor, phase, pathology, cohort, hash of the mask's labels, and the model's account
        of epsilon: None where the model was trained without, and missing if the model is not here.
    compared : dict
        Of a picture that was made again: the largest difference, the device and the versions.
    """

    state: Literal["reproduced", "stated", "not known"]
    why: str
    facts: dict[str, Any]
    compared: dict[str, Any] | None = None

    @property
    def words(self) -> str:
        """One line, without a full stop."""
        return f"{self.state}; {' '.join(self.why.split())}"

    def as_dict(self) -> dict[str, Any]:
        """For a passport."""
        return {
            "is": self.state,
            "words": self.words,
            **self.facts,
            "made_again": self.compared,
        }


def origin_of(subject: Subject, *, load: Load | None) -> Origin:
    """Repeat what the record of an image says, and compare.

    Parameters
    ----------
    subject : Subject
    load : callable or None
        Gives a model of the zoo; None tries nothing.
    """
    record = subject.record
    model = record.get("model")
    if model is None:
        return Origin("not known", "the image has no record that names a model", {})
    facts = {
        # records of earlier programs know no hash of the whole model
        "model": {name: model[name] for name in MODEL if name in model},
        **{name: record.get(name) for name in SAID},
        "mask_labels_sha256": (record.get("mask") or {}).get("labels_sha256"),
    }
    card = _card(model)
    if card is not None:
        facts["epsilon"] = card.training.privacy
    try:
        why = _hindrance(subject, card, load)
        if why is not None or load is None:
            return Origin("stated", why or "nothing was made again", facts)
        made = _made_again(subject, load)
    except InputError as error:
        return Origin("stated", f"it cannot be made again ({error})", facts)
    return _compared(subject, made, facts)


def _card(model: dict[str, Any]) -> Card | None:
    """Of the model that a record names, if the zoo has it; a folder of that name is not asked."""
    for entry in zoo.entries():
        if entry.name == model["name"]:
            try:
                card = zoo.card_of(entry)
            except InputError:
                return None
            return card if card.sha256 == model["sha256"] else None
    return None


def _hindrance(subject: Subject, card: Card | None, load: Load | None) -> str | None:
    """Why a picture is not made again."""
    record = subject.record
    if load is None:
        return "nothing was made again (--no-reproduce)"
    if card is None:
        return (
            f"model {record['model']['name']} with SHA-256 {record['model']['sha256'][:12]} is not "
            "in the zoo here"
        )
    if record.get("mask") is not None and subject.mask is None:
        return "its mask was not given (--mask), and it cannot be made again without"
    if record.get("mask") is None and subject.mask is not None:
        return "its record names no mask, and one was given"
    if record.get("reference") is not None:
        return "it has the look of a real picture, which its record does not hold"
    if (record.get("steps") or 1) > MOST_STEPS:
        return f"its record asks for {record['steps']} steps, and {MOST_STEPS} at most are tried"
    return None


def _made_again(subject: Subject, load: Load) -> Synthetic:
    record = subject.record
    request = Request.from_record(record)
    device = request.device if request.device in available() else "cpu"
    model = load(str(request.model), device)
    variant = request.n - 1
    steps = (
        synthesize_unconditional(model, request, first=variant)
        if subject.mask is None
        else synthesize(subject.mask, model, request, first=variant, **(record.get("only") or {}))
    )
    *_, made = steps
    assert isinstance(made, Synthetic)  # the last step is the picture
    return made


def _compared(subject: Subject, made: Synthetic, facts: dict[str, Any]) -> Origin:
    device = made.record["device"]
    if made.scan.shape != subject.scan.shape or not np.allclose(
        made.scan.affine, subject.scan.affine, atol=1e-3
    ):
        return Origin("stated", "made again from its record it lies on another grid", facts)
    different = np.abs(made.scan.array - np.asarray(subject.scan.array, np.float32))
    largest = float(different.max())
    if not np.isfinite(largest):
        return Origin("stated", f"made again from its record on {device} it is no picture", facts)
    compared = {"largest_difference": largest, "device": device, "versions": versions()}
    how = f"made again from its record on {device}, "
    if largest > AGREE:
        why = f"{how}the pixels differ by up to {largest:.3g}"
        return Origin("stated", why, facts, compared)
    for name in ("model", "slice_positions"):
        if made.record[name] != subject.record.get(name):
            return Origin("stated", f"{how}its {name.replace('_', ' ')} is another", facts)
    equal = "equal to the bit" if largest == 0 else f"equal within {largest:.2g} of 1"
    return Origin("reproduced", f"{how}the pixels are {equal}", facts, compared)
