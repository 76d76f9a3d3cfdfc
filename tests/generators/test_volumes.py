"""Slices of synthetic volumes, behind the interface of all families."""

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.volumes.generator import LatentVolumeGenerator
from cmr_synth.generators.volumes.network import LatentVolumeConfig
from tests.synthesis.test_volumes import write_model


@pytest.fixture(scope="module", params=["z", "t"])
def generator(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / f"tiny-{request.param}"
    return LatentVolumeGenerator.load(write_model(folder, axis=request.param, empty=False))


def test_a_slice_is_one_of_its_volume(generator):
    """A level of a stack and a phase of a cine choose within the volume, and change none of it."""
    *_, whole = generator.sample_volumes([Condition()] * 2, seed=1, steps=2)
    asked = {"z": ("z", 0.0, 1.0), "t": ("phase", "ED", "ES")}[generator.axis]
    name, first, last = asked
    for k in range(2):
        found = []
        for wish in (first, last):
            condition = Condition(**{name: wish})
            *_, images = generator.sample([condition], seed=1, indices=[k], steps=2)
            off = np.abs(whole.pixels[k] - images.pixels[0]).max(axis=(1, 2))
            assert off.min() < 1e-5
            found.append(int(off.argmin()))
        if generator.axis == "z":
            levels = np.flatnonzero((whole.labels[k] > 0).any(axis=(1, 2)))
            assert found == [levels[0], levels[-1]]
        else:
            assert found == [0, (whole.labels[k] == LV).sum(axis=(1, 2)).argmin()]


def test_an_autoencoder_of_another_grid_is_refused():
    with pytest.raises(ValueError, match="is not the autoencoder's"):
        LatentVolumeConfig(shape=(64, 64))
    with pytest.raises(ValueError, match="do not divide by 8, for 4 levels"):
        LatentVolumeConfig(channels=(32,) * 4, attention=(False,) * 4)
