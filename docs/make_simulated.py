"""docs/img/simulated.png: what four sequences show of one drawn heart with an infarct.

.venv/bin/python docs/make_simulated.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from cmr_synth.anatomy.labels import INFARCT, LV, MYO
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.files import write_file
from cmr_synth.imaging.scan import Scan
from cmr_synth.physics.simulate import Setup, Simulated, simulate

OUT = Path(__file__).parent / "img" / "simulated.png"
SHOWN = 1  # slice


def scarred() -> Scan:
    """A drawn heart, the inner half of whose lateral wall is infarcted."""
    from scipy.ndimage import distance_transform_edt

    labels = draw_stack(slices=3).astype(np.uint8)
    for plane in labels:
        away = distance_transform_edt(plane != LV)
        lateral = np.arange(plane.shape[1]) > np.nonzero(plane == LV)[1].mean() + 8
        plane[(plane == MYO) & (away <= 3) & lateral] = INFARCT
    # The plane of a short axis: oblique, so that its direction is believed.
    affine = np.array([[-1.2, -0.45, 0, 0], [-0.9, 0.6, 0, 0], [0, -1.3, 8, 0], [0, 0, 0, 1.0]])
    return Scan(array=labels, spacing=(8, 1.5, 1.5), affine=affine, name="heart")


def panels(made: dict[str, Simulated]) -> list[tuple[str, np.ndarray, float, str]]:
    """Title, picture, upper end of grey and colours of each panel."""
    molli, t2 = made["molli"], made["t2"]
    times = molli.record["times_ms"]
    return [
        ("cine", made["cine"].images.array[SHOWN], 1.3, "gray"),
        ("late enhancement", made["lge"].images.array[SHOWN], 1.2, "gray"),
        (f"MOLLI, {times[1]:.0f} ms", np.abs(molli.images.array[1, SHOWN]), 1.0, "gray"),
        ("T1 found, 0 to 1600 ms", molli.maps["T1"].array[SHOWN], 1600, "inferno"),
        ("T1 put in", molli.maps["T1-truth"].array[SHOWN], 1600, "inferno"),
        ("T2 found, 0 to 100 ms", t2.maps["T2"].array[SHOWN], 100, "inferno"),
    ]


def main() -> None:
    """Draw the picture."""
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    mask = scarred()
    made = {name: simulate(mask, Setup(sequence=name)) for name in ("cine", "lge", "molli", "t2")}
    figure, axes = plt.subplots(1, 6, figsize=(15, 2.8), layout="constrained")
    for axis, (title, picture, high, colours) in zip(axes, panels(made), strict=True):
        axis.imshow(picture, cmap=colours, vmin=0, vmax=high, interpolation="nearest")
        axis.set_title(title, fontsize=11)
        axis.axis("off")
    with write_file(OUT) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    print(OUT)


if __name__ == "__main__":
    main()
