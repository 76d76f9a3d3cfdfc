"""A first-time walk through the tutorial in a window of 1366 x 768, with mouse and keyboard.

After every section all that is shown can be read and reached, and what the section promises has
come of it. The models are the bundled ones, the fastest of those that synthesize.
"""

from __future__ import annotations

import csv
import json
from contextlib import suppress

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QDialog

from cmr_synth.anatomy.labels import LV
from napari_cmr_synth import _settings
from napari_cmr_synth._manifest import PLUGIN
from napari_cmr_synth._results import AUDITED, RECORD

from .hands import SOON_S, until
from .legible import faults
from .walk import SECTIONS, SIZE, VARIANTS, VENDOR, Walk
from .walk_files import write_archive, write_files


@pytest.fixture
def walk(viewer, monkeypatch, tmp_path, empty_zoo):
    """The app of somebody who chose the quickest model, and files to work on."""
    import napari

    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    _settings.put("model", "flow-fast")
    files = write_files(tmp_path)
    write_archive(files.archive)
    return Walk(files)


def test_every_section_of_the_tutorial(walk, told):
    lines = []
    walk.pause = lambda seen: lines.extend(f"{seen}, {line}" for line in unreadable(walk))
    for section in SECTIONS:
        getattr(walk, section)()
        lines += [f"{section}, {line}" for line in unreadable(walk)]
        globals()[f"after_{section}"](walk)
    assert not lines, "\n".join(lines)
    assert not [line for line in told if line.startswith(("error", "warning"))], told


def unreadable(walk) -> list[str]:
    """What is still wrong to look at after `SOON_S`; nothing as soon as all is laid out."""
    lines: list[str] = []

    def readable() -> bool:
        lines[:] = faults_in_view(walk)
        return not lines

    with suppress(TimeoutError):
        until(readable, "a readable window", patience=SOON_S)
    return lines


def faults_in_view(walk) -> list[str]:
    """What is cut, off the screen or too narrow in bar, panels and dialogs that are open."""
    looked = {"the bar": (walk.bar, walk.window)}
    for title in walk.shown:
        dock = walk.viewer.window.add_plugin_dock_widget(PLUGIN, title)[0]
        looked[title] = (dock, walk.window)
    for other in QApplication.topLevelWidgets():
        if isinstance(other, QDialog) and other.isVisible():
            looked[other.windowTitle()] = (other, other)
    lines = [f"{title}: {line}" for title, where in looked.items() for line in faults(*where)]
    room = walk.window.screen().availableGeometry()
    for other, _ in looked.values():
        if other.isWindow() and not room.contains(other.frameGeometry()):
            lines.append(f"{other.windowTitle()}: reaches off the screen")
    if 2 * walk.canvas.width() < walk.window.width():
        lines.append(f"the picture has {walk.canvas.width()} pixels")
    if (walk.window.width(), walk.window.height()) != SIZE:
        lines.append(f"the window grew to {walk.window.width()} x {walk.window.height()}")
    return lines


def after_start(walk):
    assert walk.page.isVisible() and not walk.viewer.layers


def after_patients(walk):
    assert walk.shown == ["Patients"]
    (scan,) = walk.viewer.layers
    assert scan.name.startswith("SC-") and scan.data.shape[0] == 2


def after_find(walk):
    lv = np.count_nonzero(walk.mask.data == LV) * np.prod(walk.mask.scale) / 1000
    assert 20 < lv < 200, f"{lv:.0f} mL in two slices"
    assert "How sure" in walk.panel("Heart mask").finding.sure.text()


def after_paint(walk):
    assert walk.mask.mode == "paint" and walk.mask._undo_history


def after_live(walk):
    assert walk.preview is None and not walk.panel("Synthesize").live.active


def after_synthesize(walk):
    record = walk.picture.metadata[RECORD]
    assert record["vendor"] == VENDOR and walk.picture.data.shape == walk.mask.data.shape
    assert "Made 2 pictures" in walk.panel("Synthesize").status.text()


def after_vendors(walk):
    widget = walk.panel("Vendors and variants")
    assert not widget.grid_view.active and walk.picture in walk.viewer.layers


def after_real(walk):
    after_vendors(walk)
    assert not [layer for layer in walk.viewer.layers if layer.name.startswith("real ")]


def after_variants(walk):
    seeds = [la.metadata[RECORD]["seed"] for la in walk.viewer.layers if RECORD in la.metadata]
    assert len(set(seeds)) > 1 and walk.panel("Vendors and variants").gallery.count() < VARIANTS


def after_heart(walk):
    assert list(walk.viewer.layers) == [walk.mask] and walk.mask.mode == "paint"
    assert walk.shown == ["Heart mask"]


def after_dials(walk):
    table = walk.panel("Dials").table
    volume = next(r for r in range(table.rowCount()) if "LV volume" in table.item(r, 0).text())
    before, now = (float(table.item(volume, column).text()) for column in (1, 3))
    assert now > 1.2 * before
    assert list(walk.viewer.layers)[-1] is walk.mask


def after_stack(walk):
    assert all(plane.any() for plane in walk.picture.data)


def after_record(walk):
    content = walk.panel("Record").frame.content
    assert any(section.tables for section in content.sections) or content.tables
    assert "disagreement" in " ".join(layer.name for layer in walk.viewer.layers)


def after_fidelity(walk):
    assert len(walk.panel("Fidelity").frame.content.lines) == 4


def after_neighbours(walk):
    panel = walk.panel("Nearest patients")
    assert panel.nearest_list.count() == 5 and panel.slices_list.count() == 8
    assert walk.picture.metadata[AUDITED] and not panel.grid_view.active


def after_measurements(walk):
    with (walk.files.out / "heart.csv").open(newline="") as stream:
        measures = {row["measure"] for row in csv.DictReader(stream)}
    assert "wall_thickness" in measures


def after_export(walk):
    written = sorted(path.name for path in (walk.files.out / "export").iterdir())
    assert sum(name.endswith(".nii.gz") for name in written) == 2
    assert any(name.endswith(".json") for name in written)


def after_batch(walk):
    out = walk.files.out / "synthetic"
    records = [json.loads(path.read_text()) for path in out.glob("*.json")]
    assert sum("model" in record for record in records) == 2
    assert "2 masks done, 1 failed, of 3" in walk.panel("Batch").summary.text()


def after_reader_study(walk):
    answers = (walk.files.study / "answers" / "reader-1.csv").read_text().splitlines()
    assert len(answers) == 5, "a heading and four answers"


def after_release(walk):
    panel = walk.panel("Release")
    assert (walk.files.out / "release" / "manifest.json").is_file()
    assert "2 patients" in panel.work.words.text() and panel.sheets
    assert panel.tabs.tabText(panel.tabs.currentIndex()) == "Evidence"
