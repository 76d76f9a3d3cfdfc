"""Hearts of nobody, drawn from the shape model by pathology, severity and function."""

from __future__ import annotations

from typing import Any

from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.anatomy.shapes.new_heart import HeartGrid, new_heart
from cmr_synth.anatomy.shapes.wishes import RANGES, Wishes
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan
from cmr_synth.release.asked import Asked
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.sources.beating import person_of
from cmr_synth.release.sources.contract import Person, lacking
from cmr_synth.release.sources.templates import on_grid

_OPTIONS = {
    "lv_ef_percent": ("lv_ef", "ef", 0.01),
    "lv_edv_ml": ("lv_edv_ml", "edv", 1.0),
    "lv_mass_g": ("lv_mass_g", "mass", 1.0),
    "rv_ef_percent": ("rv_ef", "rv_ef", 0.01),
    "rv_edv_ml": ("rv_edv_ml", "rv_edv", 1.0),
}
"""Of a request's measurement: name in the shape model, its option, and the factor between them."""


class Sampled:
    """Hearts sampled from `cmr_synth.anatomy.shapes`.

    Raises
    ------
    InputError
        If the bundled shape model is damaged.
    """

    title = "sampled hearts"
    takes = frozenset({"pathology", "severity", "function", "frames"})

    def __init__(self, request: ReleaseRequest):
        self._request = request
        self._model = ShapeModel.load()
        card = self._model.card
        self.licences: tuple[str, ...] = (card.licence,)
        people = sum(one.patients for one in card.learned_from)
        self.facts: dict[str, Any] = {
            "kind": "sampled",
            "words": f"sampled from the shape model {card.name} {card.version}, learned from "
            f"{people} patients; no patient's mask",
            "sha256": card.sha256,
            "learned_from": [one.model_dump(mode="json") for one in card.learned_from],
            "limits": list(card.limits),
        }

    def lacks(self, request: ReleaseRequest, people: list[Asked]) -> list[str]:
        """What no heart of the shape model can be."""
        said = lacking(self, request)
        known = self._model.pathologies
        for pathology, mix in request.mixes.items():
            where = "pathologies" if pathology is None else f"pathologies.{pathology}"
            if pathology is not None and pathology not in known:
                said.append(f"{where}: the shape model knows {', '.join(known)}; leave it out.")
            if mix.severity is not None and pathology in (None, "normal"):
                said.append(f"{where}.severity: normal hearts have none; leave it out.")
            for name, spread in request.function_of(pathology).items():
                inside, _, factor = _OPTIONS[name]
                low, high = (round(edge / factor, 6) for edge in RANGES[inside])
                if spread.low < low or spread.high > high:
                    said.append(
                        f"function.{name}: {spread.low:g} to {spread.high:g} is asked for, and "
                        f"hearts can be sampled from {low:g} to {high:g}."
                    )
        if said:
            return list(dict.fromkeys(said))
        for asked in people:  # what two values together cannot be
            try:
                self._wishes(asked).check(known)
            except InputError as error:
                return [f"function: {asked.ident}: {error}"]
        return []

    def person(self, asked: Asked) -> Person:
        """One plausible heart at all phases, whose masks measure what is asked for.

        Raises
        ------
        InputError
            If no draw is one.
        """
        request, card = self._request, self._model.card
        grid = HeartGrid(
            spacing=request.spacing_mm, slices=request.slices, shape=request.shape, whole=False
        )
        try:
            heart = new_heart(
                self._model, self._wishes(asked), seed=asked.seed, number=asked.again, grid=grid
            )
        except InputError as error:
            raise InputError(f"{asked.ident}: {error}") from error
        stacks = {"ED": heart.ed, "ES": heart.es}
        masks: dict[str, Scan] = {
            phase: on_grid(stacks[phase], request, f"{asked.ident}_{phase}")
            for phase in request.phases
        }
        record = {
            "source": "sampled",
            "shape_model": card.name,
            "sha256": card.sha256,
            "seed": [asked.seed, asked.again],
            "drawn_again_because": list(heart.redrawn),
        }
        labels = "sampled in engine labels"
        return person_of(masks, request, ident=asked.ident, record=record, labels=labels)

    def _wishes(self, asked: Asked) -> Wishes:
        given = {
            _OPTIONS[name][1]: value * _OPTIONS[name][2] for name, value in asked.function.items()
        }
        severity = 1.0 if asked.severity is None else asked.severity
        return Wishes(pathology=asked.pathology, severity=severity, **given)
