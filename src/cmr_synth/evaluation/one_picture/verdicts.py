"""Is this synthetic slice as real ones are: one verdict a line, in plain words.

Every line places one number among real slices. A verdict says how usual the number is, not whether
the slice may be used: 1 in 20 real slices is unusual on any line, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.distributions import MEASURES, slice_measures
from cmr_synth.evaluation.one_picture.real_reference import RealReference, percentile_of
from cmr_synth.evaluation.realism.tissue import FIGURES, tissue_figures

if TYPE_CHECKING:
    from cmr_synth.judges.encoder import Encoder
    from cmr_synth.judges.segmenter import Segmenter

State = Literal["usual", "unusual", "unknown"]
UNUSUAL = 2.5  # percent at either end
GRAIN = ("noise", "snr", "cnr", "edge")
"""Tissue figures that resampling changes."""
WEAK = 5.0  # percent at the bad end, where only one end is bad


@dataclass(frozen=True)
class Place:
    """One number among real ones.

    Parameters
    ----------
    name, words : str
    value : float
    percentile : float
        0 to 100; NaN where nothing is known.
    low, median, high : float
        2.5th, 50th and 97.5th percentile of real slices.
    """

    name: str
    words: str
    value: float
    percentile: float
    low: float
    median: float
    high: float

    @property
    def usual(self) -> bool:
        """Whether 95 % of real slices lie around it."""
        return UNUSUAL <= self.percentile <= 100 - UNUSUAL

    @property
    def good(self) -> bool:
        """Whether it is usual; where only one end is bad, whether it lies off that end."""
        if self.name == "distance":
            return not self.percentile > 100 - WEAK
        if self.name.startswith("dice_"):
            return self.percentile >= WEAK
        return self.usual


@dataclass(frozen=True)
class Verdict:
    """One line of the panel.

    Parameters
    ----------
    title : str
    state : "usual", "unusual" or "unknown"
    words : str
        The verdict in plain words.
    why : str
        What was measured, against what, and what follows from it.
    places : sequence of Place
    """

    title: str
    state: State
    words: str
    why: str
    places: Sequence[Place]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""
        found = asdict(self)
        for place in found["places"]:
            place.update({k: None for k, v in place.items() if isinstance(v, float) and v != v})
        return found


def judge(
    pixels: NDArray[np.floating],
    labels: NDArray[np.uint8],
    vendor: str,
    reference: RealReference,
    segmenter: Segmenter,
    encoder: Encoder,
    *,
    spacing: float = 1.5,
    resampled: bool = False,
) -> tuple[list[Verdict], NDArray[np.uint8]]:
    """Judge one slice on the working grid.

    Parameters
    ----------
    pixels : (y, x) array in [0, 1]
    labels : (y, x) uint8 array
        The mask it was made from, as engine labels.
    vendor : str
        Whose ranges count; an unknown one takes those of all vendors.
    reference : RealReference
    segmenter, encoder
        Those that the reference was measured with.
    resampled : bool
        Whether the slice was on another grid before: then `GRAIN` is not judged.

    Returns
    -------
    (list of Verdict, (y, x) uint8 array)
        The lines, and what the segmenter found.

    Raises
    ------
    InputError
        If the reference was measured with other weights, or the slice is constant or not finite.
    """
    if (reference.segmenter, reference.encoder) != (segmenter.hash, encoder.hash):
        raise InputError(
            "the shipped reference was measured with other weights of segmenter or encoder; "
            "install the program again, or run tools/measure_real_reference.py."
        )
    pixels = np.asarray(pixels, dtype=np.float32)
    if not np.isfinite(pixels).all() or pixels.min() == pixels.max():
        raise InputError("the slice is empty or holds values that are not finite; make it again.")
    found = segmenter.segment(pixels[None])[0]
    return [
        _adherence(found, labels, reference),
        _tissue(pixels, labels, vendor, reference, spacing, resampled),
        _measurements(found, reference, spacing),
        _distance(pixels, vendor, reference, encoder, resampled),
    ], found


def _adherence(
    found: NDArray[np.uint8], labels: NDArray[np.uint8], reference: RealReference
) -> Verdict:
    scores = dice_by_patient(found[None], labels[None], np.zeros(1))
    places = [
        _place(f"dice_{s}", f"Dice of {s}", float(scores[s][0]), reference.dice_of(s))
        for s in STRUCTURES
    ]
    known = [p for p in places if np.isfinite(p.value)]
    weak = [p for p in known if not p.good]
    state: State = "unknown" if not known else "unusual" if weak else "usual"
    words = {
        "usual": "The heart is where the mask put it, as well as the segmenter can tell on real "
        "slices.",
        "unusual": f"{', '.join(p.name.removeprefix('dice_') for p in weak)} is found less well "
        "than on 95 % of real slices: look at the overlay, and draw another variant if it is off.",
        "unknown": "The mask shows no structure on this slice.",
    }[state]
    why = (
        "The bundled segmenter looks for LV, myocardium and RV in the picture; Dice compares that "
        "with the mask (1 is the same). The percentile says where it stands among real slices of "
        "patients that the segmenter was not trained on. Small apical structures are hard on real "
        "slices too."
    )
    return Verdict("Follows its mask", state, words, why, places)


def _tissue(
    pixels: NDArray[np.float32],
    labels: NDArray[np.uint8],
    vendor: str,
    reference: RealReference,
    spacing: float,
    resampled: bool,
) -> Verdict:
    known_labels = np.where(labels == 255, 0, labels).astype(np.uint8)
    figures = tissue_figures(pixels.astype(np.float64), known_labels, spacing)
    places = [
        _place(name, FIGURES[name], value, reference.tissue_of(name, vendor))
        for name, value in figures.items()
        if not (resampled and name in GRAIN)
    ]
    whose = vendor if vendor in reference.vendors else "all vendors"
    why = (
        f"Brightness, contrast, noise and sharpness of the tissues under the mask, among real "
        f"slices of {whose} in the training data of this program. Values depend on the scanner's "
        "settings; a slice outside of the range looks unlike those, not necessarily wrong."
    )
    return _usual_or_not("Tissue", places, why, "tissue figures")


def _measurements(found: NDArray[np.uint8], reference: RealReference, spacing: float) -> Verdict:
    measured = slice_measures(found, (spacing, spacing))
    places = [
        _place(name, MEASURES[name], value, reference.measure(name))
        for name, value in measured.items()
    ]
    why = (
        "Areas, their ratios and the wall's thickness of the heart that the segmenter finds in the "
        "picture, among those drawn on real slices of all levels, healthy and ill. It is the mask "
        "that asks for the anatomy: an unusual mask makes an unusual picture."
    )
    return _usual_or_not("Measurements", places, why, "measurements")


def _distance(
    pixels: NDArray[np.float32],
    vendor: str,
    reference: RealReference,
    encoder: Encoder,
    resampled: bool,
) -> Verdict:
    distance = float(reference.distance(encoder.features(pixels[None]))[0])
    place = _place(
        "distance",
        "distance to real slices in the encoder's features",
        distance,
        reference.distances_of(vendor),
    )
    far = not place.good
    words = (
        f"Further from real slices than {place.percentile:.0f} % of real slices are from other "
        "patients': something in it is unlike the training data."
        if far
        else "As near to real slices as other patients' are: further than "
        f"{place.percentile:.0f} % of them."
    )
    if resampled:
        words += " It was resampled since it was made, which softens it and adds to the distance."
    why = (
        "The bundled encoder turns the whole picture into 96 numbers, which see both anatomy and "
        "damage such as blur, noise and ghosting. Their Mahalanobis distance to real slices stands "
        "among the distances of real slices to those of other patients. High is unlike; very low "
        "is no proof of a copy, which this line does not look for."
    )
    return Verdict("Like real slices", "unusual" if far else "usual", words, why, [place])


def _usual_or_not(title: str, places: Sequence[Place], why: str, what: str) -> Verdict:
    known = [p for p in places if np.isfinite(p.percentile)]
    if not known:
        return Verdict(title, "unknown", f"The slice shows too little for {what}.", why, places)
    out = [p for p in known if not p.usual]
    # each has its own 5 %: one of many outside is what real slices have as well
    allowed = 1 if len(known) > 4 else 0
    state: State = "unusual" if len(out) > allowed else "usual"
    if not out:
        words = f"All {len(known)} {what} are where 95 % of real slices are."
    else:
        names = "; ".join(
            f"{p.words} is {'low' if p.percentile < 50 else 'high'} ({p.value:.3g}, usual "
            f"{p.low:.3g} to {p.high:.3g})"
            for p in out
        )
        words = f"{len(known) - len(out)} of {len(known)} {what} are usual. {names}."
    return Verdict(title, state, words, why, places)


def _place(name: str, words: str, value: float, percentiles: NDArray[np.float32]) -> Place:
    low, median, high = (float(v) for v in np.interp([2.5, 50, 97.5], np.arange(101), percentiles))
    return Place(name, words, value, percentile_of(value, percentiles), low, median, high)
