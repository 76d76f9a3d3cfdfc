"""The zoo: found by name or folder, verified, added from folders, files and servers."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.card import file_hashes, read_card, write_card
from cmr_synth.generators.identity import identity_of

MODEL = Path("owner", "model", "resolve", "main")  # as a hub serves it
BUNDLED = [entry for entry in zoo.entries() if entry.source == "bundled"]


@pytest.mark.parametrize("entry", BUNDLED, ids=[entry.name for entry in BUNDLED])
class TestBundled:
    """Every model that comes with the package."""

    def test_its_weights_are_those_of_its_card(self, entry: zoo.Entry) -> None:
        card = zoo.verify(entry)
        assert card.name == entry.name

    def test_it_is_small_enough_to_travel(self, entry: zoo.Entry) -> None:
        assert all(file.stat().st_size < 16e6 for file in entry.folder.iterdir())

    def test_its_card_says_whose_data_it_was_trained_on(self, entry: zoo.Entry) -> None:
        card = zoo.card_of(entry)
        assert card.limits and card.citations
        assert all(use.licence and use.citation for use in card.training.cohorts)

    def test_it_loads(self, entry: zoo.Entry) -> None:
        if zoo.card_of(entry).family == "segmenter":
            from cmr_synth.judges.segmenter import Segmenter

            assert Segmenter.load(entry.folder).hash == zoo.card_of(entry).sha256
        elif entry.name == "encoder":
            from cmr_synth.judges.encoder import Encoder

            assert Encoder.load(entry.folder).hash == zoo.card_of(entry).sha256
        elif entry.name == "copy-detector":
            from cmr_synth.judges.copy_detector import CopyDetector

            assert CopyDetector.load(entry.folder).hash == zoo.card_of(entry).sha256
        else:
            generator, card = zoo.load(entry.name)
            assert generator.shape == card.grid.shape


def pack(folder: Path, archive: Path, *, inside: str = "", **extra: str) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in zoo.FILES:
            packed.write(folder / name, inside + name)
        for name, text in extra.items():
            packed.writestr(name, text)
    return archive


def test_a_folder_is_a_model(tiny_model: Path) -> None:
    generator, card = zoo.load(tiny_model)
    assert generator.shape == card.grid.shape == (64, 64)
    assert card.name == "tiny"


def test_an_unknown_name_lists_the_known(tiny_model: Path) -> None:
    zoo.add(tiny_model)
    with pytest.raises(InputError, match="no model is called 'nix'; known are .*tiny"):
        zoo.find("nix")


def test_a_folder_without_card_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no card\.yaml"):
        zoo.find(tmp_path)


def test_a_wrong_hash_is_not_loaded(own_tiny_model: Path) -> None:
    weights = own_tiny_model / zoo.WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # one bit of one weight
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"has SHA-256 .*its card says .*damaged or was exchanged"):
        zoo.load(own_tiny_model)


@pytest.mark.parametrize("name", zoo.FILES)
def test_a_missing_file_is_named(own_tiny_model: Path, name: str) -> None:
    (own_tiny_model / name).unlink()
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        zoo.load(own_tiny_model)


def test_a_configuration_of_another_family_is_refused(own_tiny_model: Path) -> None:
    (own_tiny_model / zoo.CONFIG).write_text('{"family": "gan", "config": {}}')
    write_card(
        read_card(own_tiny_model / zoo.CARD).model_copy(update=file_hashes(own_tiny_model)),
        own_tiny_model / zoo.CARD,
    )
    with pytest.raises(InputError, match="is of another family"):
        zoo.load(own_tiny_model)


def test_what_makes_no_images_is_no_generator(own_tiny_model: Path) -> None:
    for name in (zoo.CARD, zoo.CONFIG):
        path = own_tiny_model / name
        path.write_text(
            path.read_text()
            .replace("family: flow", "family: segmenter")
            .replace('"family": "flow"', '"family": "segmenter"')
        )
    write_card(
        read_card(own_tiny_model / zoo.CARD).model_copy(update=file_hashes(own_tiny_model)),
        own_tiny_model / zoo.CARD,
    )
    with pytest.raises(InputError, match="family 'segmenter', which makes no images.*flow"):
        zoo.load(own_tiny_model)


def test_an_unknown_device_lists_those_here(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="device 'abacus' cannot be used here; available are cpu"):
        zoo.load(tiny_model, device="abacus")


def test_added_models_are_found_by_name(tiny_model: Path, empty_zoo: Path) -> None:
    entry = zoo.add(tiny_model)
    assert entry.folder == empty_zoo / "models" / "tiny"
    assert zoo.find("tiny") == entry
    assert zoo.add(tiny_model / zoo.WEIGHTS).folder == entry.folder  # again, by one of its files
    assert zoo.add(entry.folder).folder == entry.folder  # onto itself


@pytest.mark.parametrize("inside", ["", "some-model/"])
def test_a_zip_is_added(tiny_model: Path, tmp_path: Path, inside: str) -> None:
    entry = zoo.add(pack(tiny_model, tmp_path / "model.zip", inside=inside))
    assert zoo.verify(entry).name == "tiny"
    assert sorted(p.name for p in entry.folder.iterdir()) == sorted(zoo.FILES)


@pytest.mark.parametrize("path", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "C:/evil.txt"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(
    tiny_model: Path, tmp_path: Path, empty_zoo: Path, path: str
) -> None:
    archive = pack(tiny_model, tmp_path / "model.zip", **{path: "evil"})
    with pytest.raises(InputError, match="leads out of the folder"):
        zoo.add(archive)
    assert not empty_zoo.exists()


def test_a_zip_with_backslashes_is_added(tiny_model: Path, tmp_path: Path) -> None:
    """As older programs of Windows pack it."""
    with zipfile.ZipFile(pack(tiny_model, tmp_path / "model.zip", inside="a/")) as packed:
        contents = {name.replace("/", "\\"): packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as again:
        again.writestr("a\\", b"")  # the folder itself
        for name, content in contents.items():
            again.writestr(name, content)
    assert zoo.add(tmp_path / "windows.zip").name == "tiny"
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as again:
        again.writestr("a\\..\\..\\card.yaml", b"")
    with pytest.raises(InputError, match="leads out of the folder"):
        zoo.add(tmp_path / "evil.zip")


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to .* a model has at most 1,000"):
        zoo.add(pack(tiny_model, tmp_path / "model.zip"))


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_text("not a zip")
    with pytest.raises(InputError, match=r"not a readable \.zip"):
        zoo.add(tmp_path / "model.zip")


def test_a_zip_without_weights_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        packed.write(tiny_model / zoo.CARD, zoo.CARD)
        packed.write(tiny_model / zoo.CONFIG, zoo.CONFIG)
    with pytest.raises(InputError, match=r"holds no weights\.safetensors"):
        zoo.add(tmp_path / "model.zip")


def test_a_hash_from_elsewhere_is_checked_too(tiny_model: Path, empty_zoo: Path) -> None:
    with pytest.raises(InputError, match="but you gave 000"):
        zoo.add(tiny_model, sha256="0" * 64)
    assert not empty_zoo.exists()
    assert zoo.add(tiny_model, sha256=identity_of(zoo.card_of(tiny_model))).name == "tiny"


def test_the_name_of_a_bundled_model_cannot_be_taken(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_model, tmp_path / "bundled" / "tiny")
    monkeypatch.setattr(zoo, "_BUNDLED", tmp_path / "bundled")
    with pytest.raises(InputError, match="a bundled model is called 'tiny' already"):
        zoo.add(tiny_model)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path, tiny_model: Path) -> Iterator[str]:
    """A web server on this machine with the model as .zip and in the layout of a hub."""
    served = tmp_path / "served"
    shutil.copytree(tiny_model, served / MODEL)
    pack(tiny_model, served / "model.zip")
    handler = partial(_Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_zip_is_pulled_by_its_address(server: str, tmp_path: Path) -> None:
    digest = identity_of(zoo.card_of(tmp_path / "served" / MODEL))
    assert zoo.pull(f"{server}/model.zip", sha256=f"sha256:{digest}").name == "tiny"
    assert zoo.load("tiny").card.name == "tiny"


def test_a_model_is_pulled_from_a_hub(
    server: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server)
    assert zoo.pull("owner/model", sha256=identity_of(zoo.card_of(tiny_model))).name == "tiny"


def test_a_download_with_another_hash_is_not_added(
    server: str, empty_zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server)
    for source in (f"{server}/model.zip", "owner/model"):
        with pytest.raises(InputError, match=f"{source}: the model's hash is .*but you gave 000"):
            zoo.pull(source, sha256="0" * 64)
    assert not empty_zoo.exists()


def test_the_hash_of_a_zip_is_not_that_of_a_model(
    server: str, tmp_path: Path, empty_zoo: Path
) -> None:
    with pytest.raises(InputError, match="is the SHA-256 of the .zip; give the model's one hash"):
        zoo.pull(f"{server}/model.zip", sha256=sha256(tmp_path / "served" / "model.zip"))
    assert not empty_zoo.exists()


@pytest.mark.parametrize("name", [zoo.CONFIG, zoo.WEIGHTS])
def test_a_hub_that_serves_another_file_than_its_card_says_is_refused(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_zoo: Path, name: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server)
    known = identity_of(zoo.card_of(tmp_path / "served" / MODEL))
    (tmp_path / "served" / MODEL / name).write_text("else")
    with pytest.raises(InputError, match=f"{name}: does not have the SHA-256 that the model says"):
        zoo.pull("owner/model", sha256=known)
    assert not empty_zoo.exists()


def test_an_address_with_nothing_there_is_one_line(server: str) -> None:
    with pytest.raises(InputError, match="cannot be downloaded.*404") as caught:
        zoo.pull(f"{server}/nix.zip", sha256="0" * 64)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "digest", "message"),
    [("owner/model", "abc", "is no SHA-256"), ("what is this", "0" * 64, "a hub id such as")],
)
def test_a_pull_that_cannot_be_meant_starts_nothing(source: str, digest: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zoo.pull(source, sha256=digest)
