"""What every cohort yields: one short-axis stack of one patient at one phase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED, is_heart
from cmr_synth.imaging.orientation import Orientation

PATHOLOGIES = {
    "normal": "no cardiac finding",
    "dcm": "dilated cardiomyopathy",
    "hcm": "hypertrophic cardiomyopathy",
    "minf": "previous myocardial infarction",
    "arv": "abnormal right ventricle",
    "hf": "heart failure without infarction",
    "tof": "tetralogy of Fallot",
    "tga": "transposition of the great arteries",
    "dorv": "double outlet right ventricle",
    "caa": "coronary artery anomaly",
    "cm": "cardiomyopathy, kind not stated",
    "ihd": "ischaemic heart disease",
    "hhd": "hypertensive heart disease",
    "lvnc": "left ventricular non-compaction",
    "ahs": "athlete's heart",
    "arr": "arrhythmogenic cardiomyopathy",
    "asd": "interatrial communication",
    "tr": "tricuspid regurgitation",
}
VENDORS = ("siemens", "philips", "ge", "canon")
PHASES = ("ED", "ES")
CINE, LGE = "cine", "lge"
CONTRASTS = {
    CINE: "cine, balanced steady-state free precession",
    LGE: "late gadolinium enhancement",
    "t2": "T2-weighted, with dark blood",
    "whole-heart": "three-dimensional balanced steady-state free precession, cut into short axis",
}
"""What the pictures are weighted by. Generators and judges of cine are never given the others."""


def known_contrast(contrast: str) -> str:
    """The contrast, if it is one of `CONTRASTS`.

    Raises
    ------
    ValueError
        Listing those that there are.
    """
    if contrast not in CONTRASTS:
        raise ValueError(f"{contrast!r} is none of {', '.join(CONTRASTS)}")
    return contrast


@dataclass(frozen=True, kw_only=True)
class Examination:
    """One stack in canonical in-plane orientation (RV on the left of the picture).

    Parameters
    ----------
    image : (z, y, x) float32 array
        Pixels as stored, not normalised.
    labels : (z, y, x) uint8 array
        Engine labels; 255 where the cohort's annotators drew nothing that can be trusted.
    may_hide : (z, 4) bool array
        Which structures the unlabelled pixels of each slice may belong to, by label number.
    spacing : (z, y, x) in mm
    z : (z,) float32 array
        Slice position, 0 at the base and 1 at the apex of what is labelled.
    contrast : str
        A key of `CONTRASTS`. Labels of "cine" are 0 to 3 and 255; those of "lge" may have infarct
        (4) and no-reflow (5) besides.
    covariates : mapping of str to float
        Age in years, height in cm and weight in kg, where the cohort states them; see
        `cmr_synth.cohorts.covariates`.
    files : tuple of str
        Where it was read from, for people.
    affine : (4, 4) float64 array, optional
        Of the file: voxel (x, y, z) to RAS mm, before slices were turned. None where no file has
        one.
    orientation : Orientation, optional
        How slices came into radiological display.
    notes : tuple of str
        What reading had to repair or assume, a line each.
    """

    cohort: str
    patient: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    may_hide: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    z: NDArray[np.float32]
    vendor: str | None = None
    phase: str | None = None
    pathology: str | None = None
    contrast: str = "cine"
    covariates: Mapping[str, float] = field(default_factory=dict)
    files: tuple[str, ...] = field(default=())
    affine: NDArray[np.float64] | None = None
    orientation: Orientation | None = None
    notes: tuple[str, ...] = ()

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Slices on which at least one structure was drawn, (z,)."""
        return np.asarray(is_heart(self.labels).any(axis=(1, 2)))


@dataclass(frozen=True)
class LeftOut:
    """Something in a cohort's folder that no examination was made of.

    Parameters
    ----------
    what : str
        The file, or the array of an archive, by its path below the cohort's folder.
    reason : str
        Why, and what to do, in one sentence.
    """

    what: str
    reason: str


@dataclass(frozen=True)
class Unread:
    """Examinations that are known by their files and not read yet.

    An adapter that yields these can be read by several processes, each its share, and a
    preparation that was interrupted need not read again what is done.

    Parameters
    ----------
    files : tuple of Path
        What is read. A change of one of them makes it another.
    read : callable
        Gives the examinations, and what is left out of them.
    """

    files: tuple[Path, ...]
    read: Callable[[], Iterable[Examination | LeftOut]]


class Cohort(Protocol):
    """A data set on disk. Adapters are modules or classes with these attributes.

    Parameters
    ----------
    name : str
        As in `NAME=PATH`.
    title, licence, citation : str
        For people; they travel with every slice set.
    asked_for : str
        Where the data are asked for: an address, or a few words. Nothing is downloaded from it.
    vendor : str or None
        Of `VENDORS`; None where it is mixed or not known.
    same_person : mapping of str to str
        Numbers under which somebody was examined again, to the first number of each. They share
        a side in splits, and count as one person in privacy. Empty if nobody is known to be.
    settled : mapping of str to str
        Patients to the side that they keep ("train", "validation" or "test"), because models were
        trained and tested when the cohort was smaller. Empty if it never grew.
    """

    name: str
    title: str
    vendor: str | None
    licence: str
    citation: str
    asked_for: str
    same_person: Mapping[str, str]
    settled: Mapping[str, str]

    def examinations(self, root: Path) -> Iterator[Examination | LeftOut | Unread]:
        """Yield every examination below `root`, and whatever looked like one and was left out.

        In an order that is always the same. Large cohorts yield `Unread` ones, at no cost.

        A damaged or foreign file is left out, and the others are read.

        Raises
        ------
        InputError
            If nothing can be read, or everything would be read wrongly: naming the file, what is
            wrong with it and what to do.
        """
        ...

    def remarks(self, root: Path) -> list[str]:
        """What the adapter assumes about the files below `root`, a line each; none if nothing."""
        ...


def fully_labelled(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The `may_hide` of a stack on which nothing is unlabelled."""
    hidden = np.zeros((len(labels), 4), dtype=bool)
    if (labels == UNLABELLED).any():
        hidden[:, [LV, MYO, RV]] = (labels == UNLABELLED).any(axis=(1, 2))[:, None]
    return hidden
