"""`cmr-synth dial`: turn a disease on in a mask, and in the scan that it was drawn on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmr_synth.cli.console import Json, remark, result
from cmr_synth.cli.synthesize import MirrorChoice, check_labels

if TYPE_CHECKING:
    from cmr_synth.anatomy.dials import Effect

Wall = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AMOUNT[@REGION]",
        help="0 to 1.5: wall thicker by that share, such as 0.5@septal; may be repeated.",
    ),
]


def dial(
    masks: Annotated[
        list[Path], typer.Argument(metavar="MASK", help="NIfTI masks of one or more phases.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the masks.")],
    disease: Annotated[
        str | None,
        typer.Option(
            help="Where to begin: dcm, hcm-septal, hcm-concentric, hcm-apical, infarct-anterior, "
            "infarct-inferior, arv, rv-pressure or rv-volume."
        ),
    ] = None,
    severity: Annotated[
        float, typer.Option(help="Of the disease: 0 none, 1 a typical patient.")
    ] = 1.0,
    dilation: Annotated[
        float,
        typer.Option(help="-0.9 to 1.5: change of LV volume; the wall keeps its mass."),
    ] = 0.0,
    hypertrophy: Wall = None,
    thinning: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AMOUNT[@REGION]", help="0 to 0.8: wall thinner by that share; repeatable."
        ),
    ] = None,
    scar: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AMOUNT[@REGION]",
            help="0 to 1: transmurality of an infarct from the endocardium; repeatable.",
        ),
    ] = None,
    rv_dilation: Annotated[
        float, typer.Option(help="-0.9 to 1.5: change of the RV's volume.")
    ] = 0.0,
    septal_flattening: Annotated[
        float, typer.Option(help="0 to 1: from the septum as it is to a straight one.")
    ] = 0.0,
    apical_displacement: Annotated[
        float,
        typer.Option(help="-0.3 to 0.3: the apex away from the base, as a share of LV length."),
    ] = 0.0,
    basal_shift: Annotated[
        float,
        typer.Option(help="-0.3 to 0.3: the base towards the apex, as a share of LV length."),
    ] = 0.0,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--image",
            help="Real scan of each mask, in their order; it is altered alike, and marked so.",
        ),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            help="What the numbers mean: acdc, mnms, ukbb, emidec, numbers such as "
            "LV=3,MYO=2,RV=1, or auto, by topology.",
            callback=check_labels,
        ),
    ] = "auto",
    dicom: Annotated[
        bool,
        typer.Option("--dicom", help="Write the altered scans as DICOM, too, which says so."),
    ] = False,
    write_labels: Annotated[
        str,
        typer.Option(
            help="Numbers to write: mnms, acdc or ukbb; emidec shows scar and has no RV; or the "
            "numbers themselves, such as LV=1,MYO=2,RV=3,infarct=4,no-reflow=5."
        ),
    ] = "mnms",
    spacing: Annotated[
        str | None,
        typer.Option(help="True spacing in mm, columns x rows x slices such as 1.4x1.4x8."),
    ] = None,
    mirror: Annotated[
        MirrorChoice, typer.Option(help="Hearts on the wrong side of the picture.")
    ] = MirrorChoice.auto,
    as_json: Json = False,
) -> None:
    """Turn disease dials on masks: dilation, hypertrophy, infarct, right heart.

    Regions of the wall: septal, lateral, anterior, inferior, anteroseptal ...; basal, mid, apical,
    apex; both, such as mid-septal; AHA segments 1 to 17; joined by +. Each mask gets a JSON record
    with what was asked and what the new mask measures.

    \b
    Example, after `cmr-synth demo --out demo-out`:
      cmr-synth dial demo-out/masks/normal_mid_ES.nii.gz --hypertrophy 0.5@septal --out dialled
    """
    if images and len(images) != len(masks):
        raise typer.BadParameter("give as many --image as masks, in their order.")
    if dicom and not images:
        raise typer.BadParameter("--dicom writes altered scans; give them with --image.")

    from cmr_synth.anatomy.dials import Dials, combined, preset, scaled
    from cmr_synth.anatomy.dials.settings import regional
    from cmr_synth.files import sha256, staged
    from cmr_synth.imaging.masks import read_mask, unique_stems
    from cmr_synth.imaging.nifti import with_spacing
    from cmr_synth.imaging.readers import read_scan
    from cmr_synth.imaging.spacing import spacing_of
    from cmr_synth.synthesis.dialled import Upright, write_altered, write_turned
    from cmr_synth.synthesis.formats import DICOM_ENDINGS

    dials = Dials(
        dilation=dilation,
        hypertrophy=regional(hypertrophy or (), dial="hypertrophy"),
        thinning=regional(thinning or (), dial="thinning"),
        scar=regional(scar or (), dial="scar"),
        rv_dilation=rv_dilation,
        septal_flattening=septal_flattening,
        apical_displacement=apical_displacement,
        basal_shift=basal_shift,
    )
    if disease:
        dials = combined(scaled(preset(disease), severity), dials)
    scans: list[Path | None] = list(images) if images else [None] * len(masks)
    records: list[dict[str, Any]] = []
    lines: list[str] = []
    with staged(out, whole=DICOM_ENDINGS if dicom else ()) as folder:
        for path, stem, scan in zip(masks, unique_stems(masks), scans, strict=True):
            mask = read_mask(path, convention=None if labels == "auto" else labels)
            known = mask.scan if spacing is None else with_spacing(mask.scan, spacing_of(spacing))
            turned = Upright.of(known, mirror=mirror.value).turned(dials)
            record = write_turned(turned, folder, stem, numbers=write_labels)
            for note in record["notes"]:
                remark(note)
            records.append(record)
            lines += [str(out / record["file"]), *_said(turned.effects[turned.reference])]
            if scan is not None:
                image = read_scan(scan)
                if spacing is not None:
                    image = with_spacing(image, spacing_of(spacing))
                file = {"sha256": sha256(scan)} if scan.is_file() else {}
                record = write_altered(turned, image, folder, image.stem, facts=file, dicom=dicom)
                records.append(record)
                lines.append(str(out / record["file"]))
    facts = {"folder": str(out), "dials": dials.record(), "records": records}
    result(facts, lines, as_json=as_json)


def _said(effects: tuple[Effect, ...]) -> list[str]:
    """Each effect in a line."""
    return [
        f"  {e.name}: {e.before:.3g} -> {e.measured:.3g} {e.unit} (asked {e.asked:.3g})".rstrip()
        for e in effects
    ]
