"""Small releases: a tiny model, drawn masks on a coarse grid, an archive of drawn people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.sample import Sample
from cmr_synth.release.making import Made, make_release
from cmr_synth.release.request import ReleaseRequest, parse_request

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def asked(tiny_model: Path) -> Callable[..., ReleaseRequest]:
    """A request for a few small patients; fields can be changed."""

    def of(**changes: Any) -> ReleaseRequest:
        fields = {
            "name": "small",
            "patients": 3,
            "pathologies": {"normal": 2, "hcm": 1},
            "vendors": ["siemens", "ge"],
            "masks": "templates",
            "slices": 2,
            "spacing_mm": [8.0, 3.0, 3.0],
            "shape": [64, 64],
            "model": str(tiny_model),
            "seed": 5,
            "redraws": 0,
            "date": "2026-01-02",
        } | changes
        return parse_request({k: v for k, v in fields.items() if v is not None}, name="request")

    return of


@pytest.fixture(scope="session")
def made() -> Callable[..., Made]:
    """Make a release to its end."""

    def of(request: ReleaseRequest, out: Path, **options: Any) -> Made:
        *_, last = make_release(request, out, KEY, **options)
        assert isinstance(last, Made)
        return last

    return of


@pytest.fixture(scope="session")
def small(asked, made, tmp_path_factory) -> Path:
    """A finished release of three patients; leave it as it is."""
    out = tmp_path_factory.mktemp("releases") / "undisturbed"
    made(asked(), out)
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def people(count: int, *, prefix: str, seed: int, each: int = 3) -> Sample:
    """Drawn hearts in surroundings of their own, so that patients are told apart."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    pixels, labels, rows = [], [], []
    for p in range(count):
        ground = gaussian_filter(rng.normal(size=(128, 128)), 6)
        ground = 0.35 + 0.3 * ground / np.abs(ground).max()
        for k in range(each):
            level = ("basal", "mid", "apical")[k % 3]
            mask = draw_slice(level=level, seed=1000 * seed + 10 * p + k)  # type: ignore[arg-type]
            shade = np.array([0, 0.45, -0.05, 0.4])[mask]
            pixels.append(np.clip(ground + shade + rng.normal(0, 0.02, mask.shape), 0, 1))
            labels.append(mask)
            rows.append(row_of(f"{prefix}{p}", k, (k % 3) / 2))
    return Sample(prefix, np.stack(pixels).astype(np.float32), np.stack(labels), tuple(rows), 1.5)


def row_of(patient: str, k: int, z: float, *, split: str = "train") -> SliceRow:
    return SliceRow(
        cohort="drawn",
        patient=patient,
        split=split,
        vendor="siemens",
        phase="ED",
        pathology="",
        slice=k,
        z=z,
        completed=False,
    )
