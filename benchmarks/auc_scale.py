"""What an AUC of the two-sample test means: the same test on real slices with known damage.

    .venv/bin/python benchmarks/auc_scale.py --kept runs/auc.json [--slices prepared] [--write-docs]

Real slices of held-out patients against copies of them that are blurred, noisy or of another gamma,
and against as many slices of other real patients, drawn several times: these nobody should be able
to tell. Pictures of one patient are on one side of every split, so that a network that has learned
which patients were of which kind has learned nothing of those it is tested on; but 20 patients
against 20 others differ by chance, which the draws show. Beside the AUC of the trained network
stand those of the spectra and the amplitude that is left in the finest third. Trains one
classifier for each line with the settings of the cards' figure, minutes each on one core; lines in
`--kept` are not made again. `--slices` as for `quality.py`; `--write-docs` puts the table into the
documentation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _slices import find_slices

from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.evaluation.realism.in_pixels import two_sample_auc
from cmr_synth.evaluation.realism.metrics import Found, load_metric, measure
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.two_sample import Settings
from cmr_synth.evaluation.resampling import matched_rows
from cmr_synth.evaluation.sample import Sample
from cmr_synth.evaluation.setting import Setting
from cmr_synth.files import write_file
from cmr_synth.imaging.damage import blurred

BLURS = (1.0, 0.6, 0.3)  # pixels
NOISES = (0.02, 0.01, 0.005)  # of the range of grey values
GAMMAS = (0.8, 0.9, 0.95)
DRAWS = 4  # of other real patients
METRICS = ("two_sample_auc", "spectrum_auc", "spectrum_fine")
HEAD = ("Against real slices", "AUC", "AUC of spectra", "Finest third")
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
BEGIN, END = "<!-- auc: begin -->", "<!-- auc: end -->"
NEXT = "## The table of metrics"
"""Heading before which the table is put where there is none yet."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=Path)
    parser.add_argument("--kept", type=Path, help="JSON file of the lines that were made")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()

    folder = options.slices or find_slices()
    if folder is None:
        print(
            "no patient data, so no scale is made; set CMR_SYNTH_DATA to the folder that holds "
            "acdc/training, or give --slices."
        )
        return
    setting = Setting(slices=open_slice_set(folder), cohorts=["acdc"])
    settings = Settings(epochs=options.epochs)
    kept = {}
    if options.kept is not None and options.kept.is_file():
        kept = json.loads(options.kept.read_text(encoding="utf-8"))
    print(_row(HEAD), _row(["---"] * len(HEAD)), sep="\n", flush=True)
    for words, sample in against(setting.held_out, setting.training):
        key = f"{words}, {settings.epochs} epochs"
        if key not in kept:
            started = time.process_time()
            kept[key] = measured(sample, setting.held_out, setting.training, settings)
            kept[key] |= {"words": words, "minutes": (time.process_time() - started) / 60}
            if options.kept is not None:
                with write_file(options.kept) as temporary:
                    temporary.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        print(_line(kept[key]), flush=True)
    if options.write_docs:
        own = [one for key, one in kept.items() if key.endswith(f", {settings.epochs} epochs")]
        text = documented(PAGE.read_text(encoding="utf-8"), own, setting.held_out)
        with write_file(PAGE) as temporary:
            temporary.write_text(text, encoding="utf-8")


def measured(sample: Sample, real: Sample, others: Sample, settings: Settings) -> dict[str, object]:
    """Value, low and high of each metric.

    Parameters
    ----------
    sample, real, others : Sample
        What is to be told from the held-out slices, these, and those of other patients.
    settings : Settings
        Of the classifier.
    """
    metrics = {
        "two_sample_auc": two_sample_auc(settings),
        **{name: load_metric(name) for name in METRICS[1:]},
    }
    *_, found = measure(Sets(sample, real, others), metrics)
    assert isinstance(found, Found)
    return {name: [one.value, one.low, one.high] for name, one in found.estimates.items()}


def against(real: Sample, others: Sample) -> Iterator[tuple[str, Sample]]:
    """What real slices are compared with, and what to call it; what matters most comes first."""
    for k, sigma in enumerate(BLURS):
        yield other_patients(others, len(real), k)
        pixels = [blurred(torch.from_numpy(one)[None], sigma)[0].numpy() for one in real.pixels]
        yield f"blur of {sigma:g} pixels", replace(real, pixels=np.stack(pixels))
    for spread in NOISES:
        noise = np.random.default_rng(0).normal(0, spread, real.pixels.shape)
        pixels = np.clip(real.pixels + noise, 0, 1).astype(np.float32)
        yield f"noise of {spread:g}", replace(real, pixels=pixels)
    for gamma in GAMMAS:
        yield f"gamma of {gamma:g}", replace(real, pixels=real.pixels**gamma)
    for k in range(len(BLURS), DRAWS):
        yield other_patients(others, len(real), k)


def other_patients(others: Sample, count: int, draw: int) -> tuple[str, Sample]:
    """As many slices of other real patients."""
    rows = matched_rows(others.patients, count, seed=draw)
    return f"other real patients, draw {draw + 1}", others.take(rows)


def documented(page: str, lines: list[Mapping[str, object]], real: Sample) -> str:
    """The page with the table between its marks, in the order of damage."""
    if BEGIN not in page:
        page = page.replace(NEXT, f"## What an AUC means\n\n{BEGIN}\n{END}\n\n{NEXT}")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    ordered = sorted(lines, key=lambda one: str(one["words"]).partition(" of ")[0])
    text = [
        "",
        f"The classifier of the cards' figure, on {len(real)} real slices of "
        f"{len(np.unique(real.patients))} held-out ACDC patients, against copies with known damage "
        "and against other real patients; intervals of 95 % by patient. Noise is in shares of the "
        "range of grey values, of which a slice has 0 to 1; pixels are 1.5 mm.",
        "",
        _row(HEAD),
        _row(["---"] * len(HEAD)),
        *(_line(one) for one in ordered),
        "",
        "Written by `python benchmarks/auc_scale.py --slices prepared --kept auc.json "
        f"--write-docs` on {platform.machine()}, {os.cpu_count()} cores, one thread: "
        f"{sum(float(str(one['minutes'])) for one in lines):.0f} minutes of processor time.",
        "",
    ]
    return "\n".join([before + BEGIN, *text, END + after])


def _line(found: Mapping[str, object]) -> str:
    cells = [str(found["words"])]
    for name in METRICS:
        ends = found.get(name)
        assert ends is None or isinstance(ends, (list, tuple))
        cells.append("–" if ends is None else "{:.3f} [{:.3f}, {:.3f}]".format(*ends))
    return _row(cells)


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
