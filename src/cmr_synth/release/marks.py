"""Marks that say synthetic to people and to programs, one in every file of a release.

NIfTI files have it in their description, DICOM files in Synthetic Data (0008,001C), JSON documents
in the field "synthetic", PNG files in text chunks, tables in a column, YAML and lists in a first
comment, pages and PDF files in their metadata. The word for machines is IPTC's digital source type
of media made by a trained model.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.synthesis.record import MARK

if TYPE_CHECKING:
    from PIL import Image

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC NewsCodes: created by a model trained on sampled content."""
COLUMN = "synthetic"
COMMENT = f"# {MARK}: made by cmr-synth; nobody in it exists. {SOURCE_TYPE}\n"
META = f'<meta name="digital-source-type" content="{SOURCE_TYPE}">'
KEYWORDS = f"{MARK}, {SOURCE_TYPE}"
PNG_TEXT = {"SyntheticData": "YES", "DigitalSourceType": SOURCE_TYPE, "Comment": MARK}
_HEAD = 1 << 16  # bytes that a mark is looked for in, from the beginning


def write_png(image: Image.Image, path: Path) -> None:
    """Write a picture with the marks as text chunks; equal pictures give equal bytes."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    for name, words in PNG_TEXT.items():
        text.add_text(name, words)
    image.save(path, format="PNG", pnginfo=text, optimize=True)


def marked_page(html: str) -> str:
    """A page with the mark in its head."""
    return html.replace("<head>\n", f"<head>\n{META}\n", 1)


def is_marked(path: Path) -> bool:
    """Whether a file of a release says that it is synthetic, as its kind does."""
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        import nibabel as nib

        header: Any = nib.load(path).header
        return bytes(header["descrip"]).startswith(MARK.encode())
    if name.endswith(".dcm"):
        from pydicom import dcmread

        return dcmread(path, stop_before_pixels=True).get("SyntheticData") == "YES"
    if name.endswith(".json"):
        stated = json.loads(path.read_text(encoding="utf-8"))
        return isinstance(stated, dict) and stated.get("synthetic") is True
    if name.endswith(".png"):
        from PIL import Image

        with Image.open(path) as image:
            return dict(getattr(image, "text", {})).get("SyntheticData") == "YES"
    opened = gzip.open if name.endswith(".gz") else open
    with opened(path, "rb") as file:
        head = file.read(_HEAD)
    if name.endswith((".csv", ".tsv")):
        return COLUMN in head.split(b"\n", 1)[0].decode("utf-8", "replace").strip().replace(
            "\t", ","
        ).split(",")
    return SOURCE_TYPE.encode() in head or SOURCE_TYPE.encode() in path.read_bytes()
