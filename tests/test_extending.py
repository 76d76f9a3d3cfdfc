"""The page on extending the program: its code, as a package of somebody else, in the real program.

Beside the package of the page there is another one, broken in every group of entry points, so that
each command shows both: the newcomer is there, and whoever is at fault is named and hides nothing.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "extend.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GROUPS = [
    f"cmr_synth.{kind}" for kind in "cohorts generators training metrics panels verbs".split()
]
BROKEN = "cmr-broken"
SAID = "of the package 'cmr-broken' cannot be used (ImportError: no such library)"


def files_of_page() -> dict[str, str]:
    """Code by the name in its first line."""
    blocks = [
        text for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind != "sh"
    ]
    return {text.splitlines()[0][2:]: text for text in blocks if text.startswith("# ")}


def commands_of_page() -> list[str]:
    """The last block of commands, line by line."""
    return [text for kind, text in BLOCK.findall(PAGE.read_text()) if kind == "sh"][-1].splitlines()


@dataclass(frozen=True)
class Toy:
    """A folder with what the page writes, and its package installed beside a broken one."""

    folder: Path
    site: Path
    ended: dict[str, subprocess.CompletedProcess[str]]

    @property
    def entries(self) -> list[EntryPoint]:
        """What the package declares, as the build made it of the page."""
        (info,) = self.site.glob("cmr_toy-*.dist-info")
        return list(PathDistribution(info).entry_points)

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, as somebody does who has both packages installed."""
        places = [str(self.site), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            "CMR_SYNTH_HOME": str(self.folder / "home"),
            "NAPARI_CONFIG": str(self.folder / "napari.yaml"),
        }
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600
        )

    def program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`cmr-synth ...`, in a process of its own."""
        return self.call(sys.executable, "-m", "cmr_synth.cli", *arguments)

    def follow(self, start: str) -> subprocess.CompletedProcess[str]:
        """Run the page's command that begins so, after all those before it; each runs once."""
        (wanted,) = [line for line in commands_of_page() if line.startswith(start)]
        for line in commands_of_page():
            program, *arguments = shlex.split(line)
            if line not in self.ended and program != "pip":
                run = self.program if program == "cmr-synth" else self.python
                self.ended[line] = run(*arguments)
                assert self.ended[line].returncode == 0, (line, self.ended[line].stderr)
            if line == wanted:
                break
        return self.ended[wanted]

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python ...`, where both packages are installed."""
        return self.call(sys.executable, *arguments)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The page's package, built by its own build system and unpacked as an installer would."""
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("toy")
    for name, text in files_of_page().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    site = folder / "site"
    (wheel,) = builder.WheelBuilder(str(folder)).build(
        directory=str(folder / "dist"), versions=["standard"]
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    write_broken(site)
    return Toy(folder, site, {})


def write_broken(site: Path) -> None:
    """A package that promises one of each kind, and does not import."""
    info = site / "cmr_broken-1.0.dist-info"
    info.mkdir()
    (site / "cmr_broken.py").write_text("raise ImportError('no such library')\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {BROKEN}\nVersion: 1.0\n")
    lines = [f"[{group}]\nbroken = cmr_broken:anything\n" for group in GROUPS]
    (info / "entry_points.txt").write_text("\n".join(lines))


def fault(what: str, text: str) -> bool:
    """Whether the broken package is named once for one of its pieces, on one line."""
    named = [line for line in text.splitlines() if f"{what} 'broken' " in line]
    return len(named) == 1 and SAID in named[0]


def test_every_piece_is_one_file_and_one_line(toy):
    assert sorted(entry.group for entry in toy.entries) == sorted(GROUPS)
    places = [entry.module.replace(".", "/") + ".py" for entry in toy.entries]
    of_package = [name for name in files_of_page() if name.startswith("cmr_toy/")]
    assert sorted(places) == sorted(of_package)  # a file each, and no file beside them


def test_the_page_names_every_group_of_entry_points():
    declared = set()
    for path in [*ROOT.glob("src/cmr_synth/**/*.py"), *ROOT.glob("napari_cmr_synth/**/*.py")]:
        declared |= set(re.findall(r'^GROUP = "(.+)"$', path.read_text(), re.MULTILINE))
    assert declared == set(GROUPS)


def test_the_verb_is_in_the_help_and_counts(toy):
    ended = toy.follow("cmr-synth --help")
    assert re.search(r"^  count  +Count the patients and slices of a slice set", ended.stdout, re.M)
    assert re.search(r"^  train ", ended.stdout, re.M) and "broken" not in ended.stdout
    (line,) = ended.stderr.splitlines()
    assert fault("verb", line)
    assert toy.follow("cmr-synth count").stdout.splitlines() == [
        "test: 48 slices, 6 patients",
        "train: 176 slices, 22 patients",
        "validation: 16 slices, 2 patients",
    ]
    counted = json.loads(toy.program("count", "slices", "--json").stdout)
    assert counted["splits"]["test"] == {"patients": 6, "slices": 48}


def test_the_cohort_is_listed_and_read(toy):
    listed = toy.follow("cmr-synth cohort list").stdout
    assert re.search(r"^toy +Hearts drawn in code \(CC0 1.0\)$", listed, re.M)
    assert re.search(r"^acdc ", listed, re.M) and fault("cohort", listed)
    toy.follow("cmr-synth cohort prepare")
    about = json.loads((toy.folder / "slices" / "slice_set.json").read_text())
    assert about["cohorts"]["toy"]["title"] == "Hearts drawn in code"
    refused = toy.program("cohort", "prepare", "broken=hearts", "--out", "none")
    assert refused.returncode == 1 and fault("cohort", refused.stderr)


def test_the_family_is_trained_shown_and_paints(toy):
    assert "640 images" in toy.follow("cmr-synth train").stdout
    card = toy.follow("cmr-synth zoo show").stdout
    assert "family: toy-tones" in card and "Hearts drawn in code" in card
    made = toy.follow("cmr-synth synthesize")
    assert made.stderr.count(BROKEN) == 1 and fault("verb", made.stderr)  # only verbs are loaded
    for real, painted in levels(toy.folder):
        assert abs(real - painted) < 0.1, (real, painted)


def levels(folder: Path) -> list[tuple[float, float]]:
    """Mean grey level of each structure in the cohort's slices and in the synthetic picture."""
    import nibabel
    import numpy as np

    from cmr_synth.anatomy.labels import STRUCTURES
    from cmr_synth.cohorts.slices import open_slice_set

    slices = open_slice_set(folder / "slices")
    mask = np.asarray(nibabel.load(folder / "mask.nii.gz").dataobj)
    (path,) = (folder / "made").glob("*.nii.gz")
    picture = nibabel.load(path).get_fdata()
    return [
        (float(slices.images[slices.labels == label].mean() / 255), picture[mask == label].mean())
        for label in STRUCTURES.values()
    ]


def test_the_report_has_the_metric(toy):
    ended = toy.follow("cmr-synth evaluate fidelity")
    assert fault("metric", ended.stderr)
    (candidate,) = json.loads((toy.folder / "fidelity" / "report.json").read_text())["candidates"]
    found = candidate["metrics"]["sharpness_ratio"]
    assert found["low"] < found["value"] < found["high"] and found["patients"] == 6
    assert found["value"] > 1.5 and abs(found["floor"] - 1) < 0.5
    page = (toy.folder / "fidelity" / "report.html").read_text()
    assert "Sharpness" in page and "below 1 is blurred, above 1 grainy" in page
    assert "SSIM" in page and SAID.replace("'", "&#39;") in page


def test_the_comparison_has_the_metric_and_the_model(toy):
    ended = toy.follow("cmr-synth compare")
    assert fault("metric", ended.stderr)
    header, _, real, model, *_ = (toy.folder / "compared" / "comparison.md").read_text().split("\n")
    column = header.split(" | ").index("Sharpness")
    assert model.startswith("| tones (toy-tones) | ")
    assert float(model.split(" | ")[column]) > float(real.split(" | ")[column])
    (row,) = json.loads((toy.folder / "compared" / "comparison.json").read_text())["models"]
    in_report = json.loads((toy.folder / "fidelity" / "report.json").read_text())["candidates"][0]
    assert row["metrics"]["sharpness_ratio"] == in_report["metrics"]["sharpness_ratio"]


def test_the_metric_passes_the_suite_of_metrics(toy):
    suite = [text for kind, text in BLOCK.findall(PAGE.read_text()) if "metrics_contract" in text]
    program, *arguments = shlex.split(suite[0])
    arguments = [str(ROOT / one) if one.startswith("tests/") else one for one in arguments]
    ended = toy.python(*arguments, "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT))
    assert program == "python" and ended.returncode == 0, ended.stdout
    assert re.search(r"[6-9] passed", ended.stdout), ended.stdout


APP = """
import json

import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QDockWidget, QLabel, QPushButton

from napari_cmr_synth._app import open_app
from napari_cmr_synth._panel_bar import PanelBar

told = []
notification_manager.notification_ready.connect(lambda notice: told.append(notice.message))
viewer = open_app()
viewer.window._qt_window.findChild(PanelBar).open_all()
docks = {dock.windowTitle(): dock for dock in viewer.window._qt_window.findChildren(QDockWidget)}
viewer.add_image(np.linspace(0, 1, 600).reshape(6, 10, 10), name="ramp")
panel = docks["Histogram"].widget()
(button,) = [one for one in panel.findChildren(QPushButton) if one.text() == "Count grey levels"]
button.click()
words = [label.text() for label in panel.findChildren(QLabel)]
viewer.close()
print(json.dumps({"docks": list(docks), "told": told, "words": words}))
"""


@pytest.mark.gui
@pytest.mark.skipif(
    sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ),
    reason="no display; run under xvfb-run",
)
def test_the_app_has_the_panel(toy):
    pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")
    ended = toy.python("-c", APP)
    assert ended.returncode == 0, ended.stderr
    shown = json.loads(ended.stdout.splitlines()[-1])
    assert {"Histogram", "Heart mask", "Synthesize", "Batch"} <= set(shown["docks"])
    assert "ramp: 600 voxels" in shown["words"]
    (line,) = [words for words in shown["told"] if BROKEN in words]
    assert fault("panel", line) and "\n" not in line


def test_the_last_command_of_the_page_opens_the_app():
    assert commands_of_page()[-1] == "cmr-synth app"
