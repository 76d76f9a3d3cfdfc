"""Verification: whatever is changed, added, taken away or signed by another is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.privacy.signature import signed
from cmr_synth.release.manifest import MANIFEST, SUMS, write_manifest
from cmr_synth.release.verify import Verified, verify_release

from .conftest import KEY, files_of


@pytest.fixture(autouse=True)
def in_zoo(empty_zoo, tiny_model: Path) -> None:
    """Records name models of the zoo."""
    zoo.add(tiny_model)


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    """A release that a test may damage."""
    return Path(shutil.copytree(small, tmp_path / "own"))


def verified(folder: Path, **options) -> Verified:
    *_, found = verify_release(folder, **{"repeat": 0, **options})
    return found


def test_it_holds_and_comes_out_again(small: Path):
    found = verified(small, public_key=KEY.public_key(), repeat=2, seed=0)
    assert found.faults == ()
    assert len(found.made_again) == 2
    assert all(words.startswith("reproduced") for words in found.made_again.values())


def test_without_its_model_it_holds_and_is_not_made_again(small: Path, tmp_path, monkeypatch):
    monkeypatch.setenv("CMR_SYNTH_HOME", str(tmp_path / "another"))
    found = verified(small, repeat=1)
    assert found.holds and found.made_again == {}
    assert any("is not in the zoo here" in words for words in found.remarks)


def test_any_byte_of_any_file_that_changes_is_found(own: Path):
    """A random bit of every file in turn; of the manifest and its list, many."""
    rng = np.random.default_rng(0)
    for name, content in files_of(own).items():
        path = own / name
        for _ in range(60 if name in (MANIFEST, SUMS) else 2):
            place, bit = int(rng.integers(len(content))), int(rng.integers(8))
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            if name in (MANIFEST, SUMS):
                with pytest.raises(InputError):
                    verified(own)
            else:
                assert any(fault.startswith(f"{name}: was changed") for fault in hashes(own)), name
        path.write_bytes(content)
    assert verified(own).holds


def hashes(folder: Path) -> list[str]:
    from cmr_synth.release.manifest import differences, read_manifest

    return differences(folder, read_manifest(folder))


def test_the_last_letters_of_a_signature_have_one_form(own: Path):
    """Base64 of 64 bytes has letters whose last bits mean nothing; another letter passed."""
    path = own / MANIFEST
    document = json.loads(path.read_text())
    value = document["signature"]["value"]
    assert value.endswith("==")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(value[-3]) ^ 1]
    path.write_text(path.read_text().replace(value, value[:-3] + other + "=="))
    with pytest.raises(InputError, match="another way"):
        verified(own)


@pytest.mark.parametrize(
    "name", ["images/syn00001_ED.nii.gz", "evidence.json", ".hidden", "x/y.txt"]
)
def test_what_is_added_or_missing_is_found(name, own: Path):
    path = own / name
    if path.is_file():
        path.unlink()
        wanted = f"{name}: is missing"
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text("SYNTHETIC")
        wanted = f"{name}: does not belong to the release"
    assert wanted in verified(own).faults


def test_another_key_is_refused(own: Path):
    other = Ed25519PrivateKey.generate()
    with pytest.raises(InputError, match="do not trust it"):
        verified(own, public_key=other.public_key())
    write_manifest(own, {"release": "small", "date": "2026-01-02"}, other)
    with pytest.raises(InputError, match="and the key given is"):
        verified(own, public_key=KEY.public_key())


def test_a_manifest_of_no_release_is_one_line(own: Path, tmp_path: Path):
    with pytest.raises(InputError, match="holds no manifest.json"):
        verified(tmp_path)
    (own / MANIFEST).write_text(json.dumps(signed({"manifest": 7}, KEY)))
    with pytest.raises(InputError, match="no manifest of format 1"):
        verified(own)


def test_a_picture_that_is_not_of_its_record_is_found_even_if_signed(own: Path):
    """Whoever has the key can sign anything: what a record says is tried."""
    record = own / "images" / "syn00001_ED.json"
    facts = json.loads(record.read_text())
    facts["seed"] += 1
    record.write_text(json.dumps(facts))
    write_manifest(own, {"release": "small", "date": "2026-01-02"}, KEY)
    found = verified(own, repeat=6)
    (fault,) = found.faults
    assert fault.startswith("images/syn00001_ED.nii.gz: does not come out again from its record")


def test_an_unmarked_picture_is_found_even_if_signed(own: Path):
    import nibabel as nib

    path = own / "masks" / "syn00002_ES.nii.gz"
    image = nib.load(path)
    image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
    nib.save(image, path)
    write_manifest(own, {"release": "small", "date": "2026-01-02"}, KEY)
    assert "masks/syn00002_ES.nii.gz: is not marked as synthetic" in verified(own).faults


def test_the_list_is_one_that_coreutils_reads(small: Path):
    import subprocess

    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not here")
    done = subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=small)
    assert done.returncode == 0
