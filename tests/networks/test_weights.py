"""Weights on disk: what half precision and 8 bits keep, and one line for a damaged file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cmr_synth.errors import InputError
from cmr_synth.networks.weights import SCALE, load_weights, save_weights, set_state, state_of


@pytest.fixture
def state():
    """A convolution, a matrix and a vector, channels of very different size."""
    generator = torch.Generator().manual_seed(0)
    size = torch.logspace(-2, 1, 8).view(8, 1, 1, 1)
    return {
        "conv.weight": size * torch.randn(8, 5, 3, 3, generator=generator),
        "linear.weight": torch.randn(6, 40, generator=generator),
        "linear.bias": torch.randn(6, generator=generator),
    }


def test_eight_bits_are_off_by_half_a_step_at_most(state, tmp_path):
    """A step is 1/127 of the channel's largest weight, rounded to half precision (2^-11)."""
    save_weights(tmp_path / "w.safetensors", state)
    read = load_weights(tmp_path / "w.safetensors")
    assert read.keys() == state.keys()
    for key in ("conv.weight", "linear.weight"):
        flat = state[key].reshape(len(state[key]), -1)
        bound = flat.abs().amax(dim=1) / 127 * (0.5 + 127 * 2**-11)
        error = (read[key].reshape(flat.shape) - flat).abs().amax(dim=1)
        assert (error <= bound * 1.001).all()
        assert (error > 0).all()


@pytest.mark.parametrize(("bits", "key"), [(8, "linear.bias"), (16, "conv.weight")])
def test_half_precision_keeps_eleven_bits(bits, key, state, tmp_path):
    save_weights(tmp_path / "w.safetensors", state, bits=bits)
    read = load_weights(tmp_path / "w.safetensors")[key]
    torch.testing.assert_close(read, state[key], rtol=2**-11, atol=1e-7)


def test_what_was_read_is_written_again_unchanged(state, tmp_path):
    save_weights(tmp_path / "a.safetensors", state)
    once = load_weights(tmp_path / "a.safetensors")
    save_weights(tmp_path / "b.safetensors", once)
    twice = load_weights(tmp_path / "b.safetensors")
    for key, value in once.items():
        torch.testing.assert_close(twice[key], value, rtol=1e-3, atol=1e-7)


def test_eight_bits_are_half_the_size(state, tmp_path):
    big = {"w": torch.randn(256, 1024)}
    for bits in (8, 16):
        save_weights(tmp_path / f"{bits}.safetensors", big, bits=bits)
    small, large = ((tmp_path / f"{b}.safetensors").stat().st_size for b in (8, 16))
    assert small < 0.51 * large


def test_a_channel_of_zeros_stays_zero(tmp_path):
    save_weights(tmp_path / "w.safetensors", {"w": torch.zeros(3, 4)})
    assert not load_weights(tmp_path / "w.safetensors")["w"].any()


def test_an_unknown_width_is_refused(state, tmp_path):
    with pytest.raises(ValueError, match="bits must be 8 or 16, got 4"):
        save_weights(tmp_path / "w.safetensors", state, bits=4)


@pytest.mark.parametrize("data", [b"", b"no tensors", None], ids=["empty", "text", "truncated"])
def test_a_damaged_file_is_one_line(data, state, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, state)
    path.write_bytes(path.read_bytes()[:200] if data is None else data)
    with pytest.raises(InputError, match=r"w.safetensors: not a readable safetensors") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file; a model folder holds weights.safetensors"):
        load_weights(tmp_path / "w.safetensors")


class Shared(nn.Module):
    """One layer under two names, and a buffer."""

    def __init__(self):
        super().__init__()
        self.first = self.second = nn.Linear(2, 2)
        self.register_buffer("count", torch.tensor(3.0))


def test_a_tensor_with_two_names_is_stored_once(tmp_path):
    one, other = Shared(), Shared()
    state = state_of(one)
    assert sorted(state) == ["count", "first.bias", "first.weight"]
    save_weights(tmp_path / "w.safetensors", state, bits=16)
    set_state(other, load_weights(tmp_path / "w.safetensors"))
    np.testing.assert_allclose(
        other.second.weight.detach(), one.first.weight.detach(), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize(
    "state",
    [{}, {"weight": torch.zeros(2, 2)}, {"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}],
    ids=["nothing", "one missing", "another shape"],
)
def test_weights_of_another_network_are_one_line(state):
    with pytest.raises(InputError, match="these weights do not fit this network"):
        set_state(nn.Linear(2, 2), state)


def test_no_scale_reaches_the_network(state, tmp_path):
    save_weights(tmp_path / "w.safetensors", state)
    assert not any(key.endswith(SCALE) for key in load_weights(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -65536.0])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_half_precision_cannot_hold_is_one_line(value, bits, state, tmp_path):
    state["linear.weight"][2, 3] = value
    with pytest.raises(InputError, match=r"'linear.weight' is NaN or beyond .*learning rate"):
        save_weights(tmp_path / "w.safetensors", state, bits=bits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0,)])
def test_empty_tensors_are_kept(shape, tmp_path):
    save_weights(tmp_path / "w.safetensors", {"w": torch.zeros(shape)})
    assert load_weights(tmp_path / "w.safetensors")["w"].shape == shape


def test_a_full_disk_is_one_line(tmp_path):
    """A limit on the size of files stands in for a full disk: both fail while writing."""
    resource = pytest.importorskip("resource", reason="no such limit on Windows")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="w.safetensors: cannot be written") as caught:
            save_weights(tmp_path / "w.safetensors", {"w": torch.randn(64, 64)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []
