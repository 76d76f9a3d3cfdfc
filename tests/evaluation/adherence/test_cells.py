"""Every pathology in every vendor's style: cells tell which style loses which hearts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.evaluation.adherence.card_facts import cell_facts
from cmr_synth.evaluation.adherence.cells import Cell, cells
from cmr_synth.evaluation.candidates import candidates
from cmr_synth.evaluation.protocol import Followed, Protocol
from cmr_synth.evaluation.setting import Setting
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.reports.adherence import adherence_content
from tests.evaluation.conftest import drawn_sample

GREY = np.array([0.1, 0.7, 0.3, 0.6])


class Painter:
    """Paints masks; in the style of Philips walls of DCM at ES become blood."""

    takes = frozenset({"mask", "vendor", "phase", "pathology", "z"})
    config = SimpleNamespace(cohorts=())

    def sample(self, conditions: Sequence[Condition], **_: object) -> Iterator[Progress | Images]:
        pictures = []
        for one in conditions:
            assert one.mask is not None and one.cohort is None
            labels = one.mask.copy()
            if (one.vendor, one.pathology, one.phase) == ("philips", "dcm", "ES"):
                labels[labels == MYO] = LV
            pictures.append(GREY[labels])
        yield Images(np.stack(pictures).astype(np.float32))


class GreySegmenter:
    def segment(self, images: np.ndarray) -> np.ndarray:
        return np.abs(images[..., None] - GREY).argmin(axis=-1).astype(np.uint8)


def table(least: int = 5) -> list[Cell]:
    real = drawn_sample(patients=10, each=2)
    segmenter = GreySegmenter()
    *progress, found = cells(
        Painter(),  # type: ignore[arg-type]
        ("siemens", "philips"),
        real,
        segmenter.segment(GREY[real.labels]),
        segmenter,  # type: ignore[arg-type]
        seed=0,
        least=least,
    )
    shares = [step.step / step.steps for step in progress if isinstance(step, Progress)]
    assert shares == sorted(shares) and shares[-1] == 1
    assert isinstance(found, list)
    return found


def test_the_cell_that_loses_its_hearts_is_the_one_that_is_low() -> None:
    ratios = {(c.vendor, c.pathology, c.phase, c.structure): c.dice.ratio for c in table()}
    assert len(ratios) == 2 * 2 * 2 * 3
    lost = ratios.pop(("philips", "dcm", "ES", "MYO"))
    swollen = ratios.pop(("philips", "dcm", "ES", "LV"))
    assert lost == 0 and 0.3 < swollen < 0.9
    assert all(ratio == pytest.approx(1) for ratio in ratios.values())


def test_cells_of_too_few_patients_are_left_out() -> None:
    assert table(least=6) == []
    assert {cell.patients for cell in table()} == {5}


def test_the_page_has_the_table_of_a_model(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = drawn_sample(patients=10, each=2, size=64)
    slices = SimpleNamespace()
    setting = Setting(slices=slices)  # type: ignore[arg-type]
    monkeypatch.setitem(setting.__dict__, "held_out", real)
    protocol = Protocol(setting=setting, every_vendor=True)
    followed = [
        one
        for one in protocol.adherence(candidates([str(tiny_model)], setting))
        if isinstance(one, Followed)
    ]
    assert followed[0].cells
    content = adherence_content(real, followed, split="test", seed=0)
    (section,) = [s for s in content.sections if s.title.startswith("Every pathology")]
    vendors = {row[1] for row in section.tables[0].rows}
    assert vendors == {"siemens", "philips", "ge"}
    assert followed[0].as_dict()["cells"][0]["vendor"] in vendors


def test_a_card_says_how_every_cell_follows_its_masks() -> None:
    facts = cell_facts(table())
    assert set(facts) == {"siemens", "philips"}
    lost = facts["philips"]["dcm ES"]
    assert (lost["patients"], lost["MYO"]) == (5, 0) and lost["RV"] == pytest.approx(1)
