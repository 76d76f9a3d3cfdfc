"""InceptionV3 as FID knows it, for those who have its weights; none come with this package.

The network of the 2015-12-05 TensorFlow graph in torch (Szegedy et al. 2015, arXiv:1512.00567),
with the names of parameters of pytorch-fid, so that its weights file, converted to safetensors,
fits. Three of its blocks differ from the published network: average pooling does not count padding,
and the last block pools by maximum.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.files import sha256

WIDTH, CLASSES, SIDE = 2048, 1008, 299


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel_size, stride=1, padding=0):  # type: ignore[no-untyped-def]
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


_mean_pool = partial(
    functional.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False
)
_max_pool = partial(functional.max_pool2d, kernel_size=3, stride=2)


class _A(nn.Module):
    def __init__(self, inputs: int, pooled: int):
        super().__init__()
        self.branch1x1 = _Conv(inputs, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = _Conv(inputs, 48, 1), _Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, padding=1)
        self.branch_pool = _Conv(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_mean_pool(x))], 1)


class _B(nn.Module):
    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3 = _Conv(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, _max_pool(x)], 1)


class _C(nn.Module):
    def __init__(self, inputs: int, width: int):
        super().__init__()
        row, column = {"padding": (0, 3)}, {"padding": (3, 0)}
        self.branch1x1 = _Conv(inputs, 192, 1)
        self.branch7x7_1 = _Conv(inputs, width, 1)
        self.branch7x7_2 = _Conv(width, width, (1, 7), **row)
        self.branch7x7_3 = _Conv(width, 192, (7, 1), **column)
        self.branch7x7dbl_1 = _Conv(inputs, width, 1)
        self.branch7x7dbl_2 = _Conv(width, width, (7, 1), **column)
        self.branch7x7dbl_3 = _Conv(width, width, (1, 7), **row)
        self.branch7x7dbl_4 = _Conv(width, width, (7, 1), **column)
        self.branch7x7dbl_5 = _Conv(width, 192, (1, 7), **row)
        self.branch_pool = _Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), seven, twice, self.branch_pool(_mean_pool(x))], 1)


class _D(nn.Module):
    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = _Conv(inputs, 192, 1), _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Conv(inputs, 192, 1)
        self.branch7x7x3_2 = _Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([three, self.branch7x7x3_4(seven), _max_pool(x)], 1)


class _E(nn.Module):
    def __init__(self, inputs: int, *, by_maximum: bool):
        super().__init__()
        self.by_maximum = by_maximum
        self.branch1x1 = _Conv(inputs, 320, 1)
        self.branch3x3_1 = _Conv(inputs, 384, 1)
        self.branch3x3_2a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = _Conv(inputs, 448, 1)
        self.branch3x3dbl_2 = _Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = _Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = _Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = functional.max_pool2d(x, 3, 1, 1) if self.by_maximum else _mean_pool(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)]
        return torch.cat([*parts, self.branch_pool(pooled)], 1)


class InceptionNetwork(nn.Module):
    """Pictures (n, 3, 299, 299) in [-1, 1] to features (n, 2048) before the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _A(192, 32), _A(256, 64), _A(288, 64)
        self.Mixed_6a = _B(288)
        self.Mixed_6b, self.Mixed_6c = _C(768, 128), _C(768, 160)
        self.Mixed_6d, self.Mixed_6e = _C(768, 160), _C(768, 192)
        self.Mixed_7a = _D(768)
        self.Mixed_7b, self.Mixed_7c = _E(1280, by_maximum=False), _E(2048, by_maximum=True)
        self.fc = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_max_pool(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_max_pool(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_7a(self.Mixed_6e(self.Mixed_6d(x)))
        return self.Mixed_7c(self.Mixed_7b(x)).mean(dim=(2, 3))


class Inception:
    """The network with its weights and their identity."""

    def __init__(self, network: InceptionNetwork, *, hash: str):
        self.network, self.hash = network.eval(), hash

    @classmethod
    def load(cls, file: Path) -> Inception:
        """Read weights in safetensors.

        Raises
        ------
        InputError
            If they are not those of this network.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(file)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{file}: not a readable safetensors file ({error}).") from error
        network = InceptionNetwork()
        own = network.state_dict()
        lacking = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
        wrong = [k for k in own if k in state and state[k].shape != own[k].shape]
        if lacking or wrong:
            raise InputError(
                f"{file}: not the weights of FID's InceptionV3 ({len(lacking)} tensors are "
                f"missing, {len(wrong)} have another shape, the first "
                f"{(lacking or wrong)[0]}); convert pytorch-fid's file to safetensors."
            )
        network.load_state_dict({k: state.get(k, v) for k, v in own.items()})
        return cls(network, hash=sha256(Path(file)))

    @torch.no_grad()
    def features(self, pixels: NDArray[np.floating], *, batch: int = 16) -> NDArray[np.float64]:
        """Features (n, 2048) of grey slices (n, y, x) in [0, 1], enlarged bilinearly to 299."""
        found = []
        for first in range(0, len(pixels), batch):
            block = torch.from_numpy(np.ascontiguousarray(pixels[first : first + batch])).float()
            block = functional.interpolate(
                block[:, None], size=(SIDE, SIDE), mode="bilinear", align_corners=False
            )
            found.append(self.network(2 * block.expand(-1, 3, -1, -1) - 1).numpy())
        return np.concatenate(found).astype(np.float64)

    @torch.no_grad()
    def shares(self, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities (n, 1008) of ImageNet's classes."""
        features = torch.from_numpy(self.features(pixels)).float()
        found: NDArray[np.float64] = self.network.fc(features).softmax(dim=1).double().numpy()
        return found
