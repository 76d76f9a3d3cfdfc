"""One patient of a release, made: pictures, masks, records, figures, and how near to real ones."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.anatomy.reference import function_of
from cmr_synth.cohorts.examination import CINE as CINE_CONTRAST
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, staged
from cmr_synth.generators.card import Card
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.masks import Mask
from cmr_synth.imaging.scan import Scan
from cmr_synth.privacy.neighbours import Neighbours, neighbours
from cmr_synth.privacy.subject import Subject, read_subject
from cmr_synth.release.asked import Asked
from cmr_synth.release.layouts import LAYOUTS, Places, study_of, write_picture
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.sources.beating import still_frames
from cmr_synth.release.sources.contract import CINE, Person, Source
from cmr_synth.release.state import Work
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request

if TYPE_CHECKING:
    from cmr_synth.generators.zoo import Model
    from cmr_synth.imaging.dicom_out.study import Study
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.judges.segmenter import Segmenter
    from cmr_synth.privacy.archive import Archive


@dataclass(frozen=True, eq=False)
class Tools:
    """What patients are made with; loaded once, when the first is made.

    Parameters
    ----------
    model : Model
    segmenter : Segmenter or None
        That reads the function off the pictures; none for other contrasts than cine.
    archive : Archive, optional
    detector : CopyDetector, optional
        Of the archive.
    """

    model: Model
    segmenter: Segmenter | None
    archive: Archive | None
    detector: CopyDetector | None


@dataclass(eq=False)
class Maker:
    """Makes patients, one at a time; each whole or not at all.

    Parameters
    ----------
    request : ReleaseRequest
    card : Card
    source : Source
    work : Work
    day : date
        On every file.
    load : callable
        Gives the tools.
    """

    request: ReleaseRequest
    card: Card
    source: Source
    work: Work
    day: date
    load: Callable[[], Tools]

    def __post_init__(self) -> None:
        self._tools: Tools | None = None

    @property
    def tools(self) -> Tools:
        """Loaded when they are first needed."""
        if self._tools is None:
            self._tools = self.load()
        return self._tools

    def make(self, asked: Asked, variant: int) -> Iterator[Progress]:
        """Make a patient and write down that he is whole.

        Parameters
        ----------
        asked : Asked
        variant : int
            Counts the times that he is made again: from other noise and, where his heart is of
            nobody, with another one.

        Yields
        ------
        Progress
            Of one of his pictures.

        Raises
        ------
        InputError
            If his masks cannot be had or used, or nothing can be written.
        """
        person = self.source.person(dataclasses.replace(asked, again=variant))
        study = study_of(self.request, asked.ident, self.day)
        files: dict[str, str] = {}
        pictures = []
        with staged(self.work.release) as folder:
            for number, (phase, mask) in enumerate(person.masks.items(), start=1):
                synthetic = yield from self._picture(asked, phase, mask, variant)
                self._describe(synthetic, asked, person)
                places = LAYOUTS[self.request.format].places(asked.ident, phase)
                own = dataclasses.replace(study, uids=_of_phase(study, phase))
                written = write_picture(synthetic, mask, folder, places, study=own, series=number)
                files |= written
                pictures.append(self._looked_at(folder, places, phase, mask, synthetic, person))
        measured = measurements(person.masks, pictures)
        self.work.write_patient(
            asked.ident,
            {
                "number": asked.number,
                "ident": asked.ident,
                "variant": variant,
                "asked": asked.as_dict(),
                "seed": asked.seed,
                "source": person.record,
                "measured": measured,
                "pictures": pictures,
                "files": files,
            },
        )

    def _picture(
        self, asked: Asked, phase: str, mask: Scan, variant: int
    ) -> Generator[Progress, None, Synthetic]:
        request = self.request
        known = self.card.conditions
        wanted = Request(
            model=request.model,
            vendor=asked.vendor,
            phase=phase if phase in known.phases else None,
            pathology=asked.pathology if asked.pathology in known.pathologies else None,
            contrast=request.contrast if known.contrasts else None,
            n=variant + 1,
            seed=asked.seed,
            steps=request.steps,
            guidance=request.guidance,
            sampler=request.sampler,
            redraws=request.redraws if request.contrast == CINE_CONTRAST else None,
            batch=request.batch,
        )
        made: Synthetic | None = None
        for step in synthesize(mask, self.tools.model, wanted, first=variant):
            if isinstance(step, Synthetic):
                made = step
            else:
                yield step
        assert made is not None  # the last thing that is yielded
        return made

    def _describe(self, synthetic: Synthetic, asked: Asked, person: Person) -> None:
        """What a release adds to the record of a picture."""
        record = synthetic.record
        record["created"] = f"{self.day.isoformat()}T00:00:00+00:00"
        record["mask"] |= {"labels": person.labels}
        record["release"] = {
            "name": self.request.name,
            "patient": asked.ident,
            "asked": asked.as_dict(),
            "masks": dict(person.record),
        }

    def _looked_at(
        self,
        folder: Path,
        places: Places,
        phase: str,
        mask: Scan,
        synthetic: Synthetic,
        person: Person,
    ) -> dict[str, Any]:
        """What is kept of a picture: its figures, as read from its files."""
        subject = subject_of(folder, places, mask, labels=person.labels)
        tools = self.tools
        check = synthetic.record.get("check")
        found: dict[str, Any] = {
            "phase": phase,
            "places": dataclasses.asdict(places),
            "spacing": [float(mm) for mm in mask.spacing],
            "slices": [list(place) for place in subject.places],
            "levels": subject.sample.levels.tolist(),
            "vendor": subject.sample.rows[0].vendor,
            "check": check,
            "findings": [
                {"slice": one.get("slice_index"), "message": one["message"]}
                for one in synthetic.record["findings"]
            ],
        }
        found["stills"] = still_frames(mask) if phase == CINE else {phase: 0}
        if tools.segmenter is not None:
            frames = np.array([frame for frame, _ in subject.places])
            pixel_ml = subject.sample.spacing**2 * float(mask.spacing[0]) / 1000
            found["volumes_ml"] = {}
            for still, frame in found["stills"].items():
                seen = tools.segmenter.segment(subject.sample.pixels[frames == frame])
                found["volumes_ml"][still] = {
                    name: round(float((seen == label).sum()) * pixel_ml, 3)
                    for name, label in STRUCTURES.items()
                }
        if tools.archive is not None and tools.detector is not None:
            found["near"] = stored(neighbours(subject.sample.pixels, tools.archive, tools.detector))
        return found


def subject_of(folder: Path, places: Places, mask: Scan, *, labels: str = "") -> Subject:
    """A picture as it lies in a release, for audits."""
    path = folder / places.mask
    drawn = Mask(mask, path, sha256(path), labels)
    return read_subject(folder / places.image, drawn, sidecar=folder / places.record)


def measurements(
    masks: Mapping[str, Scan], pictures: list[dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Function of a heart as its masks have it, and as the segmenter reads it off the pictures.

    Returns
    -------
    dict
        "mask" and "picture" to the measurements in the units of their names; what takes both
        phases is missing where there are not both.
    """
    found: dict[str, dict[str, float]] = {"mask": {}, "picture": {}}
    if CINE in masks:
        masks = {still: masks[CINE].frame(t) for still, t in still_frames(masks[CINE]).items()}
    if {"ED", "ES"} <= set(masks):
        ed, es = masks["ED"], masks["ES"]
        try:
            of_mask = function_of(ed.array, es.array, ed.spacing)
        except InputError:  # a mask without RV, for example
            of_mask = {}
        found["mask"] = _in_units(of_mask)
    volumes: dict[str, Any] = {}
    for one in pictures:
        volumes |= one.get("volumes_ml", {})
    if {"ED", "ES"} <= set(volumes):
        from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML

        seen = {"lv_mass_g": volumes["ED"]["MYO"] * DENSITY_G_PER_ML}
        for side, name in (("lv", "LV"), ("rv", "RV")):
            edv, esv = volumes["ED"][name], volumes["ES"][name]
            seen |= {f"{side}_edv_ml": edv, f"{side}_esv_ml": esv}
            if edv > 0:
                seen[f"{side}_ef"] = (edv - esv) / edv
        found["picture"] = _in_units(seen)
    return found


def stored(near: Neighbours) -> dict[str, Any]:
    """Distances of a picture's slices as JSON holds them, to the last bit."""
    return {
        "statistics": near.statistics.astype(float).tolist(),
        "nearest": near.nearest.tolist(),
        "distances": near.distances.astype(float).tolist(),
        "by_window": near.by_window.tolist(),
    }


def unstored(found: Mapping[str, Any]) -> Neighbours:
    """The inverse of `stored`."""
    return Neighbours(
        np.asarray(found["statistics"], np.float32),
        np.asarray(found["nearest"], np.int64),
        np.asarray(found["distances"], np.float32),
        np.asarray(found["by_window"], np.int64),
    )


def remove_files(work: Work, patient: Mapping[str, Any]) -> None:
    """Take the files of a patient who is left out from the release."""
    for name in patient["files"]:
        (work.release / name).unlink(missing_ok=True)
    for picture in patient["pictures"]:
        if picture["places"]["folder"]:
            shutil.rmtree(work.release / picture["places"]["folder"], ignore_errors=True)


def _in_units(found: Mapping[str, float]) -> dict[str, float]:
    return {
        f"{name}_percent" if name.endswith("_ef") else name: round(
            100 * value if name.endswith("_ef") else value, 2
        )
        for name, value in found.items()
    }


def _of_phase(study: Study, phase: str) -> Callable[[], str]:
    from cmr_synth.imaging.dicom_out.study import uids_of

    return uids_of(f"{study.uid} {phase}")
