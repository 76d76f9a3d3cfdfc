"""Feature spaces in which real and synthetic pictures are compared, each with name and identity."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample

BUILT_IN = ("encoder", "segmenter", "radiomics")


class Space(Protocol):
    """A feature space.

    Parameters
    ----------
    name : str
        Printed with every figure.
    hash : str
        SHA-256 of the weights, or the version of a formula.
    frechet_name, kernel_name : str
        What the distances are called here; FID and KID in InceptionV3's space only.
    standardise : bool
        Whether the features have units that differ, and may be NaN: distances are then taken after
        standardising by other real patients, whose mean stands for NaN.
    """

    name: str
    hash: str
    frechet_name: str
    kernel_name: str
    standardise: bool

    def features(self, sample: Sample) -> NDArray[np.float64]:
        """Features of every slice, (n, d)."""
        ...

    def shares(self, sample: Sample) -> NDArray[np.float64] | None:
        """Class probabilities (n, k) of a space that has classes; None for the others."""
        ...


class _Own:
    frechet_name, kernel_name = "Frechet distance", "kernel distance"
    standardise = False

    def shares(self, sample: Sample) -> None:
        return None


class EncoderSpace(_Own):
    """The bundled cardiac encoder, or one trained by its recipe in a folder."""

    def __init__(self, folder: Path | None = None):
        from cmr_synth.judges.encoder import Encoder

        self.encoder = Encoder.load(folder)
        self.name = "cardiac encoder" if folder is None else f"encoder {Path(folder).name}"
        self.hash = self.encoder.hash

    def features(self, sample: Sample) -> NDArray[np.float64]:
        return self.encoder.features(sample.pixels)


class SegmenterSpace(_Own):
    """Moments of the bundled segmenter's early maps, as on the cards before the encoder's."""

    name = "segmenter maps"

    def __init__(self) -> None:
        from cmr_synth.judges.segmenter import Segmenter

        self.segmenter = Segmenter.load()
        self.hash = self.segmenter.hash

    def features(self, sample: Sample) -> NDArray[np.float64]:
        return self.segmenter.features(sample.pixels)


class InceptionSpace:
    """InceptionV3 with the weights that FID is defined by, from the user's file."""

    frechet_name, kernel_name = "FID", "KID"
    standardise = False

    def __init__(self, file: Path):
        from cmr_synth.evaluation.realism.inception import Inception

        self.inception = Inception.load(file)
        self.name = "InceptionV3"
        self.hash = self.inception.hash

    def features(self, sample: Sample) -> NDArray[np.float64]:
        return self.inception.features(sample.pixels)

    def shares(self, sample: Sample) -> NDArray[np.float64]:
        return self.inception.shares(sample.pixels)


def open_space(name: str) -> Space:
    """A feature space by name, by an encoder's folder, or by a file of InceptionV3 weights.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if name == "encoder":
        return EncoderSpace()
    if name == "segmenter":
        return SegmenterSpace()
    if name == "radiomics":
        from cmr_synth.evaluation.realism.radiomics import RadiomicsSpace

        return RadiomicsSpace()
    path = Path(name)
    if path.is_dir():
        return EncoderSpace(path)
    if path.is_file() and path.suffix == ".safetensors":
        return InceptionSpace(path)
    if path.suffix in (".pt", ".pth", ".pkl", ".ckpt"):
        raise InputError(
            f"{name}: such files can run code when they are read, and are never opened; convert it "
            "to safetensors where you trust it (safetensors.torch.save_file)."
        )
    raise InputError(
        f"{name}: no feature space; known are {', '.join(BUILT_IN)}, a folder of an encoder "
        "trained by `cmr-synth train encoder`, and a .safetensors file of InceptionV3."
    )
