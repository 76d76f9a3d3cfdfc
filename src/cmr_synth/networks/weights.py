"""Weights on disk: safetensors in half precision, or 8 bits per output channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.files import write_file

SCALE = "::scale"  # suffix of the tensor with the step size of each output channel


def save_weights(path: Path, state: dict[str, Tensor], *, bits: int = 8) -> None:
    """Write a network's weights.

    Parameters
    ----------
    state : dict
        A state dict of floating-point tensors.
    bits : 8 or 16
        8: matrices and convolutions become int8 with one half-precision step per output
        channel (round to nearest of 127 steps each way); vectors stay in half precision.

    Raises
    ------
    InputError
        If a weight is NaN or beyond the range of half precision (65504), or the file cannot
        be written.
    """
    if bits not in (8, 16):
        raise ValueError(f"bits must be 8 or 16, got {bits}")
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        value = value.detach().float().cpu()
        if not (value.abs() <= torch.finfo(torch.half).max).all():
            raise InputError(
                f"{path}: weight {key!r} is NaN or beyond half precision (65504); the training "
                "went astray, repeat it with a lower learning rate."
            )
        if bits == 8 and value.dim() >= 2 and value.numel():
            flat = value.reshape(len(value), -1)
            # the step is rounded to half precision first, so that it is the one used to read
            step = (flat.abs().amax(dim=1) / 127).clamp(min=1e-7).half()
            whole = (flat / step.float()[:, None]).round().clamp(-127, 127)
            tensors[key] = whole.to(torch.int8).reshape(value.shape).contiguous()
            tensors[key + SCALE] = step
        else:
            tensors[key] = value.half().contiguous()
    with write_file(path) as temporary:
        save_file(tensors, temporary)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read weights written by `save_weights` as float32 tensors.

    Raises
    ------
    InputError
        If the file is missing, truncated, or no safetensors file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; a model folder holds weights.safetensors.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable safetensors file ({error}); get the model again."
        ) from error
    state = {}
    for key, value in tensors.items():
        if key.endswith(SCALE):
            continue
        step = tensors.get(key + SCALE)
        value = value.float()
        if step is not None:
            value = value * step.float().reshape(-1, *[1] * (value.dim() - 1))
        state[key] = value
    return state


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a network, each once.

    Unlike `state_dict()`, a tensor that the network holds under two names appears under the
    first only (MONAI's DynUNet does this); safetensors refuses shared memory.
    """
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def set_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy a state made by `state_of` into a network, in place.

    Raises
    ------
    InputError
        If a tensor is missing, unexpected, or of another shape.
    """
    copy_state(state_of(network), state)


@torch.no_grad()
def copy_state(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Copy tensors into those of the same names and shapes, in place.

    Raises
    ------
    InputError
        If a tensor is missing, unexpected, or of another shape.
    """
    wrong = sorted(own.keys() ^ state.keys()) or sorted(
        k for k, v in own.items() if v.shape != state[k].shape
    )
    if wrong:
        raise InputError(
            f"these weights do not fit this network ({len(wrong)} tensors differ, the first is "
            f"{wrong[0]!r}); weights and config.json must come from the same model."
        )
    for key, value in own.items():
        value.copy_(state[key])
