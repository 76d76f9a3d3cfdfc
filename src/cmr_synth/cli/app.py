"""`cmr-synth app`: napari with the plugin's panels open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from cmr_synth.errors import InputError

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
_OPEN = "from qtpy.QtWidgets import QApplication; print('imported', flush=True); QApplication([])"
_PATIENCE_VARIABLE = "CMR_SYNTH_DISPLAY_SECONDS"
_PATIENCE_S = 60.0
"""For a display to answer, which one beside the program does at once; a far one takes seconds."""


def app() -> None:
    """Open napari with the plugin: paint a heart and watch the MRI appear.

    The panels lie in the order of work, from painting a heart to a blinded reader study, and those
    of other packages after them. The bar at the top opens hearts drawn in code, six real slices
    and a synthetic stack; they are also under File > Open Sample > CMR Synth, and the panels under
    Plugins > CMR Synth.
    Drop a NIfTI scan or mask on the window to open it, or choose one with File > Open.
    File > Save Selected Layers writes a scan or mask back on its own grid, as NIfTI.

    \b
    Example:
      cmr-synth app
    """
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _SCREENS):
        raise InputError(
            "no display, and a window needs one; log in with one (ssh -X), use xvfb-run, or make "
            "images without a window: cmr-synth synthesize --help"
        )
    try:
        import napari
        from qtpy import QtWidgets  # noqa: F401  without a Qt binding it is this that fails
    except ModuleNotFoundError as error:
        raise InputError(
            f'the app needs napari and Qt ({error}); get them: pip install "napari-cmr-synth[app]"'
        ) from error
    except ImportError as error:  # a library of the system that Qt needs
        raise InputError(
            f"napari cannot start ({error}); install what is missing with your system's packages."
        ) from error
    _require_window()
    # Qt's loop lets no Python code run on Ctrl-C, so the system ends the program
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    from napari_cmr_synth._app import open_app

    open_app(lasting=True)
    napari.run()


def _require_window() -> None:
    """Open Qt in a process of its own first, because where it cannot it aborts the program.

    A display that is gone, such as that of a closed ssh -X, or a library of the system that is
    missing are told only that way.

    Raises
    ------
    InputError
        With Qt's own reason, or that the display does not answer.
    """
    if not sys.platform.startswith("linux"):
        return
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "none"
    patience = float(os.environ.get(_PATIENCE_VARIABLE) or _PATIENCE_S)
    with subprocess.Popen(
        [sys.executable, "-c", _OPEN],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as probe:
        assert probe.stdout is not None
        probe.stdout.readline()  # reading Qt from a slow disk is not the display's fault
        try:
            _, said = probe.communicate(timeout=patience)
        except subprocess.TimeoutExpired as error:
            probe.kill()
            raise InputError(
                f"display {display!r} takes connections and has not answered for {patience:g} s; "
                "log in anew (ssh -X), use xvfb-run, or make images without a window: cmr-synth "
                "synthesize --help"
            ) from error
    if probe.returncode == 0:
        return
    reason = next((line.strip() for line in said.splitlines() if line.strip()), "it aborts")
    raise InputError(
        f"no window can be opened on display {display!r} ({reason.rstrip('.')}); log in anew "
        "(ssh -X), use xvfb-run, or make images without a window: cmr-synth synthesize --help"
    )
