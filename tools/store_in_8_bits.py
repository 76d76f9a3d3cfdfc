"""Store the weights of a bundled model in 8 bits per channel; correct hash and figures of its card.

    .venv/bin/python tools/store_in_8_bits.py segmenter --slices prepared

For the segmenter, whose figures are measured here on the test patients of the slice set; prints the
Dice before and after.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle_model import _segmenter
from bundled_cards import WEIGHTS, put

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.files import write_file
from cmr_synth.generators.card import file_hashes, read_card
from cmr_synth.networks.weights import load_weights, save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["segmenter"])
    parser.add_argument("--slices", type=Path, required=True)
    options = parser.parse_args()

    folder = WEIGHTS / options.name
    slices = open_slice_set(options.slices)
    print("before:", _segmenter(folder, slices))
    weights = folder / "weights.safetensors"
    state = load_weights(weights)
    with write_file(weights) as path:
        save_weights(path, state, bits=8)
    card = read_card(folder / "card.yaml")
    figures = _segmenter(folder, slices)
    measured = card.measured.model_copy(update={"adherence": figures})
    changed = {**file_hashes(folder), "measured": measured}
    put(card.model_copy(update=changed))
    print("after:", figures)


if __name__ == "__main__":
    main()
