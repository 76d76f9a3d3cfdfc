"""`cmr-synth measure`: files in, table and page out, refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan

SPACING = (12.0, 2.0, 2.0)


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A cine of three frames, and two masks of single phases, stored mirrored."""
    folder = tmp_path_factory.mktemp("masks")
    ed, es = (
        draw_stack(slices=5, shape=(80, 80), spacing=SPACING, phase=phase) for phase in ("ED", "ES")
    )
    affine = np.diag([2.0, -2.0, 12.0, 1.0])
    written = {}
    for name, labels in (("cine", np.stack([es, ed, es])), ("ed", ed), ("es", es)):
        scan = Scan(array=labels[..., ::-1].copy(), spacing=SPACING, affine=affine, name=name)
        written[name] = write_nifti(scan, folder / f"{name}_gt.nii.gz")
    return written


def test_a_cine_gives_a_table_and_a_page(run, masks: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.csv", tmp_path / "out.html"
    done = run("measure", masks["cine"], "--csv", out[0], "--html", out[1], "--json")
    (facts,) = json.loads(done.out)["masks"]
    assert facts["phases"] == {"ED": 1, "ES": 0}
    by_measure = {row["measure"]: row for row in facts["measurements"]}
    assert 0.4 < by_measure["lv_ef"]["value"] < 0.8 and by_measure["lv_ef"]["normal_high"] == 0.7
    assert out[0].read_text().startswith("mask,measure,") and "Bull" in out[1].read_text()


def test_masks_of_two_phases_are_one_heart(run, masks: dict[str, Path]) -> None:
    pair = json.loads(run("measure", masks["ed"], "--es", masks["es"], "--json").out)["masks"][0]
    cine = json.loads(run("measure", masks["cine"], "--json").out)["masks"][0]
    of_pair, of_cine = (
        {r["measure"]: r["value"] for r in one["measurements"] if "normal_low" in r}
        for one in (pair, cine)
    )
    assert of_pair == pytest.approx(of_cine)


def test_lines_say_what_is_measured_and_what_not(run, masks: dict[str, Path]) -> None:
    done = run("measure", masks["ed"])
    assert "One phase only" in done.out and "basal anterior" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("cine", "--es", "es"), "a cine has both phases"),
        (("ed", "es", "--es", "es"), "belongs to one mask"),
        (("ed", "es", "--html", "ed"), "a page of one mask"),
    ],
)
def test_what_cannot_be_is_refused(run, masks, arguments: tuple[str, ...], says: str) -> None:
    given = [masks.get(word, word) for word in arguments]
    if "--html" in arguments:
        given[-1] = "page.html"
    done = run("measure", *given)
    assert done.code == 1 and says in done.line and not done.out
