"""`app`: one line where no window can open, and napari where one can."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")

WITHOUT_NAPARI = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "napari":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from cmr_synth.cli import main
main(["app"])
"""


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux machine without a screen."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in SCREENS:
        monkeypatch.delenv(name, raising=False)


def test_no_display_is_one_line(run, no_display) -> None:
    ended = run("app")
    assert ended.code == 1
    assert ended.line.startswith("cmr-synth: no display")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays of Linux")
@pytest.mark.parametrize(
    "screen", [{"DISPLAY": ":77"}, {"QT_QPA_PLATFORM": "nonsense"}], ids=["gone", "unknown"]
)
def test_a_display_that_is_gone_is_one_line(screen) -> None:
    pytest.importorskip("napari")
    pytest.importorskip("PyQt5")
    clean = {name: value for name, value in os.environ.items() if name not in SCREENS}
    done = subprocess.run(
        [sys.executable, "-m", "cmr_synth.cli", "app"],
        env={**clean, **screen},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("cmr-synth: no window can be opened") and "xvfb-run" in line


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays of Linux")
def test_a_display_that_does_not_answer_is_one_line() -> None:
    """As a closed laptop's at the other end of ssh: it takes the connection, and that is all."""
    pytest.importorskip("napari")
    pytest.importorskip("PyQt5")
    for number in range(70, 90):
        silent = socket.socket()
        try:
            silent.bind(("127.0.0.1", 6000 + number))
            break
        except OSError:  # somebody's display
            silent.close()
    silent.listen()
    clean = {name: value for name, value in os.environ.items() if name not in SCREENS}
    with silent:
        done = subprocess.run(
            [sys.executable, "-m", "cmr_synth.cli", "app"],
            env={**clean, "DISPLAY": f"127.0.0.1:{number}", "CMR_SYNTH_DISPLAY_SECONDS": "2"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"display '127.0.0.1:{number}' takes connections and has not answered for 2 s" in line


def test_napari_absent_is_one_line_with_the_remedy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NAPARI],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'pip install "napari-cmr-synth[app]"' in line
    assert "No module named 'napari'" in line


def test_the_app_opens_and_runs(run, no_display, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    napari = SimpleNamespace(run=lambda: called.append("run"))
    ours = ModuleType("napari_cmr_synth._app")
    ours.open_app = lambda **_: called.append("open_app")
    qtpy = ModuleType("qtpy")
    qtpy.QtWidgets = ModuleType("qtpy.QtWidgets")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setitem(sys.modules, "napari", napari)
    monkeypatch.setitem(sys.modules, "napari_cmr_synth._app", ours)
    monkeypatch.setitem(sys.modules, "qtpy", qtpy)
    monkeypatch.setitem(sys.modules, "qtpy.QtWidgets", qtpy.QtWidgets)
    assert run("app").code == 0
    assert called == ["open_app", "run"]


def test_help_says_where_the_plugin_is(run) -> None:
    ended = run("app", "--help")
    assert ended.code == 0
    for word in ("cmr-synth app", "File > Open", "Open Sample > CMR Synth", "Save Selected"):
        assert word in " ".join(ended.out.split())
