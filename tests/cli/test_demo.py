"""`demo`: drawn masks, every vendor, three seeds; images, a sheet and a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.cli.demo import HEARTS, SHAPE, draw_mask
from cmr_synth.imaging.nifti import read_labels


def test_everything_is_there_and_whole(run, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run("demo", "--out", out, "--model", tiny_model, "--seed", 5, "--json")
    assert ended.code == 0
    facts = json.loads(ended.out)
    assert len(facts["files"]) == len(HEARTS) * 3 * 3
    assert {r["vendor"] for r in facts["records"]} == {"siemens", "philips", "ge"}
    assert {r["seed"] for r in facts["records"]} == {5, 6, 7}
    for file in facts["files"]:
        assert Path(file).is_file() and Path(file.replace(".nii.gz", ".json")).is_file()
    with Image.open(facts["sheet"]) as sheet:
        assert sheet.width > sheet.height > 500
    page = Path(facts["page"]).read_text(encoding="utf-8")
    assert all(f'href="images/{Path(file).name}"' in page for file in facts["files"])
    assert facts["model"]["sha256"] in page
    assert not list(out.glob(".partial-*"))
    mask = read_labels(facts["masks"][0])
    assert {LV, MYO} <= set(np.unique(mask.array))


def test_the_hearts_cover_anatomies_levels_and_phases() -> None:
    anatomies, levels, phases = (set(words) for words in zip(*HEARTS, strict=True))
    assert anatomies == {"normal", "dilated", "hypertrophic"}
    assert levels == {"basal", "mid", "apical"}
    assert phases == {"ED", "ES"}


def test_the_example_of_synthesize_uses_a_mask_of_the_demo(run) -> None:
    (name,) = re.findall(r"demo-out/masks/(\w+)\.nii\.gz", run("synthesize", "--help").out)
    assert tuple(name.split("_")) in HEARTS


def test_drawn_hearts_are_in_the_middle() -> None:
    for heart in HEARTS:
        labels = draw_mask(*heart).array[0]
        assert labels.shape == SHAPE
        for axis in (0, 1):
            index = np.flatnonzero(labels.any(axis=1 - axis))
            assert abs((index[0] + index[-1]) / 2 - (SHAPE[axis] - 1) / 2) <= 0.5
