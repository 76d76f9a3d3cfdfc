"""Two encoders, of anatomy and of domain, and a decoder of both.

After FFD-VAE (Zhang et al. 2025, "DiffuSeg"): the code of the anatomy is a map, from which what a
segmenter sees of the heart can be read again (distillation); the code of the domain is one vector,
from which the vendor can be told. Either has a prior, of the mask and of the words, so that
pictures can be drawn without a scan; codes of two scans can be exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import CLASSES, Conditions
from cmr_synth.generators.spade import SpadeBlock, start_smooth
from cmr_synth.generators.vocabulary import Vocabulary

DOWN = 4  # pixels to a side of a position of the anatomy's code
_WIDTH = 64  # of the vector of conditions
Gaussian = tuple[Tensor, Tensor]
"""Mean and logarithm of the variance."""


class FactorisedConfig(Vocabulary):
    """Size of the networks.

    Parameters
    ----------
    anatomy : int
        Channels of the anatomy's code, at 1/4 of the resolution.
    domain : int
        Numbers of the domain's code.
    encoder : (int, int)
        Channels of the encoder of anatomy at 1/2 and 1/4.
    domain_encoder : tuple of int
        Channels of the encoder of domain, each at half the resolution of that before.
    decoder : (int, int, int)
        Channels at 1/4, 1/2 and full resolution.
    blocks, hidden, groups : int
        Blocks of the decoder at 1/4; maps that scales and shifts are computed from; groups of the
        norms.
    """

    anatomy: int = Field(8, gt=0, le=DOWN**2)
    domain: PositiveInt = 16
    encoder: tuple[PositiveInt, PositiveInt] = (32, 64)
    domain_encoder: tuple[PositiveInt, ...] = (16, 32, 64, 64)
    decoder: tuple[PositiveInt, PositiveInt, PositiveInt] = (96, 40, 16)
    blocks: PositiveInt = 2
    hidden: PositiveInt = 32
    groups: PositiveInt = 8

    @model_validator(mode="after")
    def _fits_together(self) -> FactorisedConfig:
        widths = (*self.encoder, *self.domain_encoder, *self.decoder[:2])
        if any(width % self.groups for width in widths):
            raise ValueError(f"channels {widths} must divide by groups {self.groups}")
        factor = max(DOWN, 2 ** len(self.domain_encoder))
        if any(side % factor for side in self.shape):
            raise ValueError(f"shape {self.shape} does not divide by {factor}")
        return self


class FactorisedNetwork(nn.Module):
    """Encoders, priors and decoder."""

    def __init__(self, config: FactorisedConfig):
        super().__init__()
        self.config = config
        half, quarter = config.encoder
        self.anatomy = nn.Sequential(
            nn.Conv2d(4, half, 3, padding=1),
            _norm(config, half),
            nn.SiLU(),
            nn.Conv2d(half, quarter, 4, stride=2, padding=1),
            _norm(config, quarter),
            nn.SiLU(),
            nn.Conv2d(quarter, quarter, 3, padding=1),
            _norm(config, quarter),
            nn.SiLU(),
            nn.Conv2d(quarter, 2 * config.anatomy, 3, padding=1),
        )
        self.domain = DomainEncoder(config)
        self.conditions = Conditions(config, _WIDTH)
        self.anatomy_prior = nn.Sequential(
            nn.Conv2d(CLASSES * DOWN**2 + _WIDTH, quarter, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(quarter, quarter, 5, padding=2),
            nn.SiLU(),
            nn.Conv2d(quarter, quarter, 5, padding=2),
            nn.SiLU(),
            nn.Conv2d(quarter, 2 * config.anatomy, 3, padding=1),
        )
        self.domain_prior = nn.Sequential(
            nn.Linear(_WIDTH, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, 2 * config.domain)
        )
        self.seen = nn.Sequential(  # what the segmenter sees, of the anatomy's code
            nn.Conv2d(config.anatomy, quarter, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(quarter, CLASSES * DOWN**2, 3, padding=1),
        )
        self.vendor = nn.Linear(config.domain, max(1, len(config.vendors)))
        self.decoder = _Decoder(config)

    def forward(
        self,
        pictures: Tensor,
        mask: Tensor,
        conditions: Sequence[dict[str, Any]],
        other: Sequence[dict[str, Any]],
        draws: tuple[Tensor, Tensor, Tensor],
    ) -> dict[str, Any]:
        """All that a training compares, of one batch.

        Parameters
        ----------
        pictures : (n, 1, y, x) tensor on the scale [-1, 1]
        mask : (n, 4, y, x) tensor
            One-hot labels; all zero where open.
        conditions, other : n mappings
            Of the pictures, and those whose domain they are to take.
        draws : (n, anatomy, y / 4, x / 4), (n, domain) and (n, domain) tensors
            Standard normal.

        Returns
        -------
        dict
            "made": the pictures from their own codes; "swapped": with a domain drawn for `other`;
            "anatomy", "anatomy_prior", "domain", "domain_prior": the codes and their priors, mean
            and logarithm of the variance; "seen": logits (n, 4, y, x) of what a segmenter sees,
            and "seen_again" of the swapped picture; "vendor": logits (n, vendors); "taken" and
            "taken_again": the domain that was taken, and what the encoder says of it.
        """
        anatomy, domain = self.encode(pictures), self.domain(pictures)
        code = _drawn(anatomy, draws[0])
        made = self.decode(code, _drawn(domain, draws[1]))
        taken = _drawn(self.prior_of_domain(other), draws[2])
        swapped = self.decode(code, taken)
        return {
            "made": made,
            "swapped": swapped,
            "anatomy": anatomy,
            "anatomy_prior": self.prior_of_anatomy(mask, conditions),
            "domain": domain,
            "domain_prior": self.prior_of_domain(conditions),
            "seen": self.segmentation(anatomy[0]),
            "seen_again": self._seen_again(swapped),
            "vendor": self.vendor(domain[0]),
            "taken": taken,
            "taken_again": _as_it_is(self.domain, swapped)[0],
        }

    def encode(self, pictures: Tensor) -> Gaussian:
        """The anatomy's code of pictures, (n, anatomy, y / 4, x / 4), whatever scale greys have."""
        levelled = functional.instance_norm(pictures.float())
        mean, log_variance = self.anatomy(functional.pixel_unshuffle(levelled, 2)).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)

    def _seen_again(self, pictures: Tensor) -> Tensor:
        levelled = functional.instance_norm(pictures.float())
        code = _as_it_is(self.anatomy, functional.pixel_unshuffle(levelled, 2))
        again = _as_it_is(self.seen, code[:, : self.config.anatomy])
        return functional.pixel_shuffle(again, DOWN)

    def prior_of_anatomy(self, mask: Tensor, conditions: Sequence[dict[str, Any]]) -> Gaussian:
        """What is expected of the anatomy's code under a mask."""
        folded = functional.pixel_unshuffle(mask, DOWN)
        told = self.conditions(conditions)[:, :, None, None].expand(-1, -1, *folded.shape[2:])
        found = self.anatomy_prior(torch.cat([folded, told], dim=1))
        mean, log_variance = found.chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)

    def prior_of_domain(self, conditions: Sequence[dict[str, Any]]) -> Gaussian:
        """What is expected of the domain's code, (n, domain), of a vendor and the other words."""
        found = self.domain_prior(self.conditions(conditions))
        mean, log_variance = found.chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)

    def segmentation(self, anatomy: Tensor) -> Tensor:
        """Logits (n, 4, y, x) of what a segmenter sees in an anatomy's code."""
        return functional.pixel_shuffle(self.seen(anatomy), DOWN)

    def decode(self, anatomy: Tensor, domain: Tensor) -> Tensor:
        """Pictures (n, 1, y, x) on the scale [-1, 1] of two codes."""
        seen = self.segmentation(anatomy).softmax(dim=1)
        pictures: Tensor = self.decoder(anatomy, seen, domain)
        return pictures

    def draw(
        self, domain: Tensor, noise: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Pictures of masks in a given domain.

        Parameters
        ----------
        domain : (n, domain) tensor
        noise : (n, 1, y, x) tensor
            Standard normal: what the mask leaves open.
        """
        folded = functional.pixel_unshuffle(noise, DOWN)[:, : self.config.anatomy]
        return self.decode(_drawn(self.prior_of_anatomy(mask, conditions), folded), domain)


class DomainEncoder(nn.Module):
    """Picture to the code of its domain: means over the picture, so that no place is kept."""

    def __init__(self, config: FactorisedConfig):
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width in config.domain_encoder:
            layers += [nn.Conv2d(before, width, 4, stride=2, padding=1), nn.SiLU()]
            before = width
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(2 * before, 2 * config.domain)

    def forward(self, pictures: Tensor) -> Gaussian:
        """Mean and logarithm of the variance, each (n, domain)."""
        x = self.layers(pictures)
        told = torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)
        mean, log_variance = self.out(told).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


class _Decoder(nn.Module):
    def __init__(self, config: FactorisedConfig):
        super().__init__()
        quarter, half, full = config.decoder
        shared = {"hidden": config.hidden, "groups": config.groups}
        self.first = nn.Conv2d(config.anatomy, quarter, 3, padding=1)
        self.at_4 = nn.ModuleList(
            [
                SpadeBlock(quarter, quarter, CLASSES * DOWN**2, config.domain, **shared)
                for _ in range(config.blocks)
            ]
        )
        self.to_2 = nn.Conv2d(quarter, 4 * half, 1)
        self.at_2 = SpadeBlock(half, half, 4 * CLASSES, config.domain, **shared)
        self.to_1 = nn.Conv2d(half, 4 * full, 3, padding=1)
        self.at_1 = nn.Conv2d(full + CLASSES, full, 3, padding=1)
        self.out = nn.Conv2d(full, 1, 3, padding=1)
        self.greys = nn.Linear(config.domain, 2)  # brightness and contrast are of the domain
        for shuffled in (self.to_2, self.to_1):
            start_smooth(shuffled)

    def forward(self, anatomy: Tensor, seen: Tensor, domain: Tensor) -> Tensor:
        x = self.first(anatomy)
        folded = functional.pixel_unshuffle(seen, DOWN)
        for block in self.at_4:
            x = block(x, folded, domain)
        x = functional.pixel_shuffle(self.to_2(x), 2)
        x = self.at_2(x, functional.pixel_unshuffle(seen, 2), domain)
        x = functional.pixel_shuffle(self.to_1(functional.leaky_relu(x, 0.2)), 2)
        x = functional.leaky_relu(self.at_1(torch.cat([x, seen], dim=1)), 0.2)
        gain, offset = self.greys(domain).view(-1, 2, 1, 1).chunk(2, dim=1)
        pictures: Tensor = (self.out(x) * (1 + gain) + offset).float()
        return pictures


def _drawn(code: Gaussian, draw: Tensor) -> Tensor:
    return code[0] + (0.5 * code[1]).exp() * draw


def _as_it_is(module: nn.Module, seen: Tensor) -> Any:
    """What a part says, which does not learn from it: else the decoder and it would agree on marks
    that nobody sees, in the place of a look."""
    kept = {name: weight.detach() for name, weight in module.named_parameters()}
    return torch.func.functional_call(module, kept, (seen,))


def _norm(config: FactorisedConfig, channels: int) -> nn.Module:
    return nn.GroupNorm(config.groups, channels)
