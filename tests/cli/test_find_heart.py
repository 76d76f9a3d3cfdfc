"""`cmr-synth find-heart`: a real cine in, its mask and phases out."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.judges.segmenter import Segmenter


def test_the_verb_writes_a_mask_and_names_the_phases(run, data_root: Path, tmp_path: Path) -> None:
    source = data_root / "acdc_cine" / "training" / "patient030" / "patient030_4d.nii.gz"
    if not source.is_file():
        pytest.skip("no real cines here")
    image = nib.load(source)
    few = np.asarray(image.dataobj)[:, :, 2:4, [0, 6, 11]]  # two slices at three times
    path = tmp_path / "cine.nii.gz"
    nib.save(nib.Nifti1Image(few, image.affine, image.header), path)
    done = run("find-heart", path, "--out", tmp_path / "masks", "--json")
    (facts,) = json.loads(done.out)["scans"]
    mask = np.asarray(nib.load(facts["mask"]).dataobj)
    assert mask.shape == few.shape and set(np.unique(mask)) == {0, 1, 2, 3}
    assert len(facts["lv_ml"]) == 3 and facts["segmenter_sha256"] == Segmenter.load().hash
