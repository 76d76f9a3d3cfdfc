"""All that one mask measures, to take away: volumes over time, function, mass, wall by segment.

The functions are those of `measurements`, `overview`, `aha` and `reference`; here their answers are
gathered for a stack or a cine, and what cannot be said is left out with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.aha import SEGMENTS, aha_thickness_mm
from cmr_synth.anatomy.labels import STRUCTURES, is_heart
from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML, areas_mm2, volumes_ml
from cmr_synth.anatomy.overview import Beat, beat, slices_drawn
from cmr_synth.anatomy.reference import NORMAL
from cmr_synth.errors import InputError

UNITS = {
    "lv_edv_ml": "mL",
    "lv_esv_ml": "mL",
    "lv_stroke_ml": "mL",
    "lv_ef": "fraction",
    "lv_mass_g": "g",
    "rv_edv_ml": "mL",
    "rv_esv_ml": "mL",
    "rv_stroke_ml": "mL",
    "rv_ef": "fraction",
}
"""Of the measurements that `NORMAL` has ranges of."""

COLUMNS = (
    "measure",
    "structure",
    "phase",
    "frame",
    "slice",
    "segment",
    "value",
    "unit",
    "normal_low",
    "normal_high",
)
"""Of a table with one number a row; empty where a column does not apply."""

Row = dict[str, str | int | float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What a mask measures.

    Parameters
    ----------
    name : str
    volumes_ml : dict of structure to (frames,) float64 array
    areas_mm2 : (frames, slices, 3) float64 array
        LV, MYO, RV.
    phases : dict of phase to int
        Frames of "ED" and "ES", if two frames show the LV; of a single phase, frame 0 under "".
    function : dict
        Keys of `NORMAL` to numbers, those that can be given.
    wall_mm : dict of phase to (16,) float64 array
        Mean thickness by AHA segment at the frames in `phases`.
    doubts : tuple of str
        What is not given, and why.
    frame_ms : float, optional
        Time between frames.
    """

    name: str
    volumes_ml: dict[str, NDArray[np.float64]]
    areas_mm2: NDArray[np.float64]
    phases: dict[str, int]
    function: dict[str, float]
    wall_mm: dict[str, NDArray[np.float64]]
    doubts: tuple[str, ...] = ()
    frame_ms: float | None = None

    @property
    def thickening(self) -> NDArray[np.float64] | None:
        """Share by which each segment is thicker at ES than at ED, (16,); None without both."""
        if not {"ED", "ES"} <= self.wall_mm.keys():
            return None
        return np.asarray(self.wall_mm["ES"] / self.wall_mm["ED"] - 1)

    def rows(self) -> Iterator[Row]:
        """Every number in a row of its own; keys are `COLUMNS`, those that apply."""
        phase_of = {frame: phase for phase, frame in self.phases.items()}
        row: Row
        for name, value in self.function.items():
            low, high = NORMAL[name]
            row = {"measure": name, "value": value, "unit": UNITS[name]}
            yield row | {"normal_low": low, "normal_high": high}
        for structure, volumes in self.volumes_ml.items():
            for frame, volume in enumerate(volumes):
                row = {"measure": "volume", "structure": structure, "frame": frame}
                row |= {"phase": phase_of.get(frame, "")}
                yield row | {"value": float(volume), "unit": "mL"}
        for phase, thickness in self.wall_mm.items():
            yield from _by_segment("wall_thickness", phase, thickness, "mm")
        if self.thickening is not None:
            yield from _by_segment("wall_thickening", "ED to ES", self.thickening, "fraction")
        for (frame, index, k), area in np.ndenumerate(self.areas_mm2):
            row = {"measure": "area", "structure": list(STRUCTURES)[k], "frame": frame}
            row |= {"phase": phase_of.get(frame, ""), "slice": index}
            yield row | {"value": float(area), "unit": "mm2"}


def measure(
    frames: Sequence[NDArray[Any]],
    spacing: tuple[float, float, float],
    *,
    name: str = "mask",
    frame_ms: float | None = None,
) -> Measured:
    """Measure a stack, a cine, or the masks of two phases.

    Parameters
    ----------
    frames : sequence of (z, y, x) integer arrays
        Engine labels in the canonical radiological display, one for each frame.
    spacing : (z, y, x) in mm
        Distance between slices (thickness plus gap), then pixel size.
    name : str
        For messages.
    frame_ms : float, optional
        Time between frames.

    Raises
    ------
    InputError
        If nothing is drawn, or frames differ in size.
    """
    if len({np.shape(frame) for frame in frames}) != 1:
        raise InputError(f"{name}: the masks of both phases differ in size; give two of one scan.")
    if not any(is_heart(frame).any() for frame in frames):
        raise InputError(f"{name}: nothing is drawn, so there is nothing to measure.")
    by_frame = [volumes_ml(frame, spacing) for frame in frames]
    found = beat(by_frame, [slices_drawn(frame) for frame in frames])
    doubts: list[str] = []
    if found is None:
        phases = {"": int(np.argmax([frame["LV"] for frame in by_frame]))}
        doubts.append("One phase only: no ejection fraction without the LV in two frames.")
    else:
        phases = {"ED": found.ed, "ES": found.es}
        doubts += found.doubts.values()
    wall = {}
    for phase, frame in phases.items():
        try:
            wall[phase] = aha_thickness_mm(frames[frame], spacing)
        except InputError as error:
            doubts.append(f"Wall by segment{f' at {phase}' if phase else ''}: {error}")
    areas = [
        [list(areas_mm2(plane, (spacing[1], spacing[2])).values()) for plane in frame]
        for frame in frames
    ]
    return Measured(
        name=name,
        volumes_ml={s: np.array([frame[s] for frame in by_frame]) for s in STRUCTURES},
        areas_mm2=np.array(areas),
        phases=phases,
        function=function_of(by_frame, found),
        wall_mm=wall,
        doubts=tuple(doubts),
        frame_ms=frame_ms,
    )


def function_of(volumes: Sequence[dict[str, float]], found: Beat | None) -> dict[str, float]:
    """The measurements that `NORMAL` has ranges of, in its order; without those that are doubted.

    Parameters
    ----------
    volumes : sequence of dict
        mL by structure, one for each frame.
    found : Beat or None
        Of these frames. Without one, mass is all there is, of the frame with the largest LV.
    """
    ed = int(np.argmax([frame["LV"] for frame in volumes])) if found is None else found.ed
    mass = volumes[ed]["MYO"] * DENSITY_G_PER_ML
    function = {"lv_mass_g": mass} if mass > 0 else {}
    for side, structure in (("lv", "LV"), ("rv", "RV")):
        if found is None or not np.isfinite(found.fraction[structure]):
            continue
        edv, esv = volumes[found.ed][structure], volumes[found.es][structure]
        function |= {f"{side}_edv_ml": edv, f"{side}_esv_ml": esv, f"{side}_stroke_ml": edv - esv}
        function[f"{side}_ef"] = found.fraction[structure]
    return {key: function[key] for key in NORMAL if key in function}


def _by_segment(measure: str, phase: str, values: NDArray[np.float64], unit: str) -> Iterator[Row]:
    for number, (segment, value) in enumerate(zip(SEGMENTS, values, strict=True), 1):
        yield {
            "measure": measure,
            "structure": "MYO",
            "phase": phase,
            "segment": f"{number} {segment}",
            "value": float(value),
            "unit": unit,
        }
