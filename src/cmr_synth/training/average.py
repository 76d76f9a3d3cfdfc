"""The moving average of weights, which is what a training hands over in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cmr_synth.networks.weights import set_state, state_of


def ramped(decay: float) -> Callable[[int], float]:
    """A decay by step that rises to `decay`, so that the random first weights are soon forgotten.

    min(decay, (1 + step) / (10 + step)), the ramp of TensorFlow's ExponentialMovingAverage with
    `num_updates`. `decay` is a recipe's field `ema`: 0.999 averages over about a thousand steps.
    """
    return lambda step: min(decay, (1 + step) / (10 + step))


class Average:
    """One track of averaged weights, of all networks of a training.

    How far a track looks back is its `decay` alone, so that another track of the same networks is
    another `Average` with another decay.

    Parameters
    ----------
    networks : mapping
        As they are without other processes; the average starts at their weights.
    decay : callable
        Share of the average that is kept, by the number of steps taken before; see `ramped`.

    Attributes
    ----------
    states : dict
        By network, as `state_of` names its tensors, in float32; numbers that are none of floating
        point are those of the last step.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: Callable[[int], float]):
        self.networks, self.decay = networks, decay
        self.states: dict[str, dict[str, Tensor]] = {
            name: {k: v.detach().clone().float() for k, v in state_of(network).items()}
            for name, network in networks.items()
        }

    @torch.no_grad()
    def update(self, name: str, step: int) -> None:
        """Move on to the weights of one network, after `step` steps before this one."""
        average, state = self.states[name], state_of(self.networks[name])
        moving = [key for key, value in state.items() if value.dtype.is_floating_point]
        # all tensors in one call: one at a time costs more than the arithmetic
        torch._foreach_lerp_(
            [average[key] for key in moving],
            [state[key].float() for key in moving],
            1 - self.decay(step),
        )
        for key in state.keys() - set(moving):
            average[key].copy_(state[key])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Swap the averages into the networks for the length of a block."""
        kept = {
            name: {k: v.detach().clone() for k, v in state_of(network).items()}
            for name, network in self.networks.items()
        }
        for name, network in self.networks.items():
            set_state(network, self.states[name])
            network.eval()
        try:
            yield
        finally:
            for name, network in self.networks.items():
                set_state(network, kept[name])
                network.train()
