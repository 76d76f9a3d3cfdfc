"""Results as pages and JSON: what was computed is what is written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.evaluation.one_picture.agreement import mask_agreement
from cmr_synth.generators import zoo
from cmr_synth.imaging.scan import Scan
from cmr_synth.reports.content import Content, Line, Plot, Table
from cmr_synth.reports.numbers import show
from cmr_synth.reports.output import write_content
from cmr_synth.reports.plots import draw
from cmr_synth.reports.record import record_content
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request

REFERENCE = {"patients": 20, "LV": [0.95, 0.94, 0.96], "MYO": [0.89, 0.88, 0.90]}


class Perfect:
    """A segmenter that finds LV in the left half of every picture."""

    hash = "0" * 64

    def segment(self, images: np.ndarray) -> np.ndarray:
        found = np.zeros(images.shape, np.uint8)
        found[..., : images.shape[-1] // 2] = 1
        return found


def falling(figure: Figure) -> None:
    figure.add_subplot().plot([0, 1], [1, 0])


@pytest.fixture
def content() -> Content:
    return Content(
        title="Fidelity <of it>",
        lines=(Line(name="FD", value=1.25, interval=(1.0, 1.5), note="real against real 0.5"),),
        facts=(("Model", "flow & co"),),
        plots=(Plot(says="A falling line.", draw=falling),),
        tables=(Table(title="By vendor", columns=("Vendor", "FD"), rows=(("ge", 0.12345),
                                                                         ("any", float("nan")))),),
        remarks=("Few patients.",),
        data={"values": np.array([1.0, np.nan]), "n": np.int64(3)},
    )  # fmt: skip


@pytest.fixture
def made(tiny_model: Path) -> tuple[Synthetic, Scan]:
    labels = draw_stack(slices=3)
    labels[2] = 0
    mask = Scan(
        array=labels, spacing=(8.0, 1.5, 1.5), affine=np.diag([-1.5, -1.5, 8.0, 1.0]), name="heart"
    )
    model = zoo.load(tiny_model)
    (synthetic,) = (
        s for s in synthesize(mask, model, Request(vendor="ge")) if isinstance(s, Synthetic)
    )
    return synthetic, mask


def test_a_page_says_all_in_one_file(content: Content, tmp_path: Path) -> None:
    text = write_content(content, tmp_path / "result.html").read_text(encoding="utf-8")
    for words in ("Fidelity &lt;of it&gt;", "1.250 (1.000 to 1.500)", "real against real 0.5",
                  "flow &amp; co", "0.123", "Few patients.", 'alt="A falling line."'):  # fmt: skip
        assert words in text
    assert len(re.findall(r'src="data:image/png;base64,[\w+/]{1000,}', text)) == 1
    assert "http" not in text


def test_json_holds_every_number_and_no_nan(content: Content, tmp_path: Path) -> None:
    path = write_content(content, tmp_path / "result.json")
    stated = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert stated["results"] == [
        {"name": "FD", "value": 1.25, "interval": [1.0, 1.5], "note": "real against real 0.5"}
    ]
    assert stated["tables"][0]["rows"] == [["ge", 0.12345], ["any", None]]
    assert stated["data"] == {"values": [1.0, None], "n": 3}
    assert stated["facts"] == {"Model": "flow & co"}


def test_a_result_without_plot_or_tables_is_a_page_too(tmp_path: Path) -> None:
    text = write_content(Content(title="Nothing"), tmp_path / "result.html").read_text()
    assert "<img" not in text and "<table" not in text


def test_another_ending_is_refused(content: Content, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither .html nor .json"):
        write_content(content, tmp_path / "result.pdf")
    assert not list(tmp_path.iterdir())


def test_a_plot_takes_the_ink_of_its_surroundings(content: Content) -> None:
    from matplotlib.colors import to_hex

    figure = Figure()
    for ink in ("#ff0000", "#00ff00"):
        draw(content.plots[0], figure, ink=ink)
        (axes,) = figure.axes
        assert to_hex(axes.xaxis.label.get_color()) == ink
        assert to_hex(axes.spines["left"].get_edgecolor()) == ink


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345, "0.123"), (3, "3"), ("ge", "ge"), (None, "–"), (float("nan"), "–")],
)
def test_how_values_are_shown(value, shown: str) -> None:
    assert show(value) == shown


def test_a_record_in_words(made) -> None:
    synthetic, _ = made
    content = record_content(synthetic.record, name="synthetic heart")
    facts = dict(content.facts)
    assert facts["Model"] == "tiny, version 1, flow"
    assert synthetic.record["model"]["sha256"] in facts["Weights"]
    assert (facts["Vendor"], facts["Phase"]) == ("ge", "not specified")
    assert facts["Position"].startswith("slice 0: 0.00, slice 1: 1.00")
    assert "Slices without a heart were skipped and are 0: 2." in content.remarks
    assert content.plots == () and content.lines == () and content.tables == ()
    assert content.data["record"] == synthetic.record


def test_findings_say_where(made) -> None:
    synthetic, _ = made
    record = synthetic.record | {
        "findings": [
            {"code": "x", "message": "the wall is open", "slice_index": 1, "frame": 2},
            {"code": "y", "message": "the RV is missing", "slice_index": None},
        ]
    }
    remarks = record_content(record, name="heart").remarks
    assert "Frame 2, slice 1: the wall is open" in remarks
    assert "the RV is missing" in remarks


def test_an_agreement_becomes_lines_bars_and_a_table(made, tmp_path: Path) -> None:
    synthetic, mask = made
    *_, agreement = mask_agreement(synthetic.scan, mask, Perfect())
    content = record_content(
        synthetic.record, name="heart", agreement=agreement, reference=REFERENCE
    )
    lines = {line.name: line for line in content.lines}
    assert lines["LV blood pool"].value == agreement.dice["LV"] > 0
    assert lines["myocardium"].value == 0
    assert "0.950 (0.940 to 0.960), 20 patients" in lines["LV blood pool"].note
    assert lines["RV blood pool"].note == ""  # the card does not say
    (table,) = content.tables
    assert table.columns == ("Slice", "LV", "MYO", "RV")
    assert [row[0] for row in table.rows] == [0, 1]

    figure = Figure()
    draw(content.plots[0], figure, ink="#000000")
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([agreement.dice[s] for s in ("LV", "MYO", "RV")])
    written = json.loads(write_content(content, tmp_path / "a.json").read_text())
    assert written["data"]["agreement"] == agreement.as_dict()


def test_a_record_says_whose_look_it_has_and_that_no_mask_was_given(
    made: tuple[Synthetic, Scan],
) -> None:
    record = made[0].record
    plain = dict(record_content(record, name="a").facts)
    assert plain["Mask"] == "heart" and not {"Look of", "Sampler", "Prompt"} & set(plain)
    reference = {"name": "scan", "slice": 4, "strength": 0.5}
    changed = {**record, "mask": None, "sampler": "heun", "reference": reference}
    told = dict(record_content(changed, name="a").facts)
    assert told["Mask"] == "none; the model drew the anatomy" and "Labels" not in told
    assert told["Look of"] == "slice 4 of scan, strength 0.5" and told["Sampler"] == "heun"
