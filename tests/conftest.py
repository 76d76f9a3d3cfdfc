"""Fixtures shared by every test: where the real data lie, hearts drawn in code, a tiny model."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.generators.card import Card, file_hashes, write_card

SHAPE, SPACING_MM = (64, 64), 3.0  # of the tiny model: the real ones' field of view
STRUCTURES_OF = {"cine": ("LV", "MYO", "RV"), "lge": ("LV", "MYO", "infarct", "no-reflow")}


LONGEST = (
    "tests/test_extending.py",
    "tests/cli/test_distributed.py",
    "tests/worlds/test_worlds.py",
    "tests/cli/test_compare.py",
    "tests/test_benchmarks.py",
)
"""Files of few tests that take a minute each."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give test processes the longest files first, so that none works alone at the end.

    After `LONGEST` come the files with most tests. A process takes whole files, in this order.
    """
    if not hasattr(config, "workerinput"):  # one process: the order does not matter
        return
    tests = Counter(item.path for item in items)
    first = {config.rootpath / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (first.get(item.path, len(first)), -tests[item.path]))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with the public research data; the test is skipped where it is absent."""
    beside_the_repository = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("CMR_SYNTH_DATA", beside_the_repository))
    if not root.is_dir():
        pytest.skip(f"no patient data at {root}; set CMR_SYNTH_DATA to the folder that holds acdc/")
    return root


@pytest.fixture
def heart() -> np.ndarray:
    """A normal mid-ventricular end-diastolic slice, (128, 128) uint8 engine labels at 1.5 mm."""
    return draw_slice(level="mid", phase="ED", anatomy="normal", seed=0)


def write_tiny_model(
    folder: Path,
    *,
    name: str = "tiny",
    seed: int = 0,
    contrast: str = "cine",
    tissues: bool = False,
) -> Path:
    """Write a model folder; the network is as small as its parts allow."""
    import torch

    from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork
    from cmr_synth.networks.weights import save_weights, state_of

    config = FlowConfig(
        shape=SHAPE,
        spacing_mm=SPACING_MM,
        channels=(8, 8),
        attention=(False, False),
        layers=1,
        head_width=4,
        groups=4,
        vendors=("siemens", "philips", "ge"),
        contrast=contrast,
        structures=STRUCTURES_OF[contrast],
        tissues=tissues,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = FlowNetwork(config)
        for parameter in network.parameters():  # so that every condition shows
            torch.nn.init.normal_(parameter, std=0.3)
    folder.mkdir(parents=True)
    save_weights(folder / "weights.safetensors", state_of(network))
    about = {"family": "flow", "config": config.model_dump(mode="json")}
    (folder / "config.json").write_text(json.dumps(about))
    card = Card(
        name=name,
        family="flow",
        version="1",
        title="Tiny flow",
        description="Random weights.",
        licence="CC0 1.0",
        citations=["Nobody <nobody@example.org>"],
        grid={"shape": SHAPE, "spacing_mm": SPACING_MM},
        conditions={
            "vendors": config.vendors,
            "phases": config.phases,
            "pathologies": config.pathologies,
            "tissues": tissues,
            **({} if contrast == "cine" else {"contrast": contrast}),
        },
        default_steps=2,
        default_guidance=1.0,
        training={
            "cohorts": [],
            "images_seen": 0,
            "minutes": 0,
            "machine": "none",
            "recipe": "none",
        },
        **file_hashes(folder),
        limits=["Shows noise."],
    )
    write_card(card, folder / "card.yaml")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny model; leave it as it is."""
    return write_tiny_model(tmp_path_factory.mktemp("zoo") / "tiny")


@pytest.fixture
def own_tiny_model(tmp_path: Path) -> Path:
    """Folder of a tiny model that a test may damage."""
    return write_tiny_model(tmp_path / "own" / "tiny")


@pytest.fixture(autouse=True)
def empty_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the zoo of whoever runs the tests out of them."""
    monkeypatch.setenv("CMR_SYNTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
