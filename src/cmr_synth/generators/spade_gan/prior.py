"""Where new styles come from: the Gaussian that styles of training pictures have, given the mask.

Styles are not spread as the standard normal that their divergence is measured from: a map drawn
from that is a cloud, for neighbours know nothing of each other. A Gaussian with the styles' own
mean and covariance, fitted after the encoder (Ghosh et al. 2020, arXiv:1903.12436), gives maps that
look like chests; fitted together with where the heart lies, and to the vendor, it gives the chest
around this heart. It holds the moments of all patients together, and no patient's own style.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import CLASSES
from cmr_synth.generators.vocabulary import Vocabulary

SIDE = 4  # the mask is looked at in so many fields a side
RIDGE = 1e-3  # of the mean variance; fields that no heart reaches hardly vary


class StylePrior(nn.Module):
    """Moments of styles and of what is known about their pictures, jointly.

    Parameters
    ----------
    width : int
        Length of a style.
    vocabulary : Vocabulary
        The words that conditions may hold.
    """

    def __init__(self, width: int, vocabulary: Vocabulary):
        super().__init__()
        self.width = width
        self.vendors, self.phases = vocabulary.vendors, vocabulary.phases
        self.fields = (CLASSES - 1) * SIDE**2
        size = width + self.fields + len(self.vendors) + len(self.phases) + 1
        self.register_buffer("mean", torch.zeros(size))
        # the lower triangle in a row: a vector is stored in half precision, a matrix in 8 bits
        rows, columns = torch.tril_indices(size, size)
        self._place = (rows, columns)
        self.register_buffer("moments", (rows == columns).float())
        self.mean: Tensor
        self.moments: Tensor
        self._kept: dict[bytes, tuple[Tensor, Tensor]] = {}
        self._kept_of: Tensor | None = None

    @property
    def covariance(self) -> Tensor:
        """The joint covariance, (size, size)."""
        size = len(self.mean)
        whole = self.moments.new_zeros(size, size)
        whole[self._place] = self.moments
        return whole + whole.tril(-1).T

    def forward(self, draw: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]) -> Tensor:
        """Styles, each from the Gaussian given what is known about its picture.

        Parameters
        ----------
        draw : (n, style) tensor
            Standard normal.
        mask : (n, 4, y, x) tensor
            One-hot labels; all zero where open. Without any label nothing is known of the mask.
        conditions : n mappings
            With vendor, phase and z; what is missing, empty or None is not known.

        Returns
        -------
        (n, style) tensor
        """
        about, known = self._about(mask, conditions)
        styles = torch.empty_like(draw)
        for i, (values, which) in enumerate(zip(about, known, strict=True)):
            slope, root = self._given(which)
            off = (values - self.mean[self.width :])[which]
            styles[i] = self.mean[: self.width] + off @ slope + root @ draw[i]
        return styles

    @torch.no_grad()
    def update(
        self,
        styles: Tensor,
        mask: Tensor,
        conditions: Sequence[dict[str, Any]],
        share: float,
    ) -> None:
        """Move the moments towards those of some styles (n, style), by a share of the way.

        What is not known of a picture counts as the mean.
        """
        about, known = self._about(mask, conditions)
        about = torch.where(known, about, self.mean[self.width :])
        off = torch.cat([styles.detach().float(), about], dim=1) - self.mean
        self.mean += share * off.mean(dim=0)
        with torch.autocast(off.device.type, enabled=False):  # moments are summed as they are
            self.moments.lerp_((off.T @ off / len(off))[self._place], share)

    def _about(self, mask: Tensor, conditions: Sequence[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        """What is known of pictures, (n, size - width), and whether it is."""
        fields = functional.adaptive_avg_pool2d(mask[:, 1:].float(), SIDE).flatten(1)
        drawn = mask.flatten(1).any(dim=1)
        rows, knowns = [], []
        for condition, has_mask in zip(conditions, drawn.tolist(), strict=True):
            vendor, phase = condition.get("vendor"), condition.get("phase")
            z = condition.get("z")
            rows.append(
                [
                    *(float(vendor == word) for word in self.vendors),
                    *(float(phase == word) for word in self.phases),
                    0.0 if z is None else float(z),
                ]
            )
            knowns.append(
                [
                    *[has_mask] * self.fields,
                    *[vendor in self.vendors] * len(self.vendors),
                    *[phase in self.phases] * len(self.phases),
                    z is not None,
                ]
            )
        about = torch.cat([fields, torch.tensor(rows, device=mask.device)], dim=1)
        return about, torch.tensor(knowns, device=mask.device)

    def _given(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Slope (known, style) and root of the covariance (style, style), for a pattern."""
        if self._kept_of is None or not torch.equal(self._kept_of, self.moments):
            self._kept, self._kept_of = {}, self.moments.clone()
        key = known.cpu().numpy().tobytes()
        if key not in self._kept:
            self._kept[key] = self._conditioned(known)
        return self._kept[key]

    def _conditioned(self, known: Tensor) -> tuple[Tensor, Tensor]:
        whole, width = self.covariance.double(), self.width
        of_styles = whole[:width, :width]
        chosen = width + torch.nonzero(known).flatten()
        slope = of_styles.new_zeros(0, width)
        if len(chosen):
            across = whole[chosen][:, :width]
            among = whole[chosen][:, chosen]
            ridge = RIDGE * among.diagonal().mean().clamp(min=1e-6)
            among = among + ridge * torch.eye(len(chosen), dtype=among.dtype, device=among.device)
            slope = torch.linalg.solve(among, across)
            of_styles = of_styles - across.T @ slope
        values, vectors = torch.linalg.eigh((of_styles + of_styles.T) / 2)
        # the symmetric root: that of eigenvectors turns where two variances are nearly equal
        root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        return slope.float(), root.float()
