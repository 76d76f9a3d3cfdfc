"""Draw docs/img/architecture.png: layers from pyproject.toml, steps from the page that shows it.

Run with `make docs-images` after changing either; needs Python 3.11 or later.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tomllib
from matplotlib.figure import Figure

HERE = Path(__file__).parent
ROOT = HERE.parent
PAGE = HERE / "explanation" / "architecture.md"
PICTURE = HERE / "img" / "architecture.png"

INK, DIM, LINE, FILL = "#1a1d21", "#606870", "#9aa1a9", "#f4f6f8"
WIDTH, HEIGHT, GAP = 10.0, 0.62, 0.14  # of a layer, in inches


def main() -> None:
    """Draw the picture, replacing the old one."""
    rows = [["napari_cmr_synth", "cli"], *layers()[1:]]
    steps = steps_by_room()
    inches = len(rows) * (HEIGHT + GAP) + 0.5
    figure = Figure(figsize=(WIDTH + 1.0, inches), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-0.7, WIDTH + 0.3)
    axes.set_ylim(-0.3, inches - 0.3)
    axes.set_axis_off()
    for row, names in enumerate(rows):
        y = (len(rows) - 1 - row) * (HEIGHT + GAP)
        width = (WIDTH - (len(names) - 1) * GAP) / len(names)
        for k, name in enumerate(names):
            box(axes, k * (width + GAP), y, width, name, steps.get(name, []))
    top = len(rows) * (HEIGHT + GAP) - GAP
    arrow = {"arrowstyle": "->", "color": DIM, "lw": 1.2}
    axes.annotate("", (-0.25, 0), (-0.25, top), arrowprops=arrow)
    words = "imports only what is below"
    axes.text(-0.45, top / 2, words, rotation=90, color=DIM, ha="center", va="center", size=10)
    figure.savefig(PICTURE, dpi=130, metadata={"Software": None})


def layers() -> list[list[str]]:
    """Rooms from top to bottom; those of one layer do not know each other."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers"
    )
    rows = [re.split(r"\s*[|:]\s*", layer) for layer in contract["layers"]]
    # a room in brackets may be missing
    return [row for row in rows if not row[0].startswith("(") or source_of(row[0].strip("()"))]


def steps_by_room() -> dict[str, list[str]]:
    """Numbers of the walk by the room that each step is in."""
    found: dict[str, list[str]] = {}
    for step, room in re.findall(r"^\| (\d+) \| (\w+) \|", PAGE.read_text("utf-8"), re.MULTILINE):
        found.setdefault(room, []).append(step)
    return found


def source_of(name: str) -> Path | None:
    """The file whose first line says what a room is for."""
    package = ROOT / name if name.startswith("napari") else ROOT / "src" / "cmr_synth" / name
    places = (package / "__init__.py", package.with_suffix(".py"))
    return next((path for path in places if path.exists()), None)


def idea_of(name: str) -> str:
    """First sentence of a room's docstring."""
    source = source_of(name.strip("()"))
    assert source is not None, name
    said = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    return re.split(r"\.(?:\s|$)", " ".join(said.split()))[0]


def shortened(idea: str, *, most: int) -> str:
    """As many of its clauses as fit."""
    clauses = re.split(r"(?=[:;,])", idea)
    while len(clauses) > 1 and len("".join(clauses)) > most:
        clauses.pop()
    return "".join(clauses)


def box(axes, x: float, y: float, width: float, name: str, steps: list[str]) -> None:
    """One room: its name above its idea, and the steps of the walk at the right."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, HEIGHT, facecolor=FILL, edgecolor=LINE, lw=1))
    axes.text(x + 0.15, y + 0.4, name.strip("()"), size=11, weight="bold", color=INK, va="center")
    words = shortened(idea_of(name), most=int((width - 0.3) * 15))
    axes.text(x + 0.15, y + 0.17, words, size=8.5, color=DIM, va="center")
    for k, step in enumerate(reversed(steps)):
        at = (x + width - 0.25 - 0.34 * k, y + 0.42)
        around = {"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": "#0072b2"}
        axes.text(*at, step, size=7, color="#0072b2", ha="center", va="center", bbox=around)


if __name__ == "__main__":
    main()
