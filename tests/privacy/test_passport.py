"""Passports: what a signature must cover, and what is refused in one line whoever signed it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.scan import Scan
from cmr_synth.privacy.passport import FORMAT, picture_hash, verify_passport
from cmr_synth.privacy.sidecar import read_sidecar
from cmr_synth.privacy.signature import signed

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def document(tmp_path):
    """What is signed of a small picture, which lies beside."""
    image = tmp_path / "some.nii.gz"
    pixels = np.random.default_rng(0).random((8, 9, 2), np.float32)
    nib.save(nib.Nifti1Image(pixels, np.diag([-1.5, -1.5, 8, 1])), image)
    (tmp_path / "some.html").write_text("page")
    return {
        "passport": FORMAT,
        "date": "2026-01-01T00:00:00Z",
        "image": {
            "file": image.name,
            "sha256": sha256(image),
            "picture_sha256": picture_hash(read_image(image)),
        },
        "origin": {"is": "not known", "words": "not known"},
        "verdict": "No copy.",
        "page": {"file": "some.html", "sha256": hashlib.sha256(b"page").hexdigest()},
    }


@pytest.fixture
def verified(tmp_path):
    def of(document, text=None):
        path = tmp_path / "some.json"
        path.write_text(text or json.dumps(signed(document, KEY)))
        return verify_passport(path)

    return of


def test_it_holds(document, verified):
    assert verified(document).document["verdict"] == "No copy."


def test_an_older_format_is_refused(document, verified):
    for older in (
        document | {"passport": 1},
        {k: document[k] for k in document if k != "passport"},
    ):
        with pytest.raises(InputError, match="issue a new one with `cmr-synth audit passport`"):
            verified(older)


def test_a_verdict_put_first_is_refused(document, verified):
    """Readers that take the first of two equal names were shown another verdict."""
    text = json.dumps(signed(document | {"verdict": "Too close."}, KEY))
    forged = '{"verdict": "No copy.", ' + text[1:]
    assert json.loads(forged) == json.loads(text)  # so that its signature held
    with pytest.raises(InputError, match="'verdict' is given twice"):
        verified(None, forged)


@pytest.mark.parametrize(
    "changes",
    [
        {"image": None},
        {"image": "some.nii.gz"},
        {"image": {"file": 1, "sha256": 2, "picture_sha256": 3}},
        {"page": []},
        {"verdict": ["No copy."]},
        {"verdict": "Too close.\nverdict: No copy."},
        {"verdict": "\x1b[2JNo copy."},
        {"origin": "reproduced"},
        {"date": None},
    ],
)
def test_what_anybody_may_sign_is_no_passport(changes, document, verified):
    with pytest.raises(InputError, match="is no passport of an image") as refused:
        verified(document | changes)
    assert len(str(refused.value).splitlines()) == 1


def test_geometry_is_part_of_a_picture():
    scan = Scan(
        array=np.random.default_rng(0).random((2, 3, 8, 8), np.float32),
        spacing=(8.0, 1.5, 1.5),
        affine=np.diag([-1.5, -1.5, 8.0, 1.0]),
        name="some",
        frame_ms=30.0,
    )
    moved = scan.affine.copy()
    moved[0, 3] += 1
    other = [
        replace(scan, affine=scan.affine @ np.diag([-1.0, 1, 1, 1])),
        replace(scan, affine=scan.affine[[1, 0, 2, 3]]),
        replace(scan, affine=moved),
        replace(scan, spacing=(8.0, 1.5, 1.6)),
        replace(scan, frame_ms=60.0),
        replace(scan, array=scan.array[..., ::-1]),
        replace(scan, array=scan.array.reshape(3, 2, 8, 8)),
    ]
    hashes = {picture_hash(one) for one in (scan, *other)}
    assert len(hashes) == 1 + len(other)
    noise = scan.affine + 1e-9 - 0.0
    assert picture_hash(replace(scan, affine=noise)) == picture_hash(scan)


@pytest.mark.parametrize(
    "record",
    [
        {"vendor": ["siemens"]},
        {"model": {"name": "flow"}},
        {"model": "flow"},
        {"mask": "heart.nii.gz"},
        {"slice_positions": {"0": 2}},
        {"slice_positions": [0.5]},
        {"steps": "many"},
        {"variant": 10**9},
        {"only": {"slices": ["a"], "frames": []}},
        {"sha256": 5},
    ],
)
def test_a_sidecar_of_another_kind_is_one_line(record, tmp_path):
    (tmp_path / "some.json").write_text(json.dumps({"synthetic": True} | record))
    (field,) = record
    with pytest.raises(InputError, match=f"field '{field}") as refused:
        read_sidecar(tmp_path / "some.nii.gz")
    assert len(str(refused.value).splitlines()) == 1
