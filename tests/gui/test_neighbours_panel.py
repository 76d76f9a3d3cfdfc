"""The panel of nearest patients: what it shows, opens and flags."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from ..privacy.conftest import people

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")

LONG_MS = 60_000


@pytest.fixture(scope="module")
def detector():
    from cmr_synth.judges.copy_detector import CopyDetector

    return CopyDetector.load()


@pytest.fixture
def make_archive(tmp_path, detector):
    """An archive of drawn patients, some of whose slices are replaced by pictures."""
    from cmr_synth.evaluation.sample import Sample
    from cmr_synth.privacy.archive_writer import build

    def make(*pictures: np.ndarray, held_out: bool = True, pixels: bool = True):
        real = people(24, prefix="real", seed=1)
        kept = real.pixels.copy()
        kept[: len(pictures)] = np.stack(pictures) if pictures else kept[:0]
        real = Sample("real", kept, real.labels, real.rows, real.spacing)
        others = people(24, prefix="other", seed=2)
        out = tmp_path / "archive"
        *_, archive = build(
            real, out, detector, held_out=others if held_out else None, pixels=pixels
        )
        return archive.folder

    return make


@pytest.fixture
def panel(viewer):
    _, panel = viewer.window.add_plugin_dock_widget("napari-cmr-synth", "Nearest patients")
    return panel


def wait(panel, qtbot) -> None:
    with qtbot.waitSignal(panel.job.finished, timeout=LONG_MS):
        pass


def test_a_copied_patient_is_named_shown_and_flagged(panel, viewer, synthetic, qtbot, make_archive):
    _, picture = synthetic(vendor="siemens")
    made = picture.metadata["cmr_as_made"]
    panel.use_archive(make_archive(made[0, 2]))
    viewer.layers.selection.active = picture
    viewer.dims.set_current_step(0, 2)
    panel.search_button.click()
    wait(panel, qtbot)
    assert panel.found.flagged and panel.found.nearest[0].name == "drawn real0"
    assert panel.found.nearest[0].distance < 0.05
    assert "Too close" in panel.verdict_label.text() and "red" not in panel.verdict_label.text()
    assert "ff3030" in panel.verdict_label.styleSheet()
    assert panel.nearest_list.count() == 5
    item = panel.nearest_list.item(0)
    assert item.text().startswith("drawn real0") and "%" in item.text()
    frame = item.icon().pixmap(128).toImage().pixelColor(2, 2)
    assert frame.red() > 200 and frame.green() < 90

    panel.nearest_list.itemClicked.emit(item)
    titles = ["synthetic, slice 2", "real drawn real0", "difference"]
    assert [layer.name for layer in viewer.layers][:3] == titles
    own, neighbour, apart = panel.grid_view.layers
    assert panel.grid_view.active and not picture.visible
    assert own.visible and neighbour.visible and apart.visible
    assert own.data is picture.data
    assert neighbour.data.shape == picture.data.shape
    np.testing.assert_allclose(neighbour.data[2], picture.data[2], atol=0.01)
    assert not neighbour.data[[0, 1, 3]].any() and np.abs(apart.data).max() < 0.01
    neighbour.contrast_limits = (0.1, 0.9)
    assert tuple(own.contrast_limits) == (0.1, 0.9)
    assert tuple(apart.contrast_limits) == (-0.5, 0.5)

    panel.back_button.click()
    assert not panel.grid_view.active
    assert not set(titles) & {x.name for x in viewer.layers}
    assert picture in viewer.layers and picture.visible


def test_all_slices_are_a_gallery_with_the_copy_in_red(
    panel, viewer, synthetic, qtbot, make_archive
):
    _, picture = synthetic(vendor="siemens")
    panel.use_archive(make_archive(picture.metadata["cmr_as_made"][0, 1]))
    viewer.layers.selection.active = picture
    panel.all_button.click()
    wait(panel, qtbot)
    assert panel.slices_list.count() == 4
    items = [panel.slices_list.item(k) for k in range(4)]
    red = [item.foreground().color().name() == "#ff3030" for item in items]
    assert red[1] and "too close" in panel.verdict_label.text()
    job = panel.job
    assert panel.nearest_list.count() == 5  # the neighbours of the slice in view are shown, too
    panel.slices_list.itemClicked.emit(items[1])
    assert panel.job is job  # what was found is shown, not searched for again
    assert viewer.dims.current_step[0] == 1 and panel.found.flagged
    assert panel.nearest_list.item(0).text().startswith("drawn real0")
    assert "two differ" in panel.percent_label.text() and panel.percent_label.isVisible()


def test_without_held_out_patients_it_is_inconclusive(
    panel, viewer, synthetic, qtbot, make_archive, slice_mask
):
    _, picture = synthetic(slice_mask)
    panel.use_archive(make_archive(held_out=False, pixels=False))
    viewer.layers.selection.active = picture
    panel.search()
    wait(panel, qtbot)
    assert "Inconclusive" in panel.verdict_label.text() and not panel.found.flagged
    panel.open_neighbour(panel.found.nearest[0])  # no pictures: nothing is opened
    assert not panel.grid_view.active


def test_the_second_search_takes_less_than_a_second_of_work(
    panel, viewer, synthetic, qtbot, make_archive
):
    _, picture = synthetic()
    panel.use_archive(make_archive())
    viewer.layers.selection.active = picture
    viewer.dims.set_current_step(0, 1)
    panel.search()
    wait(panel, qtbot)
    since = time.process_time()
    panel.search()
    wait(panel, qtbot)
    assert time.process_time() - since < 2  # of all cores: machines that run tests are busy


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (None, "no such file"),
        ('{"format": 99, "files": {}}', "format 99, and this version reads"),
        ("[1, 2]", "not a readable archive"),
    ],
    ids=["missing", "another version", "damaged"],
)
def test_an_archive_that_cannot_be_read_is_told(
    panel, viewer, drawn, qtbot, told, tmp_path, about, reason
):
    from cmr_synth.privacy.archive import ABOUT

    _, picture = drawn()
    (tmp_path / "other").mkdir()
    if about is not None:
        (tmp_path / "other" / ABOUT).write_text(about)
    panel.use_archive(tmp_path / "other")
    viewer.layers.selection.active = picture
    viewer.dims.set_current_step(0, 1)
    panel.search()
    wait(panel, qtbot)
    (message,) = told
    assert "not a readable archive" in message and reason in message
    assert panel.search_button.isEnabled() and panel.found is None


def test_a_long_name_fits_above_its_cell():
    from napari_cmr_synth.neighbours.panel import LETTERS, _short

    assert _short("real drawn real0") == "real drawn real0"
    name = "real mnms2 patient-with-a-long-name-0123"
    assert len(_short(name)) == LETTERS
    assert _short(name).startswith("real mnms2") and _short(name).endswith("0123")


def test_it_says_what_to_do_first(panel, add_mask, stack):
    add_mask(stack)
    assert not panel.search_button.isEnabled() and "archive build" in panel.verdict_label.text()


def test_patients_of_look_ups_keep_their_place(make_archive, detector):
    """Several slices at once have the neighbours that each has alone, and no smaller p."""
    from cmr_synth.privacy.archive import open_archive
    from cmr_synth.privacy.look_up import look_up

    archive = open_archive(make_archive())
    pictures = people(4, prefix="new", seed=5).pixels
    together = look_up(pictures, archive, detector, vendor="siemens", levels=["mid"] * 12)
    for picture, one in zip(pictures, together, strict=True):
        (alone,) = look_up(picture[None], archive, detector, vendor="siemens", levels=["mid"])
        assert [n.name for n in alone.nearest] == [n.name for n in one.nearest]
        assert alone.p <= one.p
        assert replace(alone, flagged=False, p=None).nearest[0].percentile == pytest.approx(
            one.nearest[0].percentile
        )
