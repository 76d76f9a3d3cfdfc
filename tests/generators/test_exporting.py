"""Exported models: what is written is read again by those whose form it is, and by the zoo."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.exporting import FORMS, MODEL, export
from cmr_synth.generators.identity import identity_of


@pytest.mark.parametrize(("form", "inside"), [("huggingface", "."), ("monai", MODEL)])
def test_the_zoo_reads_it_again(form, inside, tiny_model: Path, tmp_path: Path):
    out = export(tiny_model, tmp_path / "out", form=form)
    entry = zoo.add(out / inside)
    assert identity_of(zoo.card_of(entry)) == identity_of(zoo.card_of(tiny_model))


def test_the_hub_reads_its_card(tiny_model: Path, tmp_path: Path):
    from huggingface_hub import ModelCard

    out = export(tiny_model, tmp_path / "out", form="huggingface")
    card = ModelCard.load(out / "README.md")
    assert card.data.license == "cc0-1.0"
    assert "synthetic-data" in card.data.tags
    assert "Shows noise." in card.text


def test_monai_reads_and_runs_the_bundle(tiny_model: Path, tmp_path: Path):
    from monai.bundle import ConfigParser

    out = export(tiny_model, tmp_path / "bundle", form="monai")
    metadata = ConfigParser.load_config_file(str(out / "configs" / "metadata.json"))
    assert metadata["network_data_format"]["inputs"]["mask"]["spatial_shape"] == [64, 64]
    masks = tmp_path / "masks"
    masks.mkdir()
    drawn = draw_slice(shape=(64, 64), spacing=(3, 3))
    image = nib.Nifti1Image(drawn.T[..., None], np.diag([-3, -3, 8, 1]))
    nib.save(image, masks / "heart_gt.nii.gz")
    parser = ConfigParser()
    parser.read_meta(str(out / "configs" / "metadata.json"))
    parser.read_config(str(out / "configs" / "inference.json"))
    parser["bundle_root"], parser["masks"] = str(out), str(masks)
    parser["output_dir"] = str(tmp_path / "made")
    assert sum(p.numel() for p in parser.get_parsed_content("network_def").parameters()) > 0
    parser.get_parsed_content("run")
    assert len(list((tmp_path / "made").glob("heart_gt*.nii.gz"))) == 1


def test_what_cannot_be_exported_is_one_line(tiny_model: Path, tmp_path: Path):
    with pytest.raises(InputError, match=f"known are {', '.join(FORMS)}"):
        export(tiny_model, tmp_path / "out", form="onnx")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        export(tiny_model, tmp_path / "mine", form="monai")
