"""What differential privacy costs: the recipe `cvae-private`, and the same recipe without it.

    .venv/bin/python benchmarks/privacy.py [--slices prepared] [--images 8000] [--out FOLDER]

Both are trained on the same patients with the same seed, network and number of images, and measured
by `cmr-synth compare` on patients that neither has seen. Prints its table, and how epsilon was
accounted for. Without `--slices` a slice set is found, or made, as for `benchmarks/quality.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from _slices import find_slices

from cmr_synth.generators.card import read_card
from cmr_synth.training.recipe import load_recipe

RECIPE = "cvae-private"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--images", type=int, default=load_recipe(RECIPE).images)
    parser.add_argument("--out", type=Path, help="keep models, table and page here")
    options = parser.parse_args()

    slices = options.slices or find_slices()
    if slices is None:
        print("no patient data, so nothing is measured; set CMR_SYNTH_DATA, or give --slices.")
        return
    with tempfile.TemporaryDirectory(prefix="cmr-synth-") as temporary:
        out = options.out or Path(temporary) / "out"
        stated = load_recipe(RECIPE).model_dump(mode="json", exclude_unset=True)
        del stated["privacy"]
        plain = Path(temporary) / "without-privacy.yaml"
        plain.write_text(yaml.safe_dump(stated | {"name": "without-privacy"}))
        asked = [RECIPE, str(plain), "--slices", slices, "--images", options.images, "--out", out]
        program = [sys.executable, "-c", "from cmr_synth.cli import main; main()", "compare"]
        subprocess.run([*program, *map(str, asked)], check=True)
        cards = list(out.rglob("card.yaml"))
        for path in cards:
            privacy = read_card(path).training.privacy
            if privacy is not None:
                for name, value in privacy.items():
                    print(f"{name}: {value}")


if __name__ == "__main__":
    main()
