"""How candidates are measured against held-out slices: the one way for verbs, cards and tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.anatomy import Measure, anatomy
from cmr_synth.evaluation.adherence.cells import Cell, cells
from cmr_synth.evaluation.adherence.strata import StructureAdherence, structure_adherence
from cmr_synth.evaluation.candidates import Candidate
from cmr_synth.evaluation.events import Event, Remark, Told, outcome, titled
from cmr_synth.evaluation.realism.fidelity import Fidelity, fidelity
from cmr_synth.evaluation.realism.pictures import Pictures, pictures
from cmr_synth.evaluation.realism.spaces import Space
from cmr_synth.evaluation.sample import Sample, require_masks
from cmr_synth.evaluation.setting import Setting
from cmr_synth.generators.interface import Progress

if TYPE_CHECKING:
    from cmr_synth.judges.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class Measured:
    """How near one candidate is to real patients.

    Parameters
    ----------
    name : str
    sha256 : str or None
    synthetic : Sample
    spaces : sequence of Fidelity
        One for each feature space.
    pictures : Pictures
        Metrics that need no such space.
    """

    name: str
    sha256: str | None
    synthetic: Sample
    spaces: Sequence[Fidelity]
    pictures: Pictures

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON."""
        found = self.pictures
        return {
            "name": self.name,
            "sha256": self.sha256,
            "spaces": [one.as_dict() for one in self.spaces],
            "two_sample": found.told and found.told.as_dict(),
            "paired": found.paired and found.paired.as_dict(),
            "tissue": found.tissue and found.tissue.as_dict(),
            "metrics": {name: one.as_dict() for name, one in found.estimates.items()},
            "notes": list(found.notes),
        }

    @property
    def remarks(self) -> list[str]:
        """A line for each third party's metric that is at fault."""
        every = [one for space in self.spaces for one in space.remarks]
        return list(dict.fromkeys([*every, *self.pictures.remarks]))


@dataclass(frozen=True, eq=False)
class Followed:
    """How one candidate follows its masks.

    Parameters
    ----------
    name : str
    sha256 : str or None
    synthetic : Sample
    found : (n, y, x) uint8 array
        What the segmenter finds in it.
    adherence : StructureAdherence
    anatomy : sequence of Measure
    cells : sequence of Cell, optional
        Adherence by vendor, pathology and phase, if it was asked for.
    """

    name: str
    sha256: str | None
    synthetic: Sample
    found: NDArray[np.uint8]
    adherence: StructureAdherence
    anatomy: Sequence[Measure]
    cells: Sequence[Cell] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "adherence": self.adherence.as_dict(),
            "anatomy": [one.as_dict() for one in self.anatomy],
            "cells": None if self.cells is None else [one.as_dict() for one in self.cells],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Protocol:
    """What is asked about every candidate; what it needs of real slices is made ready once.

    Parameters
    ----------
    setting : Setting
    spaces : sequence of Space
        In which realism is measured.
    without : collection of str
        Names of metrics to leave out, such as "two_sample_auc", for which a classifier is trained.
    every_vendor : bool
        Whether adherence is measured in the style of every vendor that a model knows, too.
    segmenter_folder : Path, optional
        Of a segmenter to judge by; by default the bundled one of the slices' contrast.
    """

    setting: Setting
    spaces: Sequence[Space] = ()
    without: Collection[str] = ()
    every_vendor: bool = False
    segmenter_folder: Path | None = None

    @cached_property
    def segmenter(self) -> Segmenter:
        """What reads the slices of both sides.

        Raises
        ------
        InputError
            If it cannot be read, or reads another contrast.
        """
        from cmr_synth.judges.segmenter import BUNDLED, OF_CONTRAST, Segmenter

        shown = self.setting.held_out.rows[0].contrast  # of all of them
        segmenter = Segmenter.load(self.segmenter_folder or OF_CONTRAST.get(shown, BUNDLED))
        read = segmenter.network.config.contrast
        if read != shown:
            named = self.segmenter_folder or "the bundled segmenter"
            raise InputError(
                f"{named}: reads {read}, and slices are {shown}; name cohorts of that contrast, or "
                "another segmenter."
            )
        return segmenter

    @cached_property
    def real_found(self) -> NDArray[np.uint8]:
        """What the segmenter finds in the held-out slices."""
        return self.segmenter.segment(self.setting.held_out.pixels)

    def fidelity(self, candidates: Iterable[Told | Candidate]) -> Iterator[Told | Measured]:
        """How near candidates are to the held-out patients.

        Parameters
        ----------
        candidates : iterable of Candidate
            Events among them are passed on.

        Yields
        ------
        Told or Measured
            Each candidate's result after the events of its measurement.
        """
        held_out, training = self.setting.held_out, self.setting.training
        for one in candidates:
            if not isinstance(one, Candidate):
                yield one
                continue
            found = []
            for space in self.spaces:
                yield Event(f"{one.name}: {space.name}")
                found.append(fidelity(one.sample, held_out, training, space, again=one.again))
            run = pictures(
                one.sample,
                held_out,
                training,
                paired=one.paired,
                masked=one.masked,
                without=self.without,
            )
            seen = yield from outcome(titled(f"{one.name}: pictures", run, of="steps"))
            measured = Measured(one.name, one.sha256, one.sample, found, seen)
            for line in measured.remarks:
                if line not in self._said:
                    self._said.add(line)
                    yield Remark(line)
            yield measured

    def adherence(self, candidates: Iterable[Told | Candidate]) -> Iterator[Told | Followed]:
        """Whether candidates show the hearts that their masks asked for.

        Parameters
        ----------
        candidates : iterable of Candidate
            Events among them are passed on.

        Yields
        ------
        Told or Followed
            Each candidate's result after the events of its measurement.

        Raises
        ------
        InputError
            If a candidate follows no masks, or a mask shows no heart.
        """
        held_out = self.setting.held_out
        yield Event("segment real slices")
        real_found = self.real_found
        for one in candidates:
            if not isinstance(one, Candidate):
                yield one
                continue
            if not one.masked:
                raise InputError(
                    f"{one.name}: follows no mask, so that there is nothing to adhere to; use "
                    "`cmr-synth evaluate fidelity`."
                )
            require_masks(one.sample)
            yield Event(f"segment {one.name}")
            found = self.segmenter.segment(one.sample.pixels)
            scores = structure_adherence(
                one.sample,
                found,
                held_out,
                real_found,
                segmenter=self.segmenter.hash,
                structures=self.segmenter.network.config.structures,
            )
            walls = scar_as_myocardium(found), scar_as_myocardium(real_found)
            measures = anatomy(one.sample, walls[0], held_out, walls[1])
            table: list[Cell] | None = None
            if self.every_vendor:
                table = yield from outcome(titled(f"{one.name} in every style", self._cells(one)))
            yield Followed(one.name, one.sha256, one.sample, found, scores, measures, table)

    def _cells(self, one: Candidate) -> Iterator[Progress | list[Cell]]:
        """The candidate's table of vendors, pathologies and phases, if it is a model of some."""
        from cmr_synth.generators import zoo

        vendors: tuple[str, ...] = ()
        if one.folder is not None:
            model = zoo.load(one.folder)
            vendors = model.card.conditions.vendors
        if not vendors:
            yield []
            return
        yield from cells(
            model.generator,
            vendors,
            self.setting.held_out,
            self.real_found,
            self.segmenter,
            seed=self.setting.seed,
            steps=one.steps,
        )

    @cached_property
    def _said(self) -> set[str]:
        """Remarks that were made already: a metric at fault is so for every candidate."""
        return set()
