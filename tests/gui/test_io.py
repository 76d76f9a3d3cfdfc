"""Opening and saving in the real window: the same voxels, the same place, and plain messages."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.template import draw_stack
from napari_cmr_synth._layers import GRID
from napari_cmr_synth._results import MASK, RECORD
from napari_cmr_synth.files.reader import prefer_in_napari

PLUGIN = "napari-cmr-synth"
SPACING_XYZ = (1.5, 1.5, 8.0)


@pytest.fixture
def affines(oblique_affine):
    """Grids by name; the oblique one is mirrored as well."""
    plain = np.diag([-1.5, -1.5, 8.0, 1.0])
    flipped = plain * [[1], [-1], [-1], [1]]
    flipped[:3, 3] = (10, -20, 30)
    return {"plain": plain, "flipped": flipped, "oblique": oblique_affine}


def voxels(kind, ndim):
    """([t,] [z,] y, x) pixels or labels."""
    heart = draw_stack(slices=4, shape=(96, 112), spacing=(8.0, 1.5, 1.5), seed=3)
    array = np.stack([heart, np.roll(heart, 2, axis=2)])  # (t, z, y, x)
    if kind == "image":
        noise = np.random.default_rng(0).normal(0, 9, array.shape)
        array = (100.0 * array + noise).astype(np.float32)
    return array if ndim == 4 else array[0] if ndim == 3 else array[0, 1]


def store(path, array, affine):
    image = nib.Nifti1Image(array.transpose(), affine)  # -> (x, y[, z][, t])
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*SPACING_XYZ, 0.04)[: array.ndim])
    nib.save(image, path)
    return path


@pytest.mark.parametrize(
    ("ndim", "grid"),
    [(2, "flipped"), (3, "plain"), (3, "flipped"), (3, "oblique"), (4, "flipped"), (4, "oblique")],
)
@pytest.mark.parametrize("kind", ["image", "labels"])
def test_what_is_opened_and_saved_is_the_same_file(viewer, tmp_path, affines, kind, ndim, grid):
    array = voxels(kind, ndim)
    source = store(tmp_path / "in.nii.gz", array, affines[grid])
    (layer,) = viewer.open(str(source), plugin=PLUGIN)
    assert type(layer).__name__.lower() == kind
    np.testing.assert_allclose(layer.scale[-2:], (1.5, 1.5), rtol=1e-5)
    viewer.reset_view()
    target = tmp_path / "out.nii.gz"
    assert viewer.layers.save(str(target), plugin=PLUGIN) == [str(target)]
    before, after = nib.load(source), nib.load(target)
    assert after.shape == before.shape
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-4)
    np.testing.assert_allclose(after.header.get_zooms(), before.header.get_zooms(), rtol=1e-5)


def test_the_picture_is_not_blank_and_the_mask_is_on_the_heart(viewer, tmp_path, affines, qtbot):
    image = store(tmp_path / "p.nii.gz", voxels("image", 3), affines["oblique"])
    mask = store(tmp_path / "p_gt.nii.gz", voxels("labels", 3), affines["oblique"])
    pixels, labels = viewer.open([str(image), str(mask)], plugin=PLUGIN)
    labels.visible = False
    viewer.dims.set_point(0, 8.0)
    viewer.reset_view()
    qtbot.wait(50)
    below = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    assert below.std() > 20
    labels.visible, labels.opacity, pixels.visible = True, 1.0, False
    qtbot.wait(50)
    above = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    coloured = (above.max(axis=-1) - above.min(axis=-1)) > 60
    inside, outside = below[coloured].mean(), below[~coloured].mean()
    assert coloured.sum() > 500 and inside > outside + 50  # the pixels are bright where labels are


def drop(viewer, *paths):
    """Let files fall on the canvas, as the file manager does."""
    from qtpy.QtCore import QUrl

    urls = [QUrl.fromLocalFile(str(path)) for path in paths]
    viewer.window._qt_viewer._open_from_list_of_urls_data(urls, stack=False, choose_plugin=False)


@pytest.fixture
def preferred(monkeypatch):
    """This plugin is napari's choice for scans, as in `cmr-synth app`; nothing is saved."""
    from napari.settings import get_settings

    settings = get_settings()
    monkeypatch.setattr(settings, "config_path", None)
    before = dict(settings.plugins.extension2reader)
    settings.plugins.extension2reader = {}
    prefer_in_napari()
    yield settings.plugins
    settings.plugins.extension2reader = before


def test_files_that_are_no_scans_are_said_and_the_others_open(
    viewer, tmp_path, affines, told, preferred
):
    good = store(tmp_path / "good.nii.gz", voxels("image", 3), affines["plain"])
    letter, picture = tmp_path / "letter.nii", tmp_path / "photo.nii.gz"
    letter.write_text("Dear colleague")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    viewer.add_labels(np.ones((4, 4), int), name="mine")
    drop(viewer, letter, good, picture)
    assert [layer.name for layer in viewer.layers] == ["mine", "good"]
    problems = [line for line in told if line.startswith("error")]
    assert len(problems) == 2
    assert problems[0].startswith("error: letter.nii: ")
    assert problems[1].startswith("error: photo.nii.gz: ")
    assert not any("traceback" in line or "\n" in line for line in problems)


def test_a_folder_without_scans_is_said(viewer, tmp_path, told):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.txt").write_text("sun")
    assert viewer.open(str(tmp_path / "holiday"), plugin=PLUGIN) == []
    assert len(told) == 1 and "holiday: no dicom image found" in told[0]


def test_a_preference_of_the_user_is_kept(preferred):
    assert preferred.extension2reader["*.nii.gz"] == PLUGIN
    preferred.extension2reader = {"*.nii": "napari"}
    prefer_in_napari()
    assert preferred.extension2reader["*.nii"] == "napari"
    assert preferred.extension2reader["*.dcm"] == PLUGIN


def test_selected_layers_become_a_sheet_and_a_data_set(viewer, tmp_path, affines):
    image = store(tmp_path / "p.nii.gz", voxels("image", 4), affines["oblique"])
    mask = store(tmp_path / "p_gt.nii.gz", voxels("labels", 4), affines["oblique"])
    viewer.open([str(image), str(mask)], plugin=PLUGIN)
    viewer.add_points(np.zeros((1, 4)))
    viewer.layers.selection = set(viewer.layers[:2])
    folder = tmp_path / "Dataset1"
    written = viewer.layers.save(str(folder / "dataset.json"), selected=True, plugin=PLUGIN)
    assert len(written) == 5
    for frame in (1, 2):
        case = nib.load(folder / "imagesTr" / f"p_frame{frame:02d}_0000.nii.gz")
        np.testing.assert_allclose(case.affine, affines["oblique"], atol=1e-4)
        expected = voxels("image", 4)[frame - 1]
        np.testing.assert_array_equal(np.asarray(case.dataobj).transpose(), expected)
    assert json.loads((folder / "dataset.json").read_text())["numTraining"] == 2
    sheet = str(tmp_path / "sheet.png")
    assert viewer.layers.save(sheet, selected=True, plugin=PLUGIN) == [sheet]


def test_the_synthetic_sample_follows_its_mask_without_holding_the_window(viewer, qtbot, told):
    (mask,) = viewer.open_sample(PLUGIN, "synthetic_stack")
    assert [layer.name for layer in viewer.layers] == ["normal heart, drawn"]  # at once
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    image = viewer.layers[0]
    assert image.name.startswith("synthetic") and image.metadata[MASK] == mask.name
    assert image.metadata[RECORD]["synthetic"] is True
    assert image.metadata[GRID].shape == mask.metadata[GRID].shape
    np.testing.assert_array_equal(image.scale, mask.scale)
    blood, wall = (float(np.median(image.data[mask.data == label])) for label in (LV, MYO))
    assert blood > wall + 0.1
    assert not [line for line in told if line.startswith("error")]


def test_the_panels_are_in_the_menus(viewer):
    window = viewer.window
    menus = (window.file_menu, window.layers_menu, window.plugins_menu)
    found = [text for menu in menus for text in _texts(menu)]
    for panel in ("Heart mask", "Synthesize", "Vendors and variants", "Batch", "Record"):
        assert sum(panel in text for text in found) >= 2, panel  # its own place, and Plugins


def _texts(menu):
    menu.aboutToShow.emit()
    for action in menu.actions():
        if action.menu() is not None:
            yield from _texts(action.menu())
        else:
            yield action.text()
