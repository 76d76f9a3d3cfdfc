"""Every pathology in every vendor's style at every phase: does any of them lose its heart?

A vendor of which one hospital gave scans may be known with that hospital's hearts alone; asked for
others it may paint a thick wall as blood. So the masks of all held-out patients are made in every
vendor's style, and each cell of the table says how well they are followed, beside the real slices
of the same masks, whatever scanner those came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.evaluation.adherence.patients import PatientScore, patient_scores
from cmr_synth.evaluation.adherence.strata import Beside, beside
from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Generator, Progress

if TYPE_CHECKING:
    from cmr_synth.judges.segmenter import Segmenter

LEAST = 5  # patients in a cell


@dataclass(frozen=True)
class Cell:
    """One structure of the patients of one pathology, at one phase and in one vendor's style.

    Parameters
    ----------
    vendor, pathology, phase, structure : str
    patients, slices : int
    dice : Beside
        Synthetic beside real, pooled over the slices of a patient, mean over patients.
    """

    vendor: str
    pathology: str
    phase: str
    structure: str
    patients: int
    slices: int
    dice: Beside

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def cells(
    generator: Generator,
    vendors: tuple[str, ...],
    held_out: Sample,
    real_found: NDArray[np.uint8],
    segmenter: Segmenter,
    *,
    seed: int,
    steps: int | None = None,
    least: int = LEAST,
) -> Iterator[Progress | list[Cell]]:
    """Make all held-out masks in every vendor's style, and compare what is found.

    Parameters
    ----------
    generator : Generator
        That knows the vendors.
    vendors : tuple of str
    held_out : Sample
        Real slices with masks.
    real_found : (n, y, x) uint8 array
        What the segmenter finds in them.
    segmenter : Segmenter
    seed, steps
        Of the synthetic slices; none is drawn again where it misses.
    least : int
        Patients that a cell needs, or it is left out.

    Yields
    ------
    Progress or list of Cell
        Progress in slices, then the table; empty if there are too few patients everywhere.
    """
    total = len(vendors) * len(held_out)
    table: list[Cell] = []
    for place, vendor in enumerate(vendors):
        made = []
        done = place * len(held_out)
        # the cohort is left open: it would say that the scanner is that of its own hospital
        run = counterparts(generator, held_out, seed=seed, steps=steps, vendor=vendor, cohort=None)
        for pictures in run:
            made.append(pictures)
            done += len(pictures)
            yield Progress(done, total)
        found = segmenter.segment(np.concatenate(made))
        table += _of_vendor(vendor, held_out, found, real_found, least)
    yield table


def _of_vendor(
    vendor: str,
    held_out: Sample,
    found: NDArray[np.uint8],
    real_found: NDArray[np.uint8],
    least: int,
) -> Iterator[Cell]:
    phases = np.array([row.phase for row in held_out.rows])
    pathologies = np.array([row.pathology for row in held_out.rows])
    for pathology in sorted(set(pathologies)):
        for phase in sorted(set(phases)):
            rows = np.flatnonzero((phases == phase) & (pathologies == pathology))
            if not len(rows):
                continue
            own = held_out.take(rows)
            made, real = (
                patient_scores(labels[rows], own, distances=False) for labels in (found, real_found)
            )
            for structure in STRUCTURES:
                a, b = _of(made, structure), _of(real, structure)
                if len(a) < least or len(b) < least:
                    continue
                slices = sum(one.slices for one in a)
                yield Cell(
                    vendor,
                    pathology,
                    phase,
                    structure,
                    len(a),
                    slices,
                    beside(a, b, "dice"),
                )


def _of(scores: list[PatientScore], structure: str) -> list[PatientScore]:
    return [one for one in scores if one.structure == structure and one.level == "all"]
