"""`cmr-synth contours`: contours of clinical programs become masks, and masks become contours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cmr_synth.cli.console import Json, remark, result
from cmr_synth.errors import InputError

app = typer.Typer(
    help="Masks from contours of cvi42 or Sunnybrook, and contours from masks.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Images = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the DICOM images that the contours are drawn on."),
]


@app.command("to-mask")
def to_mask(
    contours: Annotated[
        Path, typer.Argument(help="A .cvi42wsx file, or a folder of Sunnybrook's text files.")
    ],
    out: Annotated[Path, typer.Option("--out", help="NIfTI mask: 1 LV, 2 myocardium, 3 RV.")],
    images: Images = None,
    as_json: Json = False,
) -> None:
    """Fill contours on the grid of their DICOM images, sub-pixel exact.

    \b
    Example:
      cmr-synth contours to-mask patient1.cvi42wsx --images dicom/patient1 --out patient1_gt.nii.gz
    """
    from cmr_synth.imaging.contours.masks import read_contour_mask
    from cmr_synth.imaging.nifti import write_nifti

    mask = read_contour_mask(contours, images)
    for note in mask.notes:
        remark(note)
    out.parent.mkdir(parents=True, exist_ok=True)
    path = write_nifti(mask, out)
    facts = {"file": str(path), "labels": "mnms", "shape": mask.shape, "notes": mask.notes}
    result(facts, [str(path)], as_json=as_json)


@app.command("from-mask")
def from_mask(
    mask: Annotated[Path, typer.Argument(help="NIfTI mask on the grid of the images.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="A .cvi42wsx file, or a new folder for Sunnybrook's text files."
        ),
    ],
    images: Annotated[Path, typer.Option("--images", help="Folder of one DICOM series.")],
    labels: Annotated[
        str,
        typer.Option(
            help="What the mask's numbers mean: acdc, mnms, ukbb, auto, or such as LV=3,MYO=2,RV=1."
        ),
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Write the contours of a mask, so that cvi42 shows them on the images.

    \b
    Example:
      cmr-synth contours from-mask patient1_gt.nii.gz --images dicom/patient1 --out p1.cvi42wsx
    """
    from cmr_synth.imaging.contours.cvi42 import SUFFIX, write_cvi42
    from cmr_synth.imaging.contours.masks import contours_of
    from cmr_synth.imaging.contours.sunnybrook import write_sunnybrook
    from cmr_synth.imaging.masks import read_mask
    from cmr_synth.imaging.readers import read_scan

    read = read_mask(mask, convention=None if labels == "auto" else labels)
    found, lost = contours_of(read.scan, read_scan(images))
    if lost:
        remark(
            f"{mask.name}: {lost} pixels lie in smaller parts or holes, which one contour a "
            "structure and slice cannot say; they are left out."
        )
    if out.suffix.lower() == SUFFIX:
        files = [write_cvi42({place.uid: one for place, one in found.items()}, out)]
    else:
        unnumbered = next((place for place in found if place.number is None), None)
        if unnumbered is not None:
            raise InputError(
                f"{images}: a file has no number in its name, by which Sunnybrook's contours are "
                f"called; write {SUFFIX} in place of them."
            )
        named = {place.number or 0: one for place, one in found.items()}
        files = write_sunnybrook(named, out)
    facts = {"files": [str(file) for file in files], "images": len(found), "pixels_lost": lost}
    result(facts, [f"{out}: contours on {len(found)} images"], as_json=as_json)
