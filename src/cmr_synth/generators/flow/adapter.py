"""Low-rank changes of a flow's weights: a small file that turns one model into another.

A matrix or convolution W, taken as (outputs, inputs x kernel), becomes W + up down with `up`
(outputs, rank) and `down` (rank, inputs x kernel) (LoRA, Hu et al. 2021, arXiv:2106.09685; for
few-step students LCM-LoRA, Luo et al. 2023, arXiv:2311.05556). Where that would hold no fewer
numbers (biases, norms, embeddings, the last convolution) the whole difference is kept. Loading
adds the change to the base's weights: what is then run is a plain `FlowNetwork`, as fast as any.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.flow.network import AdapterOf, FlowConfig, FlowNetwork
from cmr_synth.networks.folder import read_config, with_weights
from cmr_synth.networks.weights import load_weights, set_state


class AdaptedFlow(nn.Module):
    """A frozen flow and the change of its weights, which alone is trained, averaged and saved.

    Parameters
    ----------
    base : FlowNetwork
    adapter : AdapterOf
        What is told of it in the configuration; its rank holds here.
    """

    def __init__(self, base: FlowNetwork, adapter: AdapterOf):
        super().__init__()
        # in a list, so that it is none of this module's own parts
        self._base = [base.eval().requires_grad_(False)]
        self.config: FlowConfig = base.config.model_copy(update={"adapter": adapter})
        down, up, whole = {}, {}, {}
        for name, weight in base.named_parameters():
            key = name.replace(".", "/")  # torch allows no dots here
            rows = len(weight)
            columns = weight.numel() // rows
            if weight.dim() > 1 and adapter.rank * (rows + columns) < weight.numel():
                down[key] = nn.Parameter(torch.randn(adapter.rank, columns) / columns**0.5)
                up[key] = nn.Parameter(torch.zeros(rows, adapter.rank))  # no change at first
            else:
                whole[key] = nn.Parameter(torch.zeros_like(weight))
        self.down, self.up = nn.ParameterDict(down), nn.ParameterDict(up)
        self.whole = nn.ParameterDict(whole)

    @property
    def base(self) -> FlowNetwork:
        """The network that is changed, as it was."""
        return self._base[0]

    def forward(
        self, noisy: Tensor, time: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """The changed network's estimate; see `FlowNetwork.forward`."""
        estimate: Tensor = torch.func.functional_call(
            self.base, self.weights(), (noisy, time, mask, conditions)
        )
        return estimate

    def weights(self) -> dict[str, Tensor]:
        """The changed weights by their names in the base, followed by gradients."""
        changed = {}
        for name, weight in self.base.named_parameters():
            key = name.replace(".", "/")
            change = self.whole[key] if key in self.whole else self.up[key] @ self.down[key]
            changed[name] = weight + change.view_as(weight)
        return changed

    @torch.no_grad()
    def merged(self) -> FlowNetwork:
        """A plain network with the changed weights; the base stays as it is."""
        network = copy.deepcopy(self.base)
        network.config = self.config
        set_state(network, {**dict(self.base.named_buffers()), **self.weights()})
        return network

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AdaptedFlow:
        self.base._apply(fn)  # moves to other devices and formats take the base along
        super()._apply(fn, recurse)
        return self


def load_flow(folder: Path, *, device: str | torch.device = "cpu") -> FlowNetwork:
    """The network of a flow's model folder, ready for inference, an adapter with its base.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the base of an adapter is not there.
    """
    folder = Path(folder)
    config = read_config(folder, FlowConfig, family="flow")
    if config.adapter is None:
        return with_weights(FlowNetwork(config), folder, device=device)
    where = _base_folder(folder, config.adapter)
    of_base = read_config(where, FlowConfig, family="flow")
    if of_base.adapter is not None:
        raise InputError(
            f"{where}: changes another model's weights itself, and is no base for {folder}; get "
            "both models again."
        )
    base = with_weights(FlowNetwork(of_base), where, device="cpu")  # its settings hold
    adapted = AdaptedFlow(base, config.adapter)
    set_state(adapted, load_weights(folder / "weights.safetensors"))
    network = adapted.merged().eval().to(device)
    # faster convolutions; torch's annotations do not know this overload
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _base_folder(folder: Path, adapter: AdapterOf) -> Path:
    """Where the base lies: beside the adapter, or in the zoo."""
    beside = folder.resolve().parent / adapter.base
    listed = [entry.folder for entry in zoo.entries() if entry.name == adapter.base]
    found = [place for place in (beside, *listed) if (place / zoo.WEIGHTS).is_file()]
    for place in found:
        if sha256(place / zoo.WEIGHTS) == adapter.sha256:
            return place
    other = f"the one in {found[0]} is another version" if found else "which is not here"
    raise InputError(
        f"{folder}: changes the weights of model {adapter.base!r} (SHA-256 "
        f"{adapter.sha256[:16]}...), {other}; get that model with `cmr-synth zoo add` or `zoo "
        "pull`, or put its folder beside this one."
    )
