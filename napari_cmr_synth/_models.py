"""The models that the zoo offers, each loaded once and kept while the program runs."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmr_synth.generators.card import Card
    from cmr_synth.generators.zoo import Model
    from cmr_synth.judges.segmenter import Segmenter

DRAWN_S = 0.2  # by when a window has drawn what a click changed, also without a GPU

_models: dict[tuple[str, str, str | None], Model] = {}
_segmenters: list[Segmenter] = []
"""The bundled one, once it is loaded."""

_takes: dict[str, frozenset[str]] = {}
"""What families take, of those whose code has been imported."""
_lock = threading.Lock()  # two panels that ask at once shall not load twice


def loaded(name: str, device: str | None = None) -> Model:
    """Load a generator, or return the one that is loaded already.

    Parameters
    ----------
    name : str
        Name in the zoo, or a model's folder.
    device : str, optional
        "cpu", "cuda" or "mps"; None or "auto" takes the fastest that is there.

    Returns
    -------
    Model
        Generator and card. Call this in a worker: the first call imports torch and reads weights.

    Raises
    ------
    InputError
        As `cmr_synth.generators.zoo.load`.
    """
    from cmr_synth.generators import zoo

    device = None if device in (None, "", "auto") else device
    key = (str(name), card(name).sha256, device)
    with _lock:
        if key not in _models:
            with _beside_a_window():
                _models[key] = zoo.load(name, device=device)
            _takes[card(name).family] = _models[key].generator.takes
        return _models[key]


def load_ahead() -> threading.Thread | None:
    """Load the default model in a thread, so that the first picture need not wait for it.

    Returns
    -------
    Thread or None
        None if there is no such model. The program ends after it, which the user does not see: the
        window is gone by then.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.generators.zoo import DEFAULT

    if DEFAULT not in choices() or is_loaded(DEFAULT):
        return None

    def load() -> None:
        with suppress(InputError):  # told to whoever asks for a picture
            loaded(DEFAULT)

    thread = threading.Thread(target=load, name="load the default model")
    thread.start()
    return thread


def segmenter() -> Segmenter:
    """The bundled segmenter, loaded once.

    Call this in a worker: the first call imports torch and MONAI and reads weights.

    Raises
    ------
    InputError
        If its files are damaged.
    """
    with _lock:
        if not _segmenters:
            with _beside_a_window():
                from cmr_synth.judges.segmenter import Segmenter

                _segmenters.append(Segmenter.load())
        return _segmenters[0]


def is_loaded(name: str, device: str | None = None) -> bool:
    """Whether `loaded` would answer at once.

    Parameters
    ----------
    name, device
        As in `loaded`.
    """
    device = None if device in (None, "", "auto") else device
    return (str(name), card(name).sha256, device) in _models


def takes(name: str) -> frozenset[str] | None:
    """What the family of a model takes, in the words of `generators.interface.TAKES`.

    None while the code of the family has not been imported; `learn` does so.
    """
    return _takes.get(card(name).family)


def learn(name: str) -> frozenset[str]:
    """Import the code of a model's family, and torch with it: for a worker.

    Raises
    ------
    InputError
        As `cmr_synth.generators.registry.load_family`.
    """
    from cmr_synth.generators.registry import load_family

    family = card(name).family
    with _lock:
        if family not in _takes:
            with _beside_a_window():
                _takes[family] = load_family(family).takes
        return _takes[family]


def choices() -> list[str]:
    """Names of the generators in the zoo, bundled ones first; imports no torch."""
    from cmr_synth.errors import InputError
    from cmr_synth.generators import zoo
    from cmr_synth.generators.registry import families

    names = []
    for entry in zoo.entries():
        try:
            if card(entry.name).family in families():
                names.append(entry.name)
        except InputError:  # a damaged card: `cmr-synth zoo verify` tells more
            continue
    return names


def card(name: str) -> Card:
    """The card of a model; reads no weights.

    Raises
    ------
    InputError
        If there is no such model, or its card is damaged or was changed in the zoo.
    """
    from cmr_synth.generators import zoo

    path = zoo.find(name).folder / zoo.CARD
    return _card(path, path.stat().st_mtime_ns)


def fastest() -> str:
    """Name of the model that needs the fewest network evaluations; of equals, the most faithful.

    Raises
    ------
    InputError
        If the zoo holds no generator.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.generators.zoo import DEFAULT

    names = choices()
    if not names:
        raise InputError("the zoo holds no generator; add one: cmr-synth zoo add FOLDER")
    return min(
        names,
        key=lambda name: (card(name).default_steps or 1, _unlikeness(card(name)), name != DEFAULT),
    )


def _unlikeness(card: Card) -> float:
    """How far from real pictures, as measured; what was not measured comes last."""
    fidelity = card.measured.fidelity
    ratio = fidelity.get("ratio_to_floor") if isinstance(fidelity, dict) else None
    return float(ratio) if ratio is not None else float("inf")


@lru_cache(maxsize=64)
def _card(path: Path, changed_ns: int) -> Card:
    """Read a card once for each time that its file was written (YAML takes 20 ms)."""
    from cmr_synth.generators.zoo import card_of

    return card_of(path.parent)


@contextmanager
def _beside_a_window() -> Iterator[None]:
    """Let torch be imported in a thread without stopping the window for more than a moment.

    Left alone, `import torch` holds the interpreter lock while the system links its libraries,
    and thousands of new modules set off full garbage collections, which hold it too: 0.2 s each.
    """
    # Threads of torch that wait for each other shall sleep. By default they spin, and where the
    # window or another program wants a core, every step takes ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "torch" not in sys.modules:
        _link_torch()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        _leave_a_core()
    finally:
        if not gc.get_freeze_count():  # else it would end what `_long_lived` has begun
            # into the oldest generation, unseen: what was imported is no garbage
            gc.freeze()
            gc.unfreeze()
        if was_enabled:
            gc.enable()


def _leave_a_core() -> None:
    """Compute on all processors but one, which the window draws on.

    Threads of torch and of numpy's linear algebra that outnumber the processors left wait for
    each other at every small step. With two, a picture follows the brush a sixth sooner
    (`benchmarks/live_preview.py`).
    """
    import torch
    from threadpoolctl import ThreadpoolController

    from cmr_synth.generators.diagnostics import cores_allowed

    most = max(1, (cores_allowed() or 1) - 1)
    if torch.get_num_threads() > most:
        torch.set_num_threads(most)
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        if library.num_threads > most:
            library.set_num_threads(most)


def _link_torch() -> None:
    """Open torch's libraries by a call that frees the interpreter lock, as an import does not."""
    found = find_spec("torch")
    if not sys.platform.startswith("linux") or found is None or found.origin is None:
        return
    try:
        # in `ctypes.CDLL` itself Python keeps the lock
        dlopen = ctypes.CDLL(None).dlopen
    except (OSError, AttributeError):
        return
    # The system's loader has a lock, too, which drawing by software takes: let the window finish
    # drawing the click before.
    time.sleep(DRAWN_S)
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    for library in ("libtorch_global_deps.so", "libtorch_cpu.so", "libtorch_python.so"):
        # as torch does it: its dependencies are seen by all, the others are not
        mode = os.RTLD_NOW | (os.RTLD_GLOBAL if "deps" in library else os.RTLD_LOCAL)
        dlopen(str(Path(found.origin).parent / "lib" / library).encode(), mode)  # else at import
