"""Settings: defaults from the manifest, remembered, the same in napari's Preferences."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cmr_synth.errors import InputError
from cmr_synth.generators.zoo import DEFAULT
from napari_cmr_synth import _settings

KEYS = ("device", "model", "vendor", "archive")
DEFAULTS = {"device": "auto", "model": DEFAULT, "vendor": "", "archive": ""}


def remembered(key):
    """What a program that is started now finds; the environment holds the test's own folder."""
    code = f"from napari_cmr_synth._settings import get; print(get({key!r}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture
def path(empty_zoo):
    """File that the settings of this test lie in."""
    return empty_zoo / _settings.FILE


@pytest.fixture(params=["napari 0.9", "older napari"])
def either(request, monkeypatch):
    """With napari's own settings of plugins, and with a napari that has none."""
    settings = pytest.importorskip("napari.settings")
    if request.param == "older napari":
        monkeypatch.delattr(settings, "get_plugin_settings", raising=False)
    elif not hasattr(settings, "get_plugin_settings"):
        pytest.skip("this napari has no settings of plugins")
    return request.param


def test_defaults_are_those_of_the_engine(either, path):
    assert {key: _settings.get(key) for key in KEYS} == DEFAULTS
    assert not path.exists()


def test_a_change_is_remembered_by_the_next_program(either, path):
    _settings.put("vendor", "ge")
    _settings.put("archive", "/data/real hearts")
    assert _settings.get("vendor") == "ge"
    assert remembered("vendor") == "ge" and remembered("archive") == "/data/real hearts"
    assert remembered("model") == DEFAULT
    _settings.put("vendor", "")
    assert remembered("vendor") == "" and "vendor" not in path.read_text()


def test_another_home_has_settings_of_its_own(either, tmp_path, monkeypatch):
    _settings.put("device", "cpu")
    monkeypatch.setenv("CMR_SYNTH_HOME", str(tmp_path / "elsewhere"))
    assert _settings.get("device") == "auto"
    monkeypatch.setenv("CMR_SYNTH_HOME", str(tmp_path / "home"))
    assert _settings.get("device") == "cpu"


def test_without_a_home_the_file_lies_with_the_users_others(either, tmp_path, monkeypatch):
    monkeypatch.delenv("CMR_SYNTH_HOME")
    if either == "older napari":
        monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "config")
    else:
        from napari import settings

        monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "config" / "settings.yaml"))
        monkeypatch.setattr(settings, "_PLUGIN_SETTINGS", {})
    _settings.put("vendor", "ge")
    assert _settings.get("vendor") == "ge"
    assert (tmp_path / "config" / _settings.FILE).read_text() == "synthesis:\n  vendor: ge\n"


def test_what_cannot_be_is_refused_and_changes_nothing(either):
    with pytest.raises(InputError, match="'device': cannot be 'quantum'; choose one of 'auto', "):
        _settings.put("device", "quantum")
    assert _settings.get("device") == "auto"
    with pytest.raises(KeyError, match="colour"):
        _settings.put("colour", "red")
    with pytest.raises(KeyError, match="colour"):
        _settings.get("colour")


@pytest.mark.parametrize(
    "content", [b"synthesis: [1, 2", b"- a list", b"synthesis: 3", b"\xff\xfe\x00"]
)
def test_a_damaged_file_gives_the_defaults_and_is_kept(either, path, told, content):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert {key: _settings.get(key) for key in KEYS} == DEFAULTS
    aside = path.with_suffix(".damaged.yaml")
    assert aside.read_bytes() == content and not path.exists()
    assert len([line for line in told if "the settings are damaged" in line]) == 1
    _settings.put("vendor", "ge")
    assert remembered("vendor") == "ge"


def test_a_value_that_cannot_be_leaves_the_others(either, path, told):
    path.parent.mkdir(parents=True)
    path.write_text("synthesis: {device: abacus, vendor: ge, unknown: 1}\n")
    assert _settings.get("device") == "auto" and _settings.get("vendor") == "ge"
    assert any("device 'abacus' cannot be" in line for line in told)


def test_where_nothing_can_be_written_a_change_holds_for_the_session(either, empty_zoo, told):
    empty_zoo.write_text("a file where the folder would be")
    _settings.put("vendor", "philips")
    assert _settings.get("vendor") == "philips"
    assert any("holds until napari is closed" in line for line in told)


def test_preferences_show_and_change_the_same_settings(viewer, qtbot, path):
    pytest.importorskip("napari.settings._plugin_config_generator", reason="napari before 0.9")
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog
    from qtpy.QtWidgets import QComboBox

    _settings.put("device", "cpu")
    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    qtbot.addWidget(dialog)
    pages = [dialog._list.item(i).text() for i in range(dialog._list.count())]
    page = dialog._stack.widget(pages.index("CMR Synth"))
    boxes = {
        tuple(box.itemText(i) for i in range(box.count())): box
        for box in page.findChildren(QComboBox)
    }
    device, vendor = boxes[_settings.choices("device")], boxes[_settings.choices("vendor")]
    assert device.currentText() == "cpu"
    vendor.setCurrentText("canon")
    assert _settings.get("vendor") == "canon" and _settings.get("device") == "cpu"
    assert remembered("vendor") == "canon"
    _settings.put("vendor", "siemens")
    assert vendor.currentText() == "siemens"
