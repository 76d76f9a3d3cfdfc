"""Hearts drawn in code, of nobody: normal, dilated and hypertrophic."""

from __future__ import annotations

from typing import Any

import numpy as np

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.imaging.scan import Scan
from cmr_synth.release.asked import Asked
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.sources.beating import person_of
from cmr_synth.release.sources.contract import Person, lacking

ANATOMIES = {None: "normal", "normal": "normal", "dcm": "dilated", "hcm": "hypertrophic"}
"""Template of each pathology."""
SLICES = 10
"""Of a heart that is asked for without a number."""


class Templates:
    """Drawn hearts, see `cmr_synth.anatomy.template`."""

    title = "drawn templates"
    takes = frozenset({"pathology", "frames"})
    licences: tuple[str, ...] = ()

    def __init__(self, request: ReleaseRequest):
        self._request = request
        self.facts: dict[str, Any] = {
            "kind": "templates",
            "words": "drawn in code from sizes of published medians; no patient's mask",
        }

    def lacks(self, request: ReleaseRequest, people: list[Asked]) -> list[str]:
        """Pathologies that have no template, and what all sources say."""
        said = lacking(self, request)
        for pathology in request.pathologies:
            if pathology not in ANATOMIES:
                known = ", ".join(name for name in ANATOMIES if name)
                said.append(
                    f"pathologies.{pathology}: there is no template of it; templates are {known}."
                )
        return said

    def person(self, asked: Asked) -> Person:
        """The same individual at all phases."""
        request = self._request
        anatomy, seed = ANATOMIES[asked.pathology], asked.seed + asked.again
        masks: dict[str, Scan] = {}
        for phase in request.phases:
            stack = draw_stack(
                slices=request.slices or SLICES,
                shape=request.shape,
                spacing=request.spacing_mm,
                phase=phase,
                anatomy=anatomy,  # type: ignore[arg-type]
                seed=seed,
            )
            masks[phase] = on_grid(stack, request, f"{asked.ident}_{phase}")
        record = {"source": "templates", "anatomy": anatomy, "seed": seed}
        labels = "engine labels, as they were made"
        return person_of(masks, request, ident=asked.ident, record=record, labels=labels)


def on_grid(stack: np.ndarray, request: ReleaseRequest, name: str) -> Scan:
    """Labels in radiological display as a scan with the spacing of a request."""
    z, y, x = request.spacing_mm
    return Scan(
        array=np.ascontiguousarray(stack, dtype=np.uint8),
        spacing=(float(z), float(y), float(x)),
        affine=np.diag([-x, -y, z, 1.0]),
        name=name,
    )
