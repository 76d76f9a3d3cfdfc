"""The page: one file, everything escaped, every image linked."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cmr_synth.generators.card import Card
from cmr_synth.reports.images import images_content
from cmr_synth.reports.output import write_content

CARD = Card(
    name="tiny",
    family="flow",
    version="1",
    title="Tiny",
    description="Learned from <b>nobody</b> & nothing.",
    licence="CC0 1.0",
    citations=["A <script>alert(1)</script> B"],
    grid={"shape": (64, 64), "spacing_mm": 3.0},
    training={"cohorts": [], "images_seen": 12345, "minutes": 1, "machine": "m", "recipe": "r"},
    sha256="0" * 64,
    config_sha256="2" * 64,
    measured={"speed": {"seconds_per_slice": 0.2}},
    limits=["Shows noise."],
)
RECORD = {
    "file": "a&b.nii.gz",
    "sha256": "1" * 64,
    "mask": {"name": "mask.nii.gz", "labels_sha256": "2" * 64},
    "vendor": None,
    "phase": "ED",
    "pathology": None,
    "seed": 7,
    "variant": 0,
    "steps": 4,
    "created": "2026-01-01T00:00:00+00:00",
    "versions": {"cmr_synth": "0.1.0"},
}


def test_a_page_is_one_file_that_states_the_facts(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    sheet = Image.new("RGB", (20, 10))
    content = images_content(
        title="T", lead="L.", sheet=sheet, card=CARD, records=[RECORD], folder="images"
    )
    write_content(content, path)
    html = path.read_text(encoding="utf-8")
    assert 'src="data:image/png;base64,' in html and 'src="http' not in html
    assert 'href="images/a&amp;b.nii.gz"' in html
    assert "&lt;b&gt;nobody&lt;/b&gt; &amp; nothing." in html
    assert "<script>" not in html
    for fact in ("0" * 64, "12,345", "seconds per slice: 0.2", "not measured", "Shows noise."):
        assert fact in html
    assert list(tmp_path.iterdir()) == [path]
