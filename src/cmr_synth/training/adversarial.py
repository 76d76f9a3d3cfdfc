"""Judging pictures by what a discriminator has learned: patches at two scales, hinge loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BAND = 8  # frequencies to a side
SPECTRUM_FLOOR = (2 / 255) ** 2 / 12


class Discriminator(nn.Module):
    """Picture and what it was made for, (n, channels, y, x), to scores of patches at two scales.

    At full resolution instance norm lets it tell grain and sharpness apart within minutes, but
    hides brightness and contrast from it; these, and the layout of the chest, are seen by a second
    one on the picture averaged 4 x 4, with group norm.

    Parameters
    ----------
    in_channels : int
        Of the picture, stacked with its mask and whatever else it was made for.
    channels : int
        Of the first layer.
    layers : int
        Strided layers of the first discriminator; the second has two at most.
    """

    def __init__(self, in_channels: int, *, channels: int = 32, layers: int = 3):
        super().__init__()
        from monai.networks.nets import PatchDiscriminator

        groups = min(8, 2 * channels)
        self.texture = PatchDiscriminator(
            spatial_dims=2,
            in_channels=in_channels,
            channels=channels,
            num_layers_d=layers,
            norm="INSTANCE",
        )
        self.layout = PatchDiscriminator(
            spatial_dims=2,
            in_channels=in_channels,
            channels=channels,
            num_layers_d=min(2, layers),
            norm=("GROUP", {"num_groups": groups}),
            bias=True,
        )

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of both, (n, 1, a, b) and (n, 1, c, d); above zero for real."""
        return self.texture(seen)[-1], self.layout(functional.avg_pool2d(seen, 4))[-1]


class MatchingDiscriminator(Discriminator):
    """The same, which returns the maps of every layer, for feature matching."""

    def forward(self, seen: Tensor) -> tuple[list[Tensor], list[Tensor]]:  # type: ignore[override]
        """Maps of every layer of both; the last of each are the scores."""
        return self.texture(seen), self.layout(functional.avg_pool2d(seen, 4))


def mean_score(scores: tuple[Tensor, ...]) -> Tensor:
    """(n,) mean over patches, each scale counting the same."""
    return torch.stack([s.float().mean(dim=(1, 2, 3)) for s in scores]).mean(dim=0)


def hinge_loss(real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> Tensor:
    """(n,) hinge loss of the discriminator; 2 if it cannot tell, 0 if it always can."""
    misses = [
        functional.relu(1 - r) + functional.relu(1 + f) for r, f in zip(real, fake, strict=True)
    ]
    return mean_score(tuple(misses))


def knowledge(hinge: Tensor) -> Tensor:
    """How well a discriminator tells real from made, 0 to 1, by its hinge losses in this batch.

    One that cannot tell the two apart (hinge loss 2) has nothing to say.
    """
    return (1 - hinge.detach().mean() / 2).clamp(0, 1)


class Judgement:
    """What a discriminator of maps makes of real pictures and of those made for the same masks.

    Parameters
    ----------
    discriminator : nn.Module
        A `MatchingDiscriminator`.
    real, made : (n, channels, y, x) tensors
        Pictures, stacked with what they were made for.

    Attributes
    ----------
    hinge : (n,) tensor
        The discriminator's own loss.
    """

    def __init__(self, discriminator: nn.Module, real: Tensor, made: Tensor):
        self._real, self._made = discriminator(real), discriminator(made)
        self.hinge = hinge_loss(_scores(self._real), _scores(discriminator(made.detach())))

    def matching(self) -> Tensor:
        """(n,) `feature_matching`, both scales counting the same."""
        pairs = zip(self._real, self._made, strict=True)
        return torch.stack([feature_matching(r, m) for r, m in pairs]).mean(dim=0)

    def statistics(self) -> Tensor:
        """(n,) `statistics_matching`, both scales counting the same."""
        pairs = zip(self._real, self._made, strict=True)
        return torch.stack([statistics_matching(r, m) for r, m in pairs]).mean(dim=0)

    def praise(self, weight: float) -> Tensor:
        """(n,) score of what was made, times `weight`, and less the less is known."""
        return weight * knowledge(self.hinge) * mean_score(_scores(self._made))


def feature_matching(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """(n,) mean absolute difference of a discriminator's maps, the scores left out.

    Wang et al. 2018, arXiv:1711.11585, eq. 4. `real` is not followed by gradients.
    """
    distances = [
        (f.float() - r.detach().float()).abs().mean(dim=(1, 2, 3))
        for r, f in zip(real[:-1], fake[:-1], strict=True)
    ]
    return torch.stack(distances).mean(dim=0)


def statistics_matching(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """(n,) mean absolute difference of each map's mean and deviation over space.

    For pictures that show something else in the same manner (Salimans et al. 2016,
    arXiv:1606.03498, sec. 3.1, where the mean is over a batch). `real` is not followed by
    gradients.
    """
    distances = []
    for r, f in zip(real[:-1], fake[:-1], strict=True):
        r, f = r.detach().float(), f.float()
        distances.append((f.mean(dim=(2, 3)) - r.mean(dim=(2, 3))).abs().mean(dim=1))
        distances.append((f.std(dim=(2, 3)) - r.std(dim=(2, 3))).abs().mean(dim=1))
    return torch.stack(distances).mean(dim=0)


def spectrum_difference(made: Tensor, real: Tensor) -> Tensor:
    """(n,) mean absolute difference of log power over bands of 8 x 8 spatial frequencies.

    For pictures (n, 1, y, x), y and x multiples of 16, that show something else in the same manner.
    A discriminator's strided layers overlook a grain of their own period, which generators then
    make (Durall et al. 2020, arXiv:2003.01826, compare spectra averaged over all directions; dots
    stand at few frequencies only, so that bands are kept apart here). `real` is not followed by
    gradients.
    """
    of_made, of_real = _log_power(made), _log_power(real.detach())
    return (of_made - of_real).abs().mean(dim=(1, 2))


def _scores(maps: tuple[list[Tensor], list[Tensor]]) -> tuple[Tensor, Tensor]:
    return maps[0][-1], maps[1][-1]


def _log_power(pictures: Tensor) -> Tensor:
    spectrum = torch.fft.fft2(pictures[:, 0].float(), norm="ortho")
    # the half with x frequencies below that of Nyquist tells everything
    power = torch.fft.fftshift(spectrum.abs().square(), dim=1)[:, :, : pictures.shape[-1] // 2]
    # a floor of what 8 bits cannot hold
    return (functional.avg_pool2d(power[:, None], BAND)[:, 0] + SPECTRUM_FLOOR).log()


def force(losses: Tensor, pictures: Tensor) -> Tensor:
    """Norm of each image's gradient with respect to its pixels, (n,)."""
    (gradient,) = torch.autograd.grad(losses.sum(), pictures, retain_graph=True)
    return gradient.flatten(1).norm(dim=1)
