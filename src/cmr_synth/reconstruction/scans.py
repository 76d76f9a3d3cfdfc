"""Whole scans: a simulated acquisition of magnitude pictures, or a scanner's raw data, in and out.

What comes out of a simulated acquisition is a real patient's picture that was altered, and marked
so: it shows what a faster scan and its reconstruction would have left of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.ismrmrd import Raw
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.reconstruction.acquisition import Acquired, Scanner, as_acquired, simulated
from cmr_synth.reconstruction.methods import Method
from cmr_synth.reconstruction.quality import WINDOW, figures
from cmr_synth.reconstruction.sampling import Sampling
from cmr_synth.synthesis.record import ALTERED, MARK, versions, write_sidecar

AT_ONCE = 4  # slices
LEAST_LINES = 0.6  # measured, of raw data that are under-sampled once more
LEAST_SIDE = 32  # pixels of a slice
RECONSTRUCTED = "RECONSTRUCTED"  # first word of the description of what a scanner measured


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """A scan by one method.

    Parameters
    ----------
    scan : Scan
        Magnitudes; in the units of the scan that was simulated, or of the raw data.
    record : dict
        How it was made, and how near to the fully sampled scan it is where there is one.
    """

    scan: Scan
    record: dict[str, Any]


def reconstruct_scan(
    scan: Scan,
    methods: Sequence[Method],
    sampling: Sampling,
    scanner: Scanner,
    *,
    seed: int = 0,
    synthetic: bool = False,
) -> Iterator[Progress | Reconstructed]:
    """Take a magnitude scan again, under-sampled, and reconstruct it by each method.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x); lines run along x.
    methods : sequence of Method
        All are given the same k-space.
    sampling : Sampling
    scanner : Scanner
    seed : int
        Of phases, coils, noise and samples; those of a slice hang on it and on its place alone.
    synthetic : bool
        Whether the scan is synthetic, and what is made of it therefore, too.

    Yields
    ------
    Progress, then one Reconstructed a method

    Raises
    ------
    InputError
        If it holds no magnitudes, or is too small.
    """
    frames = scan.array if scan.is_cine else scan.array[None]
    brightest = _brightest(scan)
    shape = frames.shape
    flat = np.asarray(frames, np.float32).reshape(-1, *shape[2:]) / brightest
    made: list[list[NDArray[np.float32]]] = [[] for _ in methods]
    steps = len(flat) * len(methods)
    for first in range(0, len(flat), AT_ONCE):
        part = flat[first : first + AT_ONCE]
        # a slice's own numbers: frame and place, so that slices can be taken alone
        places = [divmod(first + k, shape[1]) for k in range(len(part))]
        draws = [np.random.default_rng([seed, *place]) for place in places]
        acquired, _ = simulated(torch.from_numpy(part), [sampling] * len(part), scanner, draws)
        for number, method in enumerate(methods):
            made[number].append(_magnitudes(method, acquired))
            yield Progress(first * len(methods) + len(part) * (number + 1), steps)
    digest = hashlib.sha256(np.ascontiguousarray(scan.array).tobytes()).hexdigest()
    facts = {
        "synthetic": synthetic,
        "altered": True,
        "what": "reconstructed from k-space that was simulated from magnitude pictures",
        "scan": {"name": scan.name, "pixels_sha256": digest},
        "acquisition": {
            "simulated": True,
            "sampling": sampling.pattern,
            "acceleration": sampling.acceleration,
            "coils": scanner.coils,
            "noise": scanner.noise,
            "seed": seed,
        },
    }
    for method, parts in zip(methods, made, strict=True):
        found = np.concatenate(parts)
        pixels = (found * brightest).reshape(shape)
        out = scan.with_array(pixels if scan.is_cine else pixels[0])
        yield Reconstructed(out, _record(facts, method, found, flat))


def reconstruct_raw(
    raw: Raw, methods: Sequence[Method], sampling: Sampling | None = None, *, seed: int = 0
) -> Iterator[Progress | Reconstructed]:
    """Reconstruct what a scanner measured.

    Parameters
    ----------
    raw : Raw
    methods : sequence of Method
    sampling : Sampling, optional
        Leave out that much of a fully sampled scan, and compare with all of it.
    seed : int
        Of the samples that are left out.

    Yields
    ------
    Progress, then one Reconstructed a method

    Raises
    ------
    InputError
        If coils are missing, coil maps cannot be told, or the scan is to be under-sampled and is
        already.
    """
    times, slices = raw.kspace.shape[:2]
    if sampling is not None and raw.lines_measured < LEAST_LINES:
        raise InputError(
            f"{raw.name}: is under-sampled already, {raw.lines_measured:.0%} of its lines are "
            "there; leave the acceleration out."
        )
    made: list[list[NDArray[np.float32]]] = [[] for _ in methods]
    whole: list[NDArray[np.float32]] = []
    for number in range(times * slices):
        t, k = divmod(number, slices)
        where = f"{raw.name}, slice {k + 1}, phase {t + 1}"
        kspace, measured = raw.kspace[t, k][None], raw.measured[t, k][None]
        if sampling is not None:
            whole.append(_whole(kspace, measured, where))
            shape = (kspace.shape[-2], kspace.shape[-1])
            kept = measured & sampling.mask(shape, np.random.default_rng([seed, t, k]))
            kspace, measured = np.where(kept[:, None], kspace, 0), kept
        acquired = as_acquired(kspace.astype(np.complex64), measured, where=where)
        for one, method in zip(made, methods, strict=True):
            one.append(_magnitudes(method, acquired))
        yield Progress(number + 1, times * slices)
    facts = {
        "synthetic": False,
        "altered": sampling is not None,
        "what": "reconstructed from a scanner's raw data",
        "scan": {"name": raw.name},
        "acquisition": {
            "simulated": False,
            "lines_measured": round(raw.lines_measured, 4),
            "coils": int(raw.kspace.shape[2]),
            **(
                {
                    "sampling": sampling.pattern,
                    "acceleration": sampling.acceleration,
                    "seed": seed,
                }
                if sampling is not None
                else {}
            ),
        },
    }
    brightest = max(float(np.max(one)) for one in whole) if whole else 1.0
    truth = np.concatenate(whole) / brightest if whole else None
    for method, parts in zip(methods, made, strict=True):
        found = np.concatenate(parts)
        pixels = raw.scan(found.reshape(times, slices, *found.shape[1:]))
        record = _record(facts, method, found / brightest, truth)
        yield Reconstructed(pixels, record)


def write_reconstructed(
    made: Reconstructed, folder: Path, stem: str, *, facts: dict[str, Any]
) -> dict[str, Any]:
    """Write `STEM.nii.gz`, marked as what it is, and its sidecar; return what that says.

    Parameters
    ----------
    made : Reconstructed
    folder : Path
        Must exist.
    stem : str
    facts : dict
        Further ones for the record.
    """
    acquisition = made.record["acquisition"]
    mark = RECONSTRUCTED
    if made.record["synthetic"]:
        mark = MARK
    elif made.record["altered"]:
        mark = ALTERED
    faster = acquisition.get("acceleration")
    about = (
        f"{mark} reconstruction, {'simulated ' if acquisition['simulated'] else ''}k-space"
        f"{f' {faster:g}-fold' if faster else ''}, cmr-synth {cmr_synth.__version__}"
    )
    path = folder / f"{stem}.nii.gz"
    write_nifti(made.scan, path, description=about)
    return write_sidecar(folder / f"{stem}.json", path, {**made.record, **facts})


def _brightest(scan: Scan) -> float:
    pixels = np.asarray(scan.array)
    rows, columns = pixels.shape[-2:]
    if min(rows, columns) < max(LEAST_SIDE, WINDOW):
        raise InputError(
            f"{scan.name}: slices are of {rows} x {columns} pixels; at least {LEAST_SIDE} x "
            f"{LEAST_SIDE} are needed."
        )
    if not np.isfinite(pixels).all() or pixels.min() < 0:
        raise InputError(f"{scan.name}: holds negative or infinite pixels; give a magnitude scan.")
    if not pixels.max() > 0:
        raise InputError(f"{scan.name}: is black; there is nothing to measure.")
    return float(pixels.max())


def _magnitudes(method: Method, acquired: Acquired) -> NDArray[np.float32]:
    found = method.run(acquired.to(method.device)).abs().cpu().numpy()
    return np.asarray(found, np.float32)


def _whole(
    kspace: NDArray[np.complex64], measured: NDArray[np.bool_], where: str
) -> NDArray[np.float32]:
    found = as_acquired(kspace, measured, where=where).zero_filled().abs().numpy()
    return np.asarray(found, np.float32)


def _record(
    facts: dict[str, Any],
    method: Method,
    found: NDArray[np.float32],
    truth: NDArray[np.float32] | None,
) -> dict[str, Any]:
    record = {**facts, "reconstruction": method.facts, "versions": versions()}
    if truth is not None:
        means = {
            name: float(np.nanmean(values)) if np.isfinite(values).any() else None
            for name, values in figures(np.clip(found, 0, 1), truth).items()
        }
        record["beside_fully_sampled"] = means
    return record
