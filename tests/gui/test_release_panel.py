"""The panel of releases: a form that asks, a plan, a release made and leafed through."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")

LONG_MS = 240_000


@pytest.fixture
def panel(viewer, tiny_model: Path):
    _, panel = viewer.window.add_plugin_dock_widget("napari-cmr-synth", "Release")
    panel.form.name.setText("small")
    panel.form.patients.setValue(2)
    panel.form.model.setText(str(tiny_model))
    panel.form.masks.setCurrentIndex(1)  # templates
    panel.form.more.setPlainText("slices: 2\nspacing_mm: [8, 3, 3]\nshape: [64, 64]\nredraws: 0")
    return panel


@pytest.fixture
def key(tmp_path: Path) -> Path:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    path = tmp_path / "key"
    own = Ed25519PrivateKey.generate()
    path.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def ended(work, qtbot) -> None:
    qtbot.waitUntil(lambda: not work.running, timeout=LONG_MS)


def test_asked_for_planned_made_and_shown(panel, key: Path, qtbot, tmp_path: Path):
    panel.plan.start_button.click()
    ended(panel.plan, qtbot)
    assert "2 patients, 8 slices" in panel.plan.words.text()
    assert "not audited" in panel.plan.words.text()
    panel.key.setText(str(key))
    panel.out.setText(str(tmp_path / "release"))
    panel.work.start_button.click()
    ended(panel.work, qtbot)
    assert (tmp_path / "release" / "manifest.json").is_file()
    assert "2 patients" in panel.work.words.text()
    assert panel.tabs.currentIndex() == 1 and len(panel.sheets) == 1
    sheet, pixels = panel.sheet, panel.sheet.pixels
    needed = sheet.heightForWidth(sheet.width())
    qtbot.waitUntil(lambda: sheet.height() >= needed > 100, timeout=LONG_MS)
    assert sheet.width() > 0.8 * panel.tabs.width()  # the width of the panel
    assert needed == round(sheet.width() * pixels.height() / pixels.width())
    QTest.mouseClick(sheet, Qt.MouseButton.LeftButton)
    large = panel.large
    qtbot.waitUntil(large.isVisible, timeout=LONG_MS)
    assert large.width() > 1.5 * panel.width() and large.sheet.pixels.size() == pixels.size()
    large.close()
    qtbot.waitUntil(lambda: panel.large is None, timeout=LONG_MS)
    assert "not audited" in panel.evidence.content.lead


def test_what_cannot_be_had_is_said(panel, qtbot, told):
    panel.form.pathologies.setText("tof")
    panel.plan.start_button.click()
    ended(panel.plan, qtbot)
    assert "Cannot be had: pathologies.tof" in panel.plan.words.text()
    panel.form.pathologies.setText("hcm much")
    panel.plan.start_button.click()
    assert not panel.plan.running
    assert any("write a word and its share" in words for words in told)


def test_a_request_file_fills_the_form(panel, tmp_path: Path):
    asked = panel.form.request()
    path = tmp_path / "request.yaml"
    path.write_text(asked.text())
    panel.form.patients.setValue(7)
    panel.form.fill(path)
    assert panel.form.request().plain() == asked.plain()


@pytest.mark.parametrize(
    "typed", ["normal 1.5, hcm 0.5", "normal 1,5, hcm 0,5", "normal 1,5,hcm 0,5"]
)
def test_a_comma_within_a_share_is_a_point(typed: str):
    from napari_cmr_synth.release.request_form import shares

    assert shares(typed, "pathologies") == {"normal": 1.5, "hcm": 0.5}
    assert shares("siemens 2,ge", "vendors") == {"siemens": 2.0, "ge": 1.0}
