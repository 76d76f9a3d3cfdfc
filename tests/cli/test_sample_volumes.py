"""`cmr-synth sample-volumes`: stacks with masks on disk, or one line."""

import json

import pytest

from cmr_synth.cli.sample_volumes import sample_volumes  # noqa: F401  without heavy imports
from tests.synthesis.test_volumes import write_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "tiny-stacks")


def test_volumes_with_masks_and_facts(run, folder, tmp_path):
    out = tmp_path / "made"
    asked = ("--model", folder, "--n", "2", "--phase", "ED", "--pathology", "dcm", "--steps", "2")
    ended = run("sample-volumes", *asked, "--out", out, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert facts["volumes"] == 2 and len(list(out.glob("*_ED_gt.nii.gz"))) == 2
    # random weights draw no hearts, and that is said
    assert facts["drawn_again"] == 8
    assert facts["implausible"] == ["stack0000_ED.nii.gz", "stack0001_ED.nii.gz"]
    assert "no plausible mask in 5 draws" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--pathology", "flu"), "pathology 'flu': model 'tiny' was trained with dcm"),
        (("--slice-position", "0.5"), "z: this model makes whole stacks, of all levels"),
        (("--sampler", "euler"), "sampler 'euler': models of 'latent-volume' have none"),
        (("--n", "0"), "n: 0 given"),
        (("--model", "flow"), "is of the family 'flow', which makes slices"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(run, folder, tmp_path, arguments, says):
    out = tmp_path / "made"
    ended = run("sample-volumes", "--model", folder, *arguments, "--out", out)
    assert ended.code == 1
    assert says in ended.line
    assert not out.exists()
