"""From a mask to a cine, a recovery and a T1 map of one scan: scan, fit, ask, and compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.orientation import undo
from cmr_synth.imaging.scan import Scan
from cmr_synth.reconstruction.manifold.fitting import (
    STEPS,
    Fitted,
    fit,
    mean_picture,
    nrmse,
    sliding_window,
    t1_of,
)
from cmr_synth.reconstruction.manifold.series import Anatomy, Protocol, Series, facts_of, scanned
from cmr_synth.synthesis.record import MARK, versions, write_sidecar


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Pictures that are asked of the manifold.

    Parameters
    ----------
    frames : int
        Of the cine, all at one inversion time.
    cine_ms : float
        That inversion time.
    recovery : int
        Inversion times of the recovery, all at one phase.
    phase : float
        That phase of the heartbeat: 0 is end-diastole.
    points : sequence of (phase, ms)
        Further ones, one picture each.

    Raises
    ------
    InputError
        If a phase or a time cannot be.
    """

    frames: int = 20
    cine_ms: float = 2000.0
    recovery: int = 12
    phase: float = 0.0
    points: Sequence[tuple[float, float]] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if not 2 <= self.frames <= 100 or not 3 <= self.recovery <= 100:
            raise InputError(
                f"{self.frames} frames and {self.recovery} inversion times: give 2 to 100 and 3 "
                "to 100."
            )
        for phase, ms in ((self.phase, self.cine_ms), *self.points):
            if not 0 <= phase < 1 or not 0 < ms:
                raise InputError(
                    f"phase {phase:g} at {ms:g} ms: a phase is from 0 to below 1 of the heartbeat, "
                    "and an inversion time above 0."
                )


@dataclass(frozen=True, eq=False)
class Joint:
    """What one scan gives.

    Parameters
    ----------
    scans : dict of str to Scan
        "cine", "recovery", "asked" if there are points (all signed, inverted blood being -1),
        "T1" and "T1-truth" in ms. One slice, on the mask's grid; 0 beyond the square about the
        heart.
    record : dict
    """

    scans: dict[str, Scan]
    record: dict[str, Any]


def joint(
    anatomy: Anatomy, protocol: Protocol, asked: Asked, *, steps: int = STEPS
) -> Iterator[Progress | Joint]:
    """Scan a beating slice, fit the manifold, and ask it for cine and contrast.

    Yields
    ------
    Progress, then Joint

    Raises
    ------
    InputError
        If an inversion time lies beyond those of the scan.
    """
    for _, ms in ((0.0, asked.cine_ms), *asked.points):
        if ms > protocol.window_ms:
            raise InputError(
                f"inversion time {ms:g} ms: shots end {protocol.window_ms:g} ms after an "
                "inversion; ask for less."
            )
    series = scanned(anatomy, protocol)
    fitted: Fitted | None = None
    for step in fit(series, steps=steps, seed=protocol.seed):
        if isinstance(step, Fitted):
            fitted = step
        else:
            yield step
    assert fitted is not None
    beat = np.arange(asked.frames) / asked.frames
    times = np.linspace(series.times_ms.min(), protocol.window_ms, asked.recovery)
    recovery = fitted.at(np.full(len(times), asked.phase), times)
    table = protocol.tissues()
    pictures = {
        "cine": fitted.at(beat, np.full(len(beat), asked.cine_ms)),
        "recovery": recovery,
        "T1": t1_of(recovery, times, protocol.flip)[None],
        "T1-truth": anatomy.t1(asked.phase, table)[None],
    }
    if asked.points:
        pictures["asked"] = fitted.at(*np.array(asked.points, float).T)
    frame_ms = {"cine": 60_000 / protocol.heart_rate / asked.frames}
    scans = {
        name: _on_mask(anatomy, found, name, frame_ms.get(name)) for name, found in pictures.items()
    }
    record = {
        "synthetic": True,
        "made_by": "a manifold fitted to a simulated scan of a mask; no patient's picture is in it",
        "mask": {"name": anatomy.mask.name, "slice": anatomy.number},
        "scan": facts_of(protocol) | {"shots": len(series.phases)},
        "tissues": {n: {"t1_ms": round(t.t1, 2)} for n, t in table.items()},
        "steps": steps,
        "asked": {
            "frames": asked.frames,
            "cine_ms": asked.cine_ms,
            "recovery_ms": [round(float(t), 2) for t in times],
            "phase": asked.phase,
            "points": [list(one) for one in asked.points],
        },
        "measured": measured(fitted, series)
        | _t1_error(pictures["T1"][0], pictures["T1-truth"][0], anatomy.is_myocardium(asked.phase)),
        "versions": versions(),
    }
    yield Joint(scans, record)


def measured(fitted: Fitted, series: Series) -> dict[str, float]:
    """NRMSE at the shots that were held out: of the manifold, of a sliding window, of the mean."""
    at = (series.phases[series.held_out], series.times_ms[series.held_out])
    truth = series.pictures[series.held_out]
    still = np.repeat(mean_picture(series).numpy()[None], len(truth), axis=0)
    made = {"manifold": fitted.at(*at), "sliding_window": sliding_window(series, *at)}
    return {
        f"nrmse_{name}": round(float(nrmse(found, truth).mean()), 4)
        for name, found in {**made, "still": still}.items()
    }


def write_joint(made: Joint, folder: Path, stem: str, *, facts: Mapping[str, Any]) -> list[Path]:
    """Write `STEM_KIND.nii.gz` of every kind, each with its sidecar; return the pictures' names.

    Parameters
    ----------
    made : Joint
    folder : Path
        Must exist.
    stem : str
    facts : mapping
        Further ones for the records.
    """
    files = []
    for kind, scan in made.scans.items():
        path = folder / f"{stem}_{kind}.nii.gz"
        about = f"{MARK} {kind} by a manifold of a simulated scan, cmr-synth"
        write_nifti(scan, path, description=f"{about} {cmr_synth.__version__}")
        write_sidecar(folder / f"{stem}_{kind}.json", path, {"kind": kind, **made.record, **facts})
        files.append(path)
    return files


def _t1_error(
    found: NDArray[np.float32], real: NDArray[np.float32], where: NDArray[np.bool_]
) -> dict[str, float]:
    return {
        "t1_myocardium_ms": round(float(np.median(found[where])), 1),
        "t1_myocardium_truth_ms": round(float(np.median(real[where])), 1),
        "t1_myocardium_off_ms": round(float(np.median(np.abs(found - real)[where])), 1),
    }


def _on_mask(
    anatomy: Anatomy, pictures: NDArray[np.float32], name: str, frame_ms: float | None
) -> Scan:
    """Pictures (n, y, x) of the square as one slice on the mask's grid."""
    whole = np.zeros((len(pictures), 1, *anatomy.shape), np.float32)
    (top, left), side = anatomy.corner, pictures.shape[-1]
    whole[:, 0, top : top + side, left : left + side] = pictures
    stored = undo(anatomy.orientation, whole)
    affine = anatomy.mask.affine.copy()
    affine[:3, 3] += anatomy.number * affine[:3, 2]
    return replace(
        anatomy.mask,
        array=stored if len(stored) > 1 else stored[0],
        affine=affine,
        name=f"{anatomy.mask.stem}_{name}",
        origin=None,
        frame_ms=frame_ms,
    )
