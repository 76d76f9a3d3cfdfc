"""Finding the heart and its phases: on drawn hearts with a known answer, and on real cines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.measurements import ed_and_es
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.scan import Scan
from cmr_synth.judges.find_heart import Found, find_heart
from cmr_synth.judges.segmenter import Segmenter

GREY = np.array([0.1, 0.7, 0.3, 0.6])
AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])


class GreySegmenter:
    """Tells structures by their grey value."""

    hash = "grey"

    def shares(self, images: np.ndarray) -> np.ndarray:
        near = np.exp(-10 * np.abs(images[:, None] - GREY[:, None, None]))
        return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)

    def segment(self, images: np.ndarray) -> np.ndarray:
        return self.shares(images).argmax(axis=1).astype(np.uint8)


def cine() -> tuple[np.ndarray, Scan]:
    """Four frames, ES in the second, far from the middle of a wide field of view."""
    ed, es = (draw_stack(slices=3, phase=phase, shape=(128, 128)) for phase in ("ED", "ES"))
    labels = np.stack([ed, es, es, ed, ed])
    wide = np.pad(labels, ((0, 0), (0, 0), (40, 10), (10, 50)))
    pixels = GREY[wide].astype(np.float32)
    pixels[..., 0, 0], pixels[..., -1, -1] = 0, 1  # so that percentiles change little
    return wide, Scan(array=pixels, affine=AFFINE, spacing=(8.0, 1.5, 1.5), name="cine")


def found_in(scan: Scan, segmenter: object) -> Found:
    *shares, found = find_heart(scan, segmenter)  # type: ignore[arg-type]
    assert shares == sorted(shares) and shares[-1] == 1
    assert isinstance(found, Found)
    return found


def test_the_heart_comes_back_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmr_synth.judges.find_heart.percentile", lambda pixels: pixels)
    labels, scan = cine()
    found = found_in(scan, GreySegmenter())
    assert found.mask.shape == scan.shape and found.phases is not None
    for label in (1, 2, 3):  # borders are mixed grey where the grid lies between the pixels
        seen, drawn = found.mask.array == label, labels == label
        assert 2 * (seen & drawn).sum() / (seen.sum() + drawn.sum()) > 0.9
    assert found.phases[0] in (0, 3, 4) and found.phases[1] in (1, 2)
    assert found.volumes_ml[0] > found.volumes_ml[1] > 0


def test_a_frame_that_was_segmented_badly_is_no_phase() -> None:
    volumes = np.array([100, 90, 60, 50, 45, 55, 0, 80, 95, 300.0])
    ed, es = ed_and_es(volumes) or (-1, -1)
    assert ed in (0, 9, 8) and es in (3, 4, 5)


def test_only_the_slices_asked_for_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmr_synth.judges.find_heart.percentile", lambda pixels: pixels)
    _, scan = cine()
    whole = found_in(scan, GreySegmenter())
    *_, found = find_heart(scan, GreySegmenter(), frames=[1], slices=[2])  # type: ignore[arg-type]
    assert isinstance(found, Found) and found.phases is None
    assert found.looked_at.sum() == 1 and found.looked_at[1, 2]
    drawn = found.mask.array.any(axis=(2, 3))
    np.testing.assert_array_equal(drawn, found.looked_at)
    same = (found.mask.array[1, 2] == whole.mask.array[1, 2]).mean()
    assert same > 0.99  # the place is that of another frame, by less than a pixel or so
    np.testing.assert_array_equal(np.isfinite(found.confidence.probability).all(-1), drawn)


def test_where_there_is_no_heart_it_says_so() -> None:
    noise = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32) * 0.05
    scan = Scan(array=noise, affine=AFFINE, spacing=(8.0, 1.5, 1.5), name="noise")

    class Nothing:
        hash = ""

        def segment(self, images: np.ndarray) -> np.ndarray:
            return np.zeros(images.shape, np.uint8)

    with pytest.raises(InputError, match="noise: no heart was found"):
        list(find_heart(scan, Nothing()))  # type: ignore[arg-type]


@pytest.mark.parametrize("patient", ["patient021", "patient030"])
def test_phases_of_real_cines_are_those_that_were_named(data_root: Path, patient: str) -> None:
    """At most two frames off; the order of the frames is a cycle."""
    folder = data_root / "acdc_cine" / "training" / patient
    if not folder.is_dir():
        pytest.skip("no real cines here")
    scan = read_image(folder / f"{patient}_4d.nii.gz")
    found = found_in(scan, Segmenter.load())
    cfg = (folder / "Info.cfg").read_text()
    named = [int(cfg.split(f"{phase}:")[1].split()[0]) - 1 for phase in ("ED", "ES")]
    frames = scan.n_frames
    assert found.phases is not None
    for seen, said in zip(found.phases, named, strict=True):
        assert min((seen - said) % frames, (said - seen) % frames) <= 2
