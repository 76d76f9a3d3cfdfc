"""Training the conditional VAE: a difference from the real picture, and the style's divergence.

Sohn et al. 2015, Learning structured output representation using deep conditional generative
models; the mask enters by SPADE blocks, and styles are drawn from a Gaussian fitted to those of
the training pictures (Ghosh et al. 2020, arXiv:1903.12436).
"""

from __future__ import annotations

from pydantic import Field

from cmr_synth.training.families.spade_gan import SpadeGanTask, SpadeLoss


class CvaeLoss(SpadeLoss):
    """Settings of the losses: every style is encoded, and nothing is judged."""

    encoded: float = Field(1.0, ge=1, le=1)
    adversarial: float = Field(0.0, ge=0, le=0, description="for one, train the family spade-gan")


class CvaeTask(SpadeGanTask):
    """The conditional VAE as the training loop sees it."""

    family = "cvae"
    settings = CvaeLoss
