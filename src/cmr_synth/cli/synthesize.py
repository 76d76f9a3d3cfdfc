"""`cmr-synth synthesize`: masks on disk become synthetic images on disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Json, progress, remark, result

if TYPE_CHECKING:
    from cmr_synth.processes import Processes
    from cmr_synth.synthesis.request import Request

SHOWN_FINDINGS = 4  # of each mask; all of them are in the sidecar


class PrecisionChoice(str, Enum):
    """In which precision pictures are made."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class MirrorChoice(str, Enum):
    """What is done to the display that a mask's affine gives."""

    auto = "auto"
    no = "no"
    left_right = "left-right"
    top_bottom = "top-bottom"
    half_turn = "half-turn"


LABELS = ("auto", "acdc", "mnms", "ukbb", "emidec")


def check_labels(said: str) -> str:
    """Refuse what is neither a convention's name nor the numbers of the structures."""
    from cmr_synth.anatomy.own_numbers import EXAMPLE, read_numbers, says_numbers
    from cmr_synth.errors import InputError

    if says_numbers(said):
        try:
            read_numbers(said)
        except InputError as error:
            raise typer.BadParameter(str(error)) from error
    elif said not in LABELS:
        raise typer.BadParameter(
            f"{said!r} is none of {', '.join(LABELS)}; or say the numbers, such as {EXAMPLE}."
        )
    return said


class Format(str, Enum):
    """Of `cmr_synth.synthesis.formats.FORMATS`; a test holds the two together."""

    nifti = "nifti"
    dicom = "dicom"
    dicom_enhanced = "dicom-enhanced"
    cvi42 = "cvi42"


def synthesize(
    out: Annotated[Path, typer.Option("--out", help="Folder for the images.")],
    masks: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MASK", help="NIfTI masks, 2D to 4D, or folders of masks.", show_default=False
        ),
    ] = None,
    unconditional: Annotated[
        bool, typer.Option("--unconditional", help="No masks: the model draws the anatomy too.")
    ] = False,
    vendor: Annotated[
        str | None, typer.Option(help="Scanner style, such as siemens; left open if not given.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name in the zoo, or a model's folder.")] = "flow",
    phase: Annotated[str | None, typer.Option(help="ED or ES.")] = None,
    pathology: Annotated[str | None, typer.Option(help="Such as normal, dcm, hcm.")] = None,
    cohort: Annotated[
        str | None,
        typer.Option(help="Data set whose patients and hospital it shall look like, such as acdc."),
    ] = None,
    contrast: Annotated[
        str | None, typer.Option(help="Such as cine or lge; a model of another one refuses.")
    ] = None,
    phenotype: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="What the heart shall measure, such as ef=35 or edv=180; may be repeated. For "
            "models trained with it.",
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Different images of each mask.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Network evaluations; more are slower and sharper.")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Above 1: follows the conditions more strictly.")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="Such as dpm-solver++; the model's own if not given.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="For models that read text.")] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="A real NIfTI or DICOM picture, whose look is taken over."),
    ] = None,
    reference_mask: Annotated[
        Path | None,
        typer.Option(help="Its mask; otherwise the bundled segmenter looks for the heart."),
    ] = None,
    reference_slice: Annotated[
        int | None, typer.Option(help="Which of its slices, from 0; the middle one if not given.")
    ] = None,
    reference_strength: Annotated[
        float, typer.Option(help="How much of its look, 0 (none) to 1 (all of it).")
    ] = 0.5,
    surroundings: Annotated[
        Path | None,
        typer.Option(
            help="The real scan of the mask, whose tissues around the heart are kept; for models "
            "trained with a map of them."
        ),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="auto|acdc|mnms|ukbb|emidec|LV=n,MYO=n,RV=n",
            callback=check_labels,
            help="What the mask's numbers mean; auto tells by topology.",
        ),
    ] = "auto",
    spacing: Annotated[
        str | None,
        typer.Option(
            help="True spacing in mm, columns x rows x slices such as 1.4x1.4x8, of masks whose "
            "header never got one."
        ),
    ] = None,
    mirror: Annotated[
        MirrorChoice,
        typer.Option(
            help="Hearts on the wrong side of the picture: auto turns or mirrors them by the "
            "heart's own layout, no believes the file, the others say what to do."
        ),
    ] = MirrorChoice.auto,
    slice_position: Annotated[
        float | None,
        typer.Option(help="0 base to 1 apex, for masks of one slice; stacks need none."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="Measure every slice against its mask; draw those again that miss it.",
        ),
    ] = True,
    redraws: Annotated[int, typer.Option(help="How often at most, with --check.")] = 3,
    formats: Annotated[
        list[Format],
        typer.Option(
            "--format",
            help="Files to write; may be repeated. dicom: a file a slice, and the mask as SEG.",
        ),
    ] = [Format.nifti],  # noqa: B006  which typer copies
    batch: Annotated[int, typer.Option(help="Images computed at once.")] = 8,
    precision: Annotated[
        PrecisionChoice,
        typer.Option(
            help="Of the arithmetic: bf16 is faster on processors that multiply it, and changes "
            "grey values by about 0.001; auto takes it there."
        ),
    ] = PrecisionChoice.fp32,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Skip masks whose images are there already, made by the same model with the "
            "same conditions and seed.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make synthetic images that follow masks, on the masks' own grids.

    Each image gets a JSON sidecar that says how it was made.

    \b
    Example, after `cmr-synth demo --out demo-out`:
      cmr-synth synthesize demo-out/masks/normal_mid_ES.nii.gz --vendor siemens --n 3 --out out

    \b
    With the look of a real slice, and without any mask:
      cmr-synth synthesize MASK --reference SCAN --reference-slice 4 --out out
      cmr-synth synthesize --unconditional --n 8 --out out
    """
    if masks and unconditional:
        raise typer.BadParameter("--unconditional takes no masks; leave one of both out.")
    if not masks and not unconditional:
        raise typer.BadParameter("name a MASK or a folder of masks, or give --unconditional.")

    from cmr_synth.anatomy.phenotypes import read_phenotype
    from cmr_synth.imaging.spacing import spacing_of
    from cmr_synth.processes import EndedElsewhere, joined
    from cmr_synth.synthesis.request import Request

    request = Request(
        model=model,
        device=device,
        labels=None if labels == "auto" else labels,
        spacing=None if spacing is None else spacing_of(spacing),
        mirror=mirror.value,
        vendor=vendor.lower() if vendor else None,
        phase=phase.upper() if phase else None,
        pathology=pathology.lower() if pathology else None,
        cohort=cohort.lower() if cohort else None,
        contrast=contrast.lower() if contrast else None,
        z=slice_position,
        surroundings=surroundings,
        phenotypes=tuple(read_phenotype(one) for one in phenotype or ()),
        n=n,
        seed=seed,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        prompt=prompt,
        reference=reference,
        reference_mask=reference_mask,
        reference_slice=reference_slice,
        reference_strength=reference_strength,
        redraws=redraws if check and masks else None,
        precision=precision.value,
        batch=batch,
    )
    names = [chosen.value for chosen in formats]
    _say_beyond(request)
    try:
        with joined() as group:
            if not masks:
                if group.is_main:  # so few images are not worth sharing
                    _unconditional(out, request, names, as_json)
                return
            request = replace(request, device=device or group.device)
            made, skipped = _run(masks, out, request, names, resume, as_json, group)
    except EndedElsewhere:
        sys.exit(1)
    if not group.is_main:
        return
    records = [record for number in sorted(made) for record in made[number]]
    there = f", {skipped} of them from before" if skipped else ""
    _tell(records, out, there, as_json)


def _say_beyond(request: Request) -> None:
    """Say what is asked for that no training patient had."""
    if request.phenotypes:
        from cmr_synth.generators import zoo

        for line in request.remarks(zoo.card_of(request.model)):
            remark(line)


def _tell(records: Sequence[dict[str, Any]], out: Path, remark: str, as_json: bool) -> None:
    files = [str(out / record["file"]) for record in records]
    result(
        {"files": files, "model": records[0]["model"], "records": records},
        [
            *files,
            *_checks(records),
            f"{len(files)} synthetic images with sidecars in {out}{remark}",
        ],
        as_json=as_json,
    )


def _unconditional(out: Path, request: Request, formats: list[str], as_json: bool) -> None:
    from cmr_synth.generators.interface import Progress
    from cmr_synth.synthesis.unconditional import run_unconditional

    steps = run_unconditional(out, request, formats=formats)
    made: tuple[dict[str, Any], ...] = ()
    with progress("synthesize", quiet=as_json) as tell, closing(steps):
        for step in steps:
            if isinstance(step, Progress):
                tell(step.step / step.steps, f"{request.n} images")
            else:
                made = step
    _tell(made, out, "", as_json)


def _run(
    masks: list[Path],
    out: Path,
    request: Request,
    formats: list[str],
    resume: bool,
    as_json: bool,
    group: Processes,
) -> tuple[dict[int, tuple[dict[str, Any], ...]], int]:
    """Records of every mask's images by its place, and how many images there were before."""
    from cmr_synth.synthesis.batch import BatchProgress, run_batch

    events = run_batch(masks, out, request, resume=resume, formats=formats, group=group)
    about: list[str] = []  # held back until it is known that every mask can be used
    made: dict[int, tuple[dict[str, Any], ...]] = {}
    skipped = 0
    quiet = as_json or not group.is_main
    # closing: an interrupted run tidies up before the program ends
    with progress("synthesize", quiet=quiet) as tell, closing(events):
        for event in events:
            if not group.is_main:
                continue
            if isinstance(event, BatchProgress):
                _say(about)
                tell(event.step / event.steps, f"{event.number + 1} of {event.total}")
                continue
            if event.records:
                made[event.number] = event.records
            if event.state == "waiting":
                about += [f"{event.path.name}: {event.message}", *event.notes]
            elif event.state == "found":
                about += event.notes
            elif event.state == "skipped":
                about.append(f"{event.path.name}: its images are in {out} already; skipped.")
                skipped += len(event.records)
            elif event.state == "done":
                _warn(event.path.name, event.records[0])
    _say(about)
    return made, skipped


def _say(lines: list[str]) -> None:
    """Say each line once."""
    while lines:
        remark(lines.pop(0))


def _checks(records: Sequence[dict[str, Any]]) -> list[str]:
    """What became of the checks of all images, in one line, if there were any."""
    checks = [record["check"] for record in records if "check" in record]
    if not checks:
        return []
    looked = sum(len(check["slices"]) for check in checks)
    again, left = (sum(check[what] for check in checks) for what in ("drawn_again", "missed"))
    return [
        f"{looked} slices checked against their masks: {again} drawn again, {left} still miss "
        "theirs" + (" (see `check` in the sidecars)" if left else "")
    ]


def _warn(name: str, record: dict[str, Any]) -> None:
    from cmr_synth.synthesis.checking import missed

    findings = record["findings"]
    for finding in findings[:SHOWN_FINDINGS]:
        where = "" if finding["slice_index"] is None else f" slice {finding['slice_index']}"
        if "frame" in finding:
            where = f" frame {finding['frame']}{where}"
        remark(f"{name}{where}: {finding['message']}")
    if len(findings) > SHOWN_FINDINGS:
        remark(f"{name}: {len(findings) - SHOWN_FINDINGS} more remarks are in the sidecar.")
    for one in record.get("check", {}).get("slices", ()):
        if one["missed"]:
            remark(f"{name} slice {one['slice']}: {missed(one)}; draw another, or leave it out.")
    if record["skipped_slices"]:
        skipped = ", ".join(str(k) for k in record["skipped_slices"])
        remark(f"{name}: slices without a heart were skipped and are 0: {skipped}.")
    if not record["orientation"].startswith("From the affine"):
        remark(f"{name}: {record['orientation']}")
