"""Contours of clinical programs: exact areas, the same mask back, and no trust in strangers."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.imaging.contours.cvi42 import is_cvi42, read_cvi42, write_cvi42
from cmr_synth.imaging.contours.masks import contours_of, read_contour_mask
from cmr_synth.imaging.contours.outlines import covered, filled, traced
from cmr_synth.imaging.contours.sunnybrook import read_sunnybrook, write_sunnybrook
from cmr_synth.imaging.dicom import read_dicom
from cmr_synth.imaging.dicom_out.series import write_series
from cmr_synth.imaging.dicom_out.study import Making
from cmr_synth.imaging.scan import Scan

MAKING = Making(model="m", model_version="1", model_hash="0" * 64, seed=0, variant=0)


def ellipse(a, b, centre=(31.3, 28.8), tilt=0.4, n=400):
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    x, y = a * np.cos(t), b * np.sin(t)
    turned = np.column_stack(
        [x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)]
    )
    return turned + centre


def on_the_native_grid(outline, shape):
    """What is usually done: the polygon rounded to pixels and filled with its line."""
    picture = Image.new("1", shape[::-1])
    ImageDraw.Draw(picture).polygon([tuple(p) for p in np.rint(outline)], fill=1, outline=1)
    return np.asarray(picture).sum()


@pytest.mark.parametrize(("a", "b"), [(10, 10), (14, 14), (18, 12), (25, 20)])
def test_areas_are_those_of_the_ellipse_where_native_filling_has_too_much(a, b):
    true = np.pi * a * b
    ours, native = [], []
    for shift in np.random.default_rng(0).uniform(0, 1, (12, 2)):
        outline = ellipse(a, b, centre=(31 + shift[0], 30 + shift[1]))
        ours.append((covered(outline, (64, 64)) >= 0.5).sum() / true - 1)
        native.append(on_the_native_grid(outline, (64, 64)) / true - 1)
    assert abs(np.mean(ours)) < 0.003 and np.abs(ours).max() < 0.015
    assert 0.05 < np.mean(native) < 0.13  # the smaller the heart, the more


def test_shares_of_pixels_are_exact():
    square = np.array([[2.0, 2], [4.5, 2], [4.5, 5], [2, 5]])  # (x, y)
    share = covered(square, (8, 8))
    assert share.sum() == pytest.approx(2.5 * 3, abs=0.2)
    assert share[3, 3] == 1 and share[2, 3] == pytest.approx(0.5, abs=0.1)
    assert covered(square + 100, (8, 8)).sum() == 0
    assert 0 < covered(square - 3, (8, 8)).sum() < 7.5  # half outside


def test_drawn_hearts_come_back_as_they_were():
    for seed in range(3):
        heart = draw_slice(seed=seed)
        outlines, lost = traced(heart)
        back = filled(outlines, heart.shape, rv_known=True)
        assert lost == np.count_nonzero(back != heart) == 0
    heart[10, 10] = LV  # a part of its own
    assert traced(heart)[1] == 1


def test_what_was_not_drawn_is_open():
    endo, epi = ellipse(8, 8), ellipse(12, 12)
    only = filled({"endo": endo}, (64, 64), rv_known=True)
    assert set(np.unique(only)) == {LV, UNLABELLED}
    both = filled({"endo": endo, "epi": epi}, (64, 64), rv_known=True)
    assert set(np.unique(both)) == {0, LV, MYO}
    assert set(np.unique(filled({"endo": endo, "epi": epi}, (64, 64), rv_known=False))) == {
        LV, MYO, UNLABELLED,
    }  # fmt: skip


@pytest.fixture
def cine(tmp_path):
    """A DICOM cine of two slices and three frames, and a mask of its first frame."""
    heart = np.stack([draw_slice(seed=0), draw_slice(seed=1, level="apical")])
    rng = np.random.default_rng(0)
    scan = Scan(
        array=rng.uniform(size=(3, *heart.shape)).astype(np.float32),
        affine=np.diag([-1.5, -1.5, -8.0, 1.0]),  # base first, as DICOM is read
        spacing=(8.0, 1.5, 1.5),
        name="cine",
        frame_ms=40.0,
    )
    folder = tmp_path / "dicom"
    folder.mkdir()
    write_series(scan, folder, MAKING)
    (images,) = read_dicom(folder)
    return (
        folder,
        images,
        Scan(array=heart, affine=images.affine, spacing=images.spacing, name="mask"),
    )


def test_cvi42_there_and_back(cine, tmp_path):
    folder, images, mask = cine
    contours, lost = contours_of(mask, images)
    assert lost == 0 and len(contours) == 2
    path = write_cvi42({p.uid: o for p, o in contours.items()}, folder / "w.cvi42wsx")
    assert is_cvi42(path)
    back = read_contour_mask(path)  # beside the images
    assert np.array_equal(back.array, mask.array)
    assert np.allclose(back.affine, mask.affine)
    assert any("drawn on frames 0 of 3" in note for note in back.notes)
    uids = {pydicom.dcmread(p).SOPInstanceUID for p in folder.glob("*.dcm")}
    assert set(read_cvi42(path)) < uids


def test_sunnybrook_there_and_back(cine, tmp_path):
    folder, images, mask = cine
    contours, _ = contours_of(mask, images)
    files = write_sunnybrook({p.number: o for p, o in contours.items()}, tmp_path / "text")
    assert {f.name for f in files} == {
        f"IM-0001-000{n}-{c}contour-manual.txt" for n in (1, 2) for c in "io"
    }
    back = read_contour_mask(tmp_path / "text", folder)
    inside = np.isin(mask.array, (LV, MYO))
    assert np.array_equal(back.array[inside], mask.array[inside])
    assert (back.array[~inside] == UNLABELLED).all()  # the RV has no place in this format
    assert any("RV was not drawn" in note for note in back.notes)


def test_contours_of_two_frames_are_a_cine(cine):
    folder, images, mask = cine
    frames = np.stack([mask.array, np.zeros_like(mask.array), np.roll(mask.array, 3, axis=-1)])
    contours, _ = contours_of(mask.with_array(frames), images)
    path = write_cvi42({p.uid: o for p, o in contours.items()}, folder / "w.cvi42wsx")
    back = read_contour_mask(path)
    assert np.array_equal(back.array, frames[[0, 2]])


def test_units_and_numbered_names(tmp_path):
    """As cvi42 writes them: whole numbers in parts of a pixel; the larger of two contours."""
    path = write_cvi42({"1.2.3": {"endo": ellipse(8, 6)}}, tmp_path / "w.cvi42wsx")
    points = "".join(
        f"<List:item><Point:x>{x}</Point:x><Point:y>{y}</Point:y></List:item>"
        for x, y in ((0, 0), (1000, 0), (1000, 1000), (0, 1000))
    )
    more = (
        '<Hash:item Hash:key="saendocardialContour0001"><Hash:item Hash:key="Points">'
        f'{points}</Hash:item><Hash:item Hash:key="SubpixelResolution">10</Hash:item></Hash:item>'
        '<Hash:item Hash:key="sapapilMuscContour"><Hash:item Hash:key="Points">'
        f"{points}</Hash:item></Hash:item>"
    )
    text = path.read_text()
    assert np.abs(read_cvi42(path)["1.2.3"]["endo"] - ellipse(8, 6)).max() <= 0.125
    place = text.index('<Hash:item Hash:key="saendocardialContour"')
    path.write_text(text[:place] + more + text[place:])
    assert read_cvi42(path)["1.2.3"]["endo"].tolist() == [[0, 0], [100, 0], [100, 100], [0, 100]]
    assert set(read_cvi42(path)["1.2.3"]) == {"endo"}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<a xmlns="http://www.circlecvi.com/cvi42/Workspace/">&b;</a>'
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: BOMB, "declares a document type"),
        (lambda text: text[: len(text) // 2], "is damaged or no XML"),
        (lambda text: text.replace("saendo", "other"), "holds no short-axis contours"),
        (lambda text: text.replace("<Point:x>", "<Point:x>nan", 1), "where a coordinate belongs"),
        (lambda text: text.replace("<Point:y>", "<Point:y>1e99", 1), "where a coordinate belongs"),
        (lambda text: text.replace(">4<", ">0<"), "is damaged; export"),
        (lambda text: "<a>" * 200, "nested too deeply"),
    ],
)
def test_workspaces_of_strangers_are_refused_in_one_line(tmp_path, change, message):
    path = write_cvi42({"1.2.3": {"endo": ellipse(8, 6)}}, tmp_path / "w.cvi42wsx")
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message) as error:
        read_cvi42(path)
    assert "\n" not in str(error.value)


def test_other_images_and_other_files(cine, tmp_path):
    folder, _, _ = cine
    path = write_cvi42({"1.2.3": {"endo": ellipse(8, 6)}}, tmp_path / "w.cvi42wsx")
    with pytest.raises(InputError, match="none of its 1 images is in"):
        read_contour_mask(path, folder)
    (tmp_path / "x.cvi42wsx").write_bytes(b"\x00binary workspace")
    with pytest.raises(InputError, match="is neither a cvi42 workspace in XML"):
        read_contour_mask(tmp_path / "x.cvi42wsx", folder)


def test_text_contours_are_read_with_care(tmp_path):
    folder = tmp_path / "c"
    write_sunnybrook({7: {"endo": ellipse(8, 6)}}, folder)
    path = folder / "IM-0001-0007-icontour-manual.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert np.abs(read_sunnybrook(folder)[7]["endo"] - ellipse(8, 6)).max() <= 0.005 + 1e-9
    path.write_text("1 2\n3\n")
    with pytest.raises(InputError, match="line 2: is no point"):
        read_sunnybrook(folder)
    path.write_text("1 2\n3 4\n")
    with pytest.raises(InputError, match="2 points are no contour"):
        read_sunnybrook(folder)
    with pytest.raises(InputError, match="holds no contours called such as"):
        read_sunnybrook(tmp_path / "nothing")


def test_sunnybrook_dicom_takes_contours(data_root):
    folder = data_root / "sunnybrook_dicom" / "SCD0000301"
    if not folder.is_dir():
        pytest.skip(f"no Sunnybrook DICOM at {folder}")
    scans = read_dicom(folder)
    mask = scans[0].with_array(np.zeros(scans[0].shape[-3:], np.uint8))
    mask.array[..., 100:130, 100:130] = LV
    contours, lost = contours_of(mask, scans[0])
    assert lost == 4 * mask.n_slices or lost == 0  # corners
    assert all(place.number for place in contours)


def test_rv_is_kept_where_it_was_drawn(cine):
    folder, images, mask = cine
    contours, _ = contours_of(mask, images)
    path = write_cvi42({p.uid: o for p, o in contours.items()}, folder / "w.cvi42wsx")
    assert (read_contour_mask(path).array == RV).sum() == (mask.array == RV).sum() > 0
