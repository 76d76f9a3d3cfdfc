"""Write docs/reference/review.md: every system of the review, and what runs it here.

Run after adding a family or a recipe, or after a bundled model was exchanged (`python
docs/make_review.py`); a test fails while the page is stale. What was trained stands on the cards.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmr_synth.generators import zoo
from cmr_synth.generators.card import Card

PAGE = Path(__file__).parent / "reference" / "review.md"
RECORD = Path(__file__).parents[1] / "tools" / "records" / "one_budget.json"
"""What `benchmarks/one_budget.py --write-docs` has measured."""

HEAD = """\
# Every system of the review

The program implements a review of synthetic cardiac MRI (Kumarasinghe, Kawya, Edirisooriya,
Thambawita and Nawinne, "Synthetic Cardiac MRI Image Generation using Deep Generative Models").
This page has every row of its Table III and every system of its section III, the command that
trains or runs the same kind of system here, what was trained, and the figure that the review
gives beside the one on the card.

**Figures of papers and ours are not comparable.** They are of other patients, other numbers of
them, other feature spaces (an FID is in features of everyday photographs, ours in those of a
cardiac encoder) and other sizes of pictures. They stand side by side so that nobody has to look
them up. What can be compared is in [one table of one protocol](one-budget.md), on the same
held-out patients.

"Not trained yet" means that the recipe trains and samples, and is tested on drawn hearts alone;
"not built" that there is nothing to run. Our figure is the Fréchet distance over that between
real patients (1: as far as those from each other) of the bundled model, with the number of
held-out patients; more of it is in [every card's figures](zoo.md). A figure after a recipe's name
is of that recipe [trained with one budget](one-budget.md) for comparing families.

<!-- written by docs/make_review.py; change it there -->
"""

COLUMNS = ("system", "what it is", "command here", "trained here", "ours", "the review's figure")


@dataclass(frozen=True)
class Row:
    """One system.

    Parameters
    ----------
    system, kind : str
        As the review names it.
    commands : tuple of str
        What runs it here; empty if nothing does.
    said : str
        The review's figure of it; empty if it gives none.
    bundled : str
        A bundled model of the kind; empty if none was trained.
    note : str
        What is otherwise here, or missing.
    trained : str
        What was trained and is not bundled, and where its figures stand.
    budget : tuple of str
        Models among those trained with one budget.
    """

    system: str
    kind: str
    commands: tuple[str, ...] = ()
    said: str = ""
    bundled: str = ""
    note: str = ""
    trained: str = ""
    budget: tuple[str, ...] = ()


TABLE_III = (
    Row(
        "Bubeck et al. [37]: UViT-B2, DiT-B2, MaskGIT",
        "unconditional diffusion transformers and masked tokens; the spectrum of masking",
        ("train flow-uvit", "train flow-dit", "train autoencoder-vq", "train maskgit"),
        "FID 38.78 (UK Biobank, 11,360 subjects)",
        note="sampled without conditions by `synthesize --unconditional`; by share of masking: "
        "`python benchmarks/masking.py`",
        budget=("flow-uvit@4", "flow-dit@4", "autoencoder-vq+maskgit"),
    ),
    Row(
        "Özdemir and Eroğul [8]: DDPM with an attention U-Net",
        "unconditional diffusion",
        ("train ddpm-unconditional",),
        "FID 77.78; radiologists right in 60 % (OCMR)",
        note="readers: `evaluate reader-study`",
        budget=("ddpm-unconditional",),
    ),
    Row(
        "Tetralogy of Fallot study [1]: PG-GAN",
        "unconditional progressive GAN",
        ("train progressive-gan",),
        "U-Net on synthetic within 1 % of real (303 patients)",
        budget=("progressive-gan",),
    ),
    Row(
        "Al Khalil, Amirrajab [9], [3]: conditional GAN with SPADE",
        "masks to pictures, in vendors' styles",
        ("train spade-gan-first", "train spade-gan", "train flow-tissues"),
        "up to 4 % more Dice, 40 % less Hausdorff distance (M&Ms)",
        "spade-gan",
        note="labels of more tissues: a map beside the mask, which a flow takes (`flow-tissues`); "
        "nobody drew them, they are clustered",
        budget=("spade-gan-first+spade-gan",),
    ),
    Row(
        "Amirrajab et al. [20]: VAE of deformations, label-conditioned GAN",
        "pathology by the shape of masks, then pictures",
        ("sample-masks", "dial", "train spade-gan"),
        "EDV and ESV distributions, Dice, HD: no figure in the table",
        "spade-gan",
        note="the shape model and the dials take the place of the VAE",
    ),
    Row(
        "Gheorghita et al. [14]: GauGAN",
        "masks with a uniform EF to stacks",
        ("sample-masks", "request", "synthesize"),
        "accuracy of EF, EDV, ESV: no figure in the table",
        "spade-gan",
    ),
    Row(
        "Campello et al. [13]; WGAN with covariates",
        "age and BMI of one person changed",
        ("train covariate-gan", "covariate"),
        "MAE of a ResNet18's age: no figure in the table (UK Biobank, 43,352 subjects)",
        note="body mass index of ACDC; ages where a cohort or `cohort.csv` has them. 75 patients "
        "are too few to tell what it changes: every record says so",
        trained="body mass index: 2,800 images, 32 minutes, 74 patients: "
        "[nothing learned](../how-to/style-by-reference.md#scans-at-another-body-mass-index)",
    ),
    Row(
        "Cheng et al. [36]: 3D latent diffusion",
        "volumes with their masks",
        ("train autoencoder-stack", "train latent-stack", "sample-volumes"),
        "FID 28.37, FRD 2.92 (UK Biobank, 927 sequences)",
        trained="9,476 and 16,000 stacks on a GPU, 74 patients of ACDC, not bundled; "
        "[measured](../how-to/volumes.md#how-alike)",
        note="stacks (z, y, x), or one slice over a beat (t, y, x) with `autoencoder-cine` and "
        "`latent-cine`; beside slices that are kept alike by their noise: "
        "[how alike](../how-to/volumes.md)",
    ),
    Row(
        "Li et al. [40]: CPGG, masked autoregressive diffusion",
        "82 phenotypes as conditions",
        ("train autoencoder", "train mar", "train flow-phenotypes", "evaluate phenotypes"),
        "FID, FVD: no figure in the table (UK Biobank, 32,444 cine)",
        note="11 phenotypes; slices, not cines",
        budget=("autoencoder+mar", "flow-phenotypes@4"),
    ),
    Row(
        "Skorupko et al. [32]: Stable Diffusion with ControlNet",
        "text and masks",
        ("zoo add", "synthesize", "train stable-diffusion-lora"),
        "FID: no figure in the table",
        note="a folder that diffusers wrote is loaded (`--prompt`), and its ControlNet tuned on "
        "masks by LoRA; none was at hand",
    ),
    Row(
        "Ma et al. [16]: two-stage controllable mask diffusion",
        "masks by diffusion, then pictures with SPADE",
        ("train mask-flow", "sample-masks", "train latent-diffusion"),
        "5 to 10 % more Dice than by augmentation (M&Ms)",
        note="masks by flow matching; the decoder of the latent models has SPADE blocks",
        trained="`mask-flow`: 16,000 images of ACDC, "
        "[what it draws](../how-to/new-hearts.md#detail-that-outlines-cannot-show)",
        budget=("autoencoder+latent-diffusion",),
    ),
    Row(
        "Zou et al. [42]: conditional VAE with a manifold (STORM)",
        "cine and T1 contrast together",
        ("manifold", "simulate"),
        "qualitative",
        note="a manifold fitted to k-space of one simulated slice, asked for any phase and "
        "inversion time; a scanner's data are not read for it",
        trained="fitted to each scan anew; [its figures]"
        "(../how-to/reconstruct.md#cine-and-t1-of-one-scan)",
    ),
)

SECTION_III = (
    Row(
        "Unconditional GAN (DCGAN) [21], [24]",
        "pictures from noise",
        ("train dcgan",),
        budget=("dcgan",),
    ),
    Row(
        "Unconditional diffusion [26]",
        "DDPM",
        ("train ddpm-unconditional", "train latent-unconditional"),
        budget=("ddpm-unconditional", "autoencoder+latent-unconditional"),
    ),
    Row(
        "Unconditional flow matching [28], [29]",
        "flow from noise",
        ("train flow", "synthesize --unconditional"),
        bundled="flow",
        note="the same model with everything left open",
    ),
    Row(
        "Vendor-specific conditional GAN [9]",
        "a generator for each vendor",
        ("train spade-gan", "synthesize --vendor siemens"),
        bundled="spade-gan",
        note="one generator that is told the vendor",
    ),
    Row("GauGAN [14]", "SPADE", ("train spade-gan",), bundled="spade-gan"),
    Row(
        "RecCGAN [17]",
        "reconstruction of under-sampled k-space",
        ("train reccgan", "reconstruct", "evaluate reconstruction"),
        note="a conditional GAN with loss in picture and k-space and data consistency, beside "
        "zero-filling and total variation; k-space is simulated from pictures, or a scanner's",
        trained="`reccgan` for [its figures](../how-to/reconstruct.md#how-near-it-comes), not "
        "bundled",
    ),
    Row(
        "Wasserstein GAN with cardiac biasing [32]",
        "scalar covariates",
        ("train covariate-gan", "covariate"),
        note="gradient penalty, cycle and identity losses, covariates as sines and cosines",
        trained="body mass index: 2,800 images, 32 minutes, 74 patients: "
        "[nothing learned](../how-to/style-by-reference.md#scans-at-another-body-mass-index)",
    ),
    Row(
        "RDP-CGAN [22]",
        "GAN whose discriminator alone is private",
        ("train private-gan", "train cvae-private"),
        note="the account (epsilon) goes onto the card; the paper's is for tables and signals",
        trained="`cvae-private` for [its figures]"
        "(../how-to/differential-privacy.md#what-it-costs), "
        "not bundled; `private-gan`: 748 after its whole recipe (8,000 images, 19 minutes, "
        "epsilon 10), which is no heart",
    ),
    Row(
        "FFD-VAE (DiffuSeg) [5]",
        "codes of anatomy and domain",
        ("train factorised", "train latent-codes"),
        note="the second is a latent diffusion or flow whose conditions are the codes",
        budget=("factorised", "autoencoder+latent-codes"),
    ),
    Row(
        "Segmentation-guided diffusion [30]",
        "DDPM that sees the mask",
        ("train ddpm",),
        bundled="ddpm",
        budget=("ddpm",),
    ),
    Row(
        "SD-DM [33]",
        "target scans brought into the source's looks, steered by a reference",
        ("adapt",),
        bundled="flow",
        note="low frequencies kept at every step of the flow",
    ),
    Row(
        "Controllable mask diffusion [16]",
        "masks, then pictures",
        ("train mask-flow", "train latent-diffusion"),
        budget=("autoencoder+latent-diffusion",),
    ),
    Row(
        "Latent diffusion of pathology and modality [19]",
        "combinations that training never had",
        ("train autoencoder-contrasts", "train latent-contrasts", "evaluate combinations"),
        note="cine and late enhancement in one model; what training never had (LGE x DCM) is said "
        "on every record and judged by a segmenter and classifiers",
        trained="`latent-contrasts` for [its figures]"
        "(../how-to/evaluate.md#combinations-that-training-never-had), not bundled",
    ),
    Row(
        "ControlNet [32]",
        "a mask added to a frozen latent model",
        ("train latent-control", "train stable-diffusion-lora"),
        budget=("autoencoder+latent-unconditional+latent-control",),
    ),
    Row(
        "MOTFM [28]",
        "optimal transport flow with the mask beside the picture",
        ("train flow", "train flow-few-step"),
        "10 steps as good as 50 of a DDPM (echocardiography)",
        "flow",
    ),
    Row(
        "Concat. FM [7]",
        "the condition beside x_t",
        ("train flow",),
        "Pix2Pix ahead of diffusion and flows (T1w to T2w)",
        "flow",
        budget=("flow@16",),
    ),
    Row(
        "Direct FM [7]",
        "the condition as the start of the path",
        ("train flow-direct",),
        budget=("flow-direct@4",),
    ),
    Row("VAE [2]", "conditional VAE", ("train cvae",), bundled="cvae", budget=("cvae",)),
    Row(
        "Latent models [6]",
        "flow or diffusion on an autoencoder's latents",
        ("train autoencoder", "train latent-flow"),
        bundled="latent-flow",
        budget=("autoencoder+latent-flow", "autoencoder+latent-diffusion"),
    ),
)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page as it should be."""
    parts = [HEAD]
    for title, rows in (("Table III", TABLE_III), ("Section III", SECTION_III)):
        parts += [f"\n## {title}\n\n", *(line + "\n" for line in table(rows))]
    return "".join(parts)


def table(rows: tuple[Row, ...]) -> list[str]:
    """A table of systems, line by line."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    measured = json.loads(RECORD.read_text(encoding="utf-8"))["all"]
    for row in rows:
        card = zoo.card_of(row.bundled) if row.bundled else None
        commands = "<br>".join(f"`cmr-synth {one}`" for one in row.commands)
        what = "; ".join(filter(None, (row.kind, row.note)))
        budget = {name: measured[name] for name in row.budget if name in measured}
        figures = [] if card is None else [figure_of(card)]
        figures += [f"{_shown(name)}: {_interval(one['ratio'])}" for name, one in budget.items()]
        cells = (
            row.system,
            what,
            commands or "none",
            "; ".join(_trained(row, card, budget)),
            "<br>".join(figures) or "not measured",
            row.said or "none",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _trained(row: Row, card: Card | None, budget: dict[str, Any]) -> list[str]:
    said = [] if card is None else [of_card(card)]
    if row.trained:
        said.append(row.trained)
    if budget:
        least, most = (of(one["images"] for one in budget.values()) for of in (min, max))
        images = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        said.append(f"[one budget](one-budget.md): {images} images, not bundled")
    if said:
        return said
    if not row.commands:
        return ["not built"]
    trains = any(one.startswith("train") for one in row.commands)
    return ["not trained yet" if trains else "trains nothing"]


def of_card(card: Card) -> str:
    """What a card says of the training."""
    use = card.training.cohorts
    data = ", ".join(f"{one.name} ({one.patients})" for one in use)
    return (
        f"bundled as `{card.name}`: {card.training.images_seen:,} images, "
        f"{card.training.minutes:.0f} minutes; patients: {data}"
    )


def figure_of(card: Card) -> str:
    """The ratio of Fréchet distances on a card, with its interval."""
    found = card.measured.fidelity
    if not isinstance(found, dict) or "ratio_to_floor" not in found:
        return "not measured"
    ratio = _interval([found["ratio_to_floor"], *found["ratio_interval"]])
    return f"{ratio}, {found['patients']} patients"


def _shown(name: str) -> str:
    recipes, _, steps = name.partition("@")
    return f"`{recipes}`" + (f" at {steps} steps" if steps else "")


def _interval(found: list[float]) -> str:
    value, low, high = found
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
