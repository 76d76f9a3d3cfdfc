"""The zoo: pretrained models, bundled with the package, added by the user, or in any folder.

A model is a folder with `weights.safetensors`, `config.json` and `card.yaml`, and with whatever
further files its weights list. Nothing is loaded whose files differ from the hashes on the card,
nor, in the zoo, whose card differs from what was written down of it; and nothing that is loaded can
hold code.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from cmr_synth.errors import InputError
from cmr_synth.files import sha256 as hash_of
from cmr_synth.files import write_folder
from cmr_synth.generators.card import SHA256_PATTERN, Card, read_card
from cmr_synth.generators.device import available
from cmr_synth.generators.device import require as require_device
from cmr_synth.generators.identity import identity_of, record, require_identity, require_recorded
from cmr_synth.generators.interface import Generator
from cmr_synth.generators.parts import parts_of, require_parts
from cmr_synth.generators.registry import families, load_generator

WEIGHTS, CONFIG, CARD = "weights.safetensors", "config.json", "card.yaml"
FILES = (WEIGHTS, CONFIG, CARD)
DEFAULT = "flow"
HOME_VARIABLE = "CMR_SYNTH_HOME"
MAX_BYTES = 4 * 2**30  # of an unpacked model; a bundled one has under 16 MB

_BUNDLED = Path(__file__).resolve().parent.parent / "weights"
_HUB_ID = re.compile(r"^(?:hf:)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?$")


@dataclass(frozen=True)
class Entry:
    """Where a model lies, and how it got there."""

    name: str
    folder: Path
    source: Literal["bundled", "added", "folder"]


class Model(NamedTuple):
    """A loaded generator and its card."""

    generator: Generator
    card: Card


def home() -> Path:
    """Folder of added models: below $CMR_SYNTH_HOME, or the user's data folder."""
    stated = os.environ.get(HOME_VARIABLE)
    if stated:
        return Path(stated).expanduser() / "models"
    from platformdirs import user_data_path

    return user_data_path("cmr-synth", appauthor=False) / "models"


def entries() -> list[Entry]:
    """Bundled models, then added ones, each by name."""
    found = []
    for parent, source in ((_BUNDLED, "bundled"), (home(), "added")):
        if parent.is_dir():
            for folder in sorted(parent.iterdir()):
                if (folder / CARD).is_file():
                    found.append(Entry(folder.name, folder, source))  # type: ignore[arg-type]
    return found


def find(name: str | Path) -> Entry:
    """The model of this name, or in this folder.

    Raises
    ------
    InputError
        Listing the known names if there is none.
    """
    known = entries()
    for entry in known:
        if entry.name == str(name):
            return entry
    folder = Path(name).expanduser()
    if folder.is_dir():
        for entry in known:
            if entry.folder.samefile(folder):
                return entry
        if not (folder / CARD).is_file():
            raise InputError(f"{folder}: holds no {CARD}; a model folder holds {', '.join(FILES)}.")
        return Entry(folder.resolve().name, folder, "folder")
    names = ", ".join(entry.name for entry in known) or "none yet"
    raise InputError(
        f"no model is called {str(name)!r}; known are {names}. Give one of them, or the folder "
        "of a model."
    )


def card_of(name: str | Path | Entry) -> Card:
    """The card of a model; reads no weights.

    Raises
    ------
    InputError
        If there is no such model, or its card is damaged, or was changed in the zoo.
    """
    entry = name if isinstance(name, Entry) else find(name)
    card = read_card(entry.folder / CARD)
    if entry.source != "folder":
        require_recorded(card, entry.folder)
    return card


def verify(name: str | Path | Entry) -> Card:
    """Check a model's files against its card, and return the card.

    Raises
    ------
    InputError
        If a file has another hash than on the card, is missing or damaged, or if the card was
        changed in the zoo.
    """
    entry = name if isinstance(name, Entry) else find(name)
    card = card_of(entry)
    for file, wanted in ((CONFIG, card.config_sha256), (WEIGHTS, card.sha256)):
        path = entry.folder / file
        if not path.is_file():
            raise InputError(f"{path}: no such file; get the model {entry.name!r} again.")
        _require_hash(hash_of(path), wanted, str(path), "its card says")
    if _config(entry.folder).get("family") != card.family:
        raise InputError(
            f"{entry.folder / CONFIG}: is of another family than {CARD} says ({card.family!r}); "
            "get the model again."
        )
    require_parts(entry.folder)
    return card


def load(name: str | Path = DEFAULT, *, device: str | None = None) -> Model:
    """Verify and load a generator.

    Parameters
    ----------
    name : str or Path
        Of a bundled or added model, or a model's folder.
    device : str, optional
        "cpu", "cuda" or "mps"; by default the fastest that is there.

    Raises
    ------
    InputError
        If there is no such model, its weights are not those of the card, it is no generator, or
        the device is not there.
    """
    entry = find(name)
    card = verify(entry)
    require_generator(card)
    if device is None:
        device = available()[-1]
    else:
        require_device(device)
    return Model(load_generator(card.family, entry.folder, device=device), card)


def require_generator(card: Card) -> Card:
    """Refuse the card of something that makes no images, such as the segmenter."""
    if card.family not in families():
        raise InputError(
            f"model {card.name!r} is of family {card.family!r}, which makes no images; families "
            f"that do are {', '.join(sorted(families()))}."
        )
    return card


def add(source: str | Path, *, sha256: str | None = None) -> Entry:
    """Copy a model into the zoo, under the name on its card.

    Parameters
    ----------
    source : path
        A model folder, a file in it, or a .zip of it; or a Stable Diffusion with ControlNet as
        diffusers writes it, which gets the name of its folder.
    sha256 : str, optional
        The model's one hash (`identity_of`), from a place that you trust more than its files.

    Returns
    -------
    Entry
        An added model of the same name is replaced.

    Raises
    ------
    InputError
        If it is no complete model, a hash differs, or a bundled model has this name.
    """
    wanted = None if sha256 is None else _digest(sha256)
    source = Path(source).expanduser()
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; give a model folder or its .zip.")
    if (source / "model_index.json").is_file():
        from cmr_synth.generators.stable_diffusion.pipeline import adopt

        with tempfile.TemporaryDirectory(prefix="cmr-synth-") as temporary:
            adopt(source, Path(temporary) / "model")
            return _add_folder(Path(temporary) / "model", wanted, source)
    if source.is_dir():
        return _add_folder(source, wanted, source)
    if source.name in FILES:
        return _add_folder(source.parent, wanted, source.parent)
    with tempfile.TemporaryDirectory(prefix="cmr-synth-") as temporary:
        _unpack(source, Path(temporary))
        return _add_folder(Path(temporary), wanted, source)


def pull(source: str, *, sha256: str) -> Entry:
    """Download a model and add it to the zoo.

    Parameters
    ----------
    source : str
        The https address of a model's .zip, or a Hugging Face hub id such as `owner/model` or
        `owner/model@revision`.
    sha256 : str
        The model's one hash (`identity_of`), from a place that you trust.

    Raises
    ------
    InputError
        If it cannot be downloaded, has another hash, or is no complete model.
    """
    wanted = _digest(sha256)
    with tempfile.TemporaryDirectory(prefix="cmr-synth-") as temporary:
        folder = Path(temporary)
        if re.match(r"^https?://", source):
            archive = _download(source, folder, "model.zip", None)
            if hash_of(archive) == wanted:
                raise InputError(
                    f"{source}: {wanted[:16]}... is the SHA-256 of the .zip; give the model's one "
                    "hash, which `cmr-synth zoo show` prints."
                )
            _unpack(archive, folder / "model")
            return _add_folder(folder / "model", wanted, source)
        hub = _HUB_ID.match(source)
        if not hub:
            raise InputError(
                f"{source!r}: give the https address of a model's .zip, or a hub id such as "
                "owner/model."
            )
        place = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        address = f"{place}/{hub[1]}/resolve/{hub[2] or 'main'}"
        card = read_card(_download(f"{address}/{CARD}", folder, CARD, None))
        require_identity(card, wanted, source)  # before gigabytes of weights
        for name, digest in ((CONFIG, card.config_sha256), (WEIGHTS, card.sha256)):
            _download(f"{address}/{name}", folder, name, digest)
        for part, digest in parts_of(folder / WEIGHTS).items():
            path = folder / part
            _download(f"{address}/{part}", path.parent, path.name, digest)
        return _add_folder(folder, wanted, source)


def _digest(text: str) -> str:
    found = text.lower().removeprefix("sha256:")
    if not re.fullmatch(SHA256_PATTERN, found):
        raise InputError(f"{text!r} is no SHA-256; give its 64 hexadecimal digits.")
    return found


def _add_folder(folder: Path, wanted: str | None, source: str | Path) -> Entry:
    """Copy a model folder; `source` is what the user calls it."""
    known = next((e for e in entries() if e.folder.samefile(folder)), None)
    card = verify(known or Entry(folder.name, folder, "folder"))
    if wanted is not None:
        require_identity(card, wanted, str(source))
    if (_BUNDLED / card.name / CARD).is_file():
        raise InputError(
            f"{source}: a bundled model is called {card.name!r} already; change the name on its "
            "card."
        )
    goal = home() / card.name
    if goal.exists() and goal.samefile(folder):
        return Entry(card.name, goal, "added")
    with write_folder(goal, replaces=CARD) as temporary:
        copy_files(folder, temporary)
        copied = verify(Entry(card.name, temporary, "folder"))
        require_identity(copied, identity_of(card), str(source))
    record(card, goal)
    return Entry(card.name, goal, "added")


def copy_files(folder: Path, goal: Path) -> None:
    """Copy what belongs to a model into another folder, and nothing else."""
    for name in (*FILES, *parts_of(folder / WEIGHTS)):
        (goal / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, goal / name)


def _unpack(archive: Path, folder: Path) -> None:
    """Take the files of a model out of a .zip, and nothing else."""
    try:
        with zipfile.ZipFile(archive) as content:
            # older programs of Windows write backslashes, against the format's own rule
            named = {i.filename.replace("\\", "/"): i for i in content.infolist()}
            members = {PurePosixPath(name): i for name, i in named.items() if name[-1:] != "/"}
            for path in members:
                if path.is_absolute() or ".." in path.parts or ":" in str(path):
                    raise InputError(
                        f"{archive.name}: holds the path {str(path)!r}, which leads out of the "
                        "folder it is unpacked to; do not trust this file."
                    )
            cards = [path for path in members if path.name == CARD]
            if len(cards) != 1:
                raise InputError(
                    f"{archive.name}: holds {len(cards)} files called {CARD}, a model has one; "
                    f"pack {', '.join(FILES)} of one model."
                )
            top = cards[0].parent
            _extract(content, members, top, folder, FILES)
            _extract(content, members, top, folder, tuple(parts_of(folder / WEIGHTS)))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise InputError(
            f"{archive.name}: not a readable .zip of a model ({error}); get it again."
        ) from error


def _extract(
    content: zipfile.ZipFile,
    members: Mapping[PurePosixPath, zipfile.ZipInfo],
    top: PurePosixPath,
    folder: Path,
    names: Sequence[str],
) -> None:
    archive = Path(content.filename or "").name
    missing = [name for name in names if top / name not in members]
    if missing:
        raise InputError(f"{archive}: holds no {missing[0]}; a model needs it.")
    size = sum(members[top / name].file_size for name in names)
    if size > MAX_BYTES:
        raise InputError(
            f"{archive}: unpacks to {size:,} bytes, a model has at most {MAX_BYTES:,}; unpack it "
            "yourself and add the folder."
        )
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        # a member is read up to the size that it states, whatever it expands to
        with content.open(members[top / name]) as packed, (folder / name).open("wb") as file:
            shutil.copyfileobj(packed, file)


def _download(address: str, folder: Path, name: str, sha256: str | None) -> Path:
    import pooch

    pooch.get_logger().setLevel("ERROR")
    fetch = pooch.HTTPDownloader(timeout=30)
    known = None if sha256 is None else f"sha256:{sha256}"
    try:
        return Path(pooch.retrieve(address, known, fname=name, path=folder, downloader=fetch))
    except Exception as error:  # requests and pooch share no base class below it
        if "hash" in str(error).lower():
            raise InputError(
                f"{address}: does not have the SHA-256 that the model says ({sha256}); nothing was "
                "added. Tell whoever offers it."
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{address}: cannot be downloaded ({reason}); check the address and the connection."
        ) from error


def _require_hash(found: str, wanted: str, what: str, by: str) -> None:
    if found != wanted:
        raise InputError(
            f"{what}: has SHA-256 {found[:16]}..., but {by} {wanted[:16]}...; the file is "
            "damaged or was exchanged. Get the model again."
        )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); get the model again.") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: is no JSON mapping; get the model again.")
    return config
