"""A blinded reader study: can people tell synthetic slices from real ones, and how good are they.

A study is a folder of pictures under random names, all of the same size and cut, with nothing but
pixels in their files; the key that says which is which lies in a file of its own, for the person
who runs the study. Every reader sees the pictures in an order of their own and answers into a file
of their own, which grows answer by answer, so that reading can be interrupted.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.readers.calls import CALLS, Calls, Reading, calls_of
from cmr_synth.evaluation.readers.statistics import cohen_kappa, fleiss_kappa
from cmr_synth.evaluation.sample import Sample
from cmr_synth.files import write_file, write_folder
from cmr_synth.text_files import number, read_table

STUDY, KEY, ANSWERS = "study.json", "key.json", "answers"
FORMAT = "cmr-synth reader study 1"
SIDE = 512  # pixels a side of the pictures: four times the working grid
QUALITIES = (1, 2, 3, 4, 5)
ANSWER_COLUMNS = ("image", "call", "quality", "seconds")


@dataclass(frozen=True)
class Answer:
    """What a reader says of one picture.

    Parameters
    ----------
    image : str
        File name.
    call : "real" or "synthetic"
    quality : int
        From 1 (not diagnostic) to 5 (excellent).
    seconds : float
        From showing the picture to the answer.
    """

    image: str
    call: str
    quality: int
    seconds: float


def make_study(
    out: Path, real: Sample, synthetic: Sample, *, images: int, seed: int
) -> dict[str, Any]:
    """Write a balanced, blinded study.

    As many real as synthetic pictures of every vendor, from different patients as far as there are
    any; no patient's mask is behind a real and a synthetic picture, so that no pair gives anything
    away.

    Parameters
    ----------
    out : Path
        A new folder; the key is written beside it, as `<name>-key.json`.
    real, synthetic : Sample
    images : int
        Of both kinds together; even.
    seed : int
        Of the choice of patients and of the names of the pictures.

    Returns
    -------
    dict
        Numbers of pictures by kind and vendor.

    Raises
    ------
    InputError
        If there are too few slices or patients, or a file cannot be written.
    """
    if images < 4 or images % 2:
        raise InputError(f"a study of {images} images is not balanced; ask for an even number.")
    rng = np.random.default_rng(seed)
    chosen = _balanced(real, synthetic, images // 2, rng)
    order = rng.permutation(len(chosen))
    entries = {}
    out = Path(out)
    with write_folder(out, replaces=STUDY) as folder:
        for number, place in enumerate(order):
            kind, sample, i = chosen[place]
            name = f"image-{number + 1:03d}.png"
            _write_picture(folder / name, sample.pixels[i])
            row = sample.rows[i]
            entries[name] = {
                "kind": kind,
                "source": sample.name,
                "vendor": row.vendor,
                "cohort": row.cohort,
                "patient": row.patient,
                "phase": row.phase,
                "slice": row.slice,
                "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            }
        about = {
            "format": FORMAT,
            "images": sorted(entries),
            "questions": {"call": list(CALLS), "quality": list(QUALITIES)},
            "study": _identity(entries),
        }
        (folder / STUDY).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    with write_file(key_of(out)) as temporary:
        key = {"format": FORMAT, "study": about["study"], "seed": seed, "images": entries}
        temporary.write_text(json.dumps(key, indent=2) + "\n", encoding="utf-8")
    counts: dict[str, dict[str, int]] = {}
    for entry in entries.values():
        of_vendor = counts.setdefault(entry["vendor"] or "unknown", dict.fromkeys(CALLS, 0))
        of_vendor[entry["kind"]] += 1
    return {"images": len(entries), "vendors": counts}


def key_of(study: Path) -> Path:
    """Where the key of a study lies: beside its folder, not in it."""
    study = Path(study).resolve()
    return study.with_name(f"{study.name}-{KEY}")


class ReaderStudy:
    """A study as one reader sees it.

    Parameters
    ----------
    folder : Path
    reader : str
        Letters, digits, "-" and "_"; gives order and answer file.

    Raises
    ------
    InputError
        If the folder holds no study, an image is missing, or an answer file is damaged.
    """

    def __init__(self, folder: Path, reader: str):
        self.folder = Path(folder)
        self.reader = _reader_name(reader)
        about = _read_json(self.folder / STUDY, "a reader study")
        self.study = str(about.get("study"))
        names = about.get("images")
        if about.get("format") != FORMAT or not isinstance(names, list) or not names:
            raise InputError(
                f"{self.folder / STUDY}: is no reader study of this version; make one with "
                "`cmr-synth evaluate reader-study make`."
            )
        if any(not isinstance(n, str) or Path(n).name != n for n in names):
            raise InputError(f"{self.folder / STUDY}: names images outside of its folder.")
        missing = [n for n in names if not (self.folder / n).is_file()]
        if missing:
            raise InputError(
                f"{self.folder}: {len(missing)} images are missing, the first {missing[0]}; copy "
                "the whole folder again."
            )
        self.order = _order(names, self.study, self.reader)
        self.answers: dict[str, Answer] = {
            answer.image: answer for answer in read_answers(self.answer_file, known=names)
        }

    @property
    def answer_file(self) -> Path:
        """Where the reader's answers go."""
        return self.folder / ANSWERS / f"{self.reader}.csv"

    @property
    def next(self) -> str | None:
        """The first image in the reader's order without an answer; None at the end."""
        return next((name for name in self.order if name not in self.answers), None)

    def picture(self, name: str) -> NDArray[np.uint8]:
        """Pixels of an image, (y, x) uint8."""
        from PIL import Image

        try:
            with Image.open(self.folder / name) as image:
                if image.size != (SIDE, SIDE):
                    raise ValueError(f"{image.size[0]} x {image.size[1]} pixels")
                return np.asarray(image.convert("L"))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder / name}: no picture of a study ({error}).") from error

    def answer(self, answer: Answer) -> None:
        """Keep an answer, on disk at once; a second one on the same image takes its place.

        Raises
        ------
        InputError
            If the answer is none of those asked for, or the file cannot be written.
        """
        if answer.image not in self.order:
            raise InputError(f"{answer.image}: is not in this study.")
        if answer.call not in CALLS or answer.quality not in QUALITIES:
            raise InputError(f"{answer.image}: say real or synthetic, and a quality from 1 to 5.")
        answers = {**self.answers, answer.image: answer}
        with (
            write_file(self.answer_file) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, ANSWER_COLUMNS)
            writer.writeheader()
            writer.writerows(asdict(one) for one in answers.values())
        self.answers = answers


def read_answers(path: Path, *, known: Sequence[str]) -> list[Answer]:
    """Answers of one reader, also as a spreadsheet saved them; none if there is no file yet.

    Raises
    ------
    InputError
        Naming file and line, if one is damaged.
    """
    if not path.exists():
        return []
    answers = []
    table = read_table(path)
    for line, row in zip(table.lines, table.rows, strict=True):
        cells = {column.lower(): cell for column, cell in row.items()}
        try:
            answer = Answer(
                cells["image"],
                cells["call"].lower(),
                _whole(cells["quality"]),
                number(cells["seconds"]),
            )
            if (
                answer.image not in known
                or answer.call not in CALLS
                or answer.quality not in QUALITIES
            ):
                raise ValueError("no answer to this study")
        except KeyError as error:
            raise InputError(
                f"{path}, line {line}: there is no column {error}; the columns are "
                f"{', '.join(ANSWER_COLUMNS)}."
            ) from error
        except ValueError as error:
            raise InputError(
                f"{path}, line {line}: is damaged ({error}); correct it or take it out."
            ) from error
        answers.append(answer)
    return answers


@dataclass(frozen=True)
class StudyResult:
    """Results of all readers.

    Parameters
    ----------
    images : int
        In the study.
    overall : Calls
    readers, vendors : sequence of Calls
        Vendors of whose images some were read.
    kappas : mapping of "a, b" to float
        Cohen's kappa of every two readers, on the images that both have read.
    fleiss : float or None
        Of all readers on the images that all have read; None with fewer than two readers.
    shared : int
        Images that all readers have read.
    """

    images: int
    overall: Calls
    readers: Sequence[Calls]
    vendors: Sequence[Calls]
    kappas: dict[str, float]
    fleiss: float | None
    shared: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {k: plain(v) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                return [plain(v) for v in value]
            return None if isinstance(value, float) and not np.isfinite(value) else value

        found: dict[str, Any] = plain(asdict(self))
        return found


def score_study(folder: Path, key: Path | None = None) -> StudyResult:
    """Score every answer file of a study against its key.

    Parameters
    ----------
    folder : Path
    key : Path, optional
        By default beside the folder.

    Raises
    ------
    InputError
        If the key is of another study, or there are no answers.
    """
    folder = Path(folder)
    key = key_of(folder) if key is None else Path(key)
    about, secret = _read_json(folder / STUDY, "a reader study"), _read_json(key, "a study's key")
    truth = secret.get("images")
    if not isinstance(truth, dict) or secret.get("study") != about.get("study"):
        raise InputError(f"{key}: is the key of another study than {folder}.")
    files = sorted((folder / ANSWERS).glob("*.csv"))
    answers = {file.stem: read_answers(file, known=list(truth)) for file in files}
    answers = {reader: given for reader, given in answers.items() if given}
    if not answers:
        raise InputError(f"{folder / ANSWERS}: holds no answers yet; read the study first.")
    vendors = sorted({truth[one.image]["vendor"] for of in answers.values() for one in of})
    call = {r: {one.image: one.call for one in given} for r, given in answers.items()}
    shared = sorted(set.intersection(*(set(calls) for calls in call.values())))
    kappas = {}
    for a, b in combinations(call, 2):
        both = sorted(set(call[a]) & set(call[b]))
        kappas[f"{a}, {b}"] = cohen_kappa(
            np.array([call[a][name] for name in both]), np.array([call[b][name] for name in both])
        )
    counts = [[sum(c[name] == kind for c in call.values()) for kind in CALLS] for name in shared]
    return StudyResult(
        images=len(truth),
        overall=calls_of("all", _readings(answers, truth)),
        readers=[calls_of(name, _readings({name: of}, truth)) for name, of in answers.items()],
        vendors=[
            calls_of(v or "unknown", _readings(_of_vendor(v, answers, truth), truth))
            for v in vendors
        ],
        kappas=kappas,
        fleiss=fleiss_kappa(np.array(counts)) if len(call) > 1 else None,
        shared=len(shared),
    )


def _of_vendor(
    vendor: str, answers: dict[str, list[Answer]], truth: dict[str, Any]
) -> dict[str, list[Answer]]:
    """Answers on images of one vendor, of the readers who have seen any."""
    found = {
        reader: [one for one in given if truth[one.image]["vendor"] == vendor]
        for reader, given in answers.items()
    }
    return {reader: given for reader, given in found.items() if given}


def _readings(answers: dict[str, list[Answer]], truth: dict[str, Any]) -> list[Reading]:
    """Every answer beside what the key says of its image."""
    return [
        Reading(
            reader,
            f"{truth[one.image]['cohort']} {truth[one.image]['patient']}",
            truth[one.image]["kind"],
            one.call,
            one.quality,
        )
        for reader, given in answers.items()
        for one in given
    ]


def _balanced(
    real: Sample, synthetic: Sample, each: int, rng: np.random.Generator
) -> list[tuple[str, Sample, int]]:
    """As many of both kinds for every vendor, vendors as even as their patients allow."""
    patients = {
        vendor: rng.permutation(np.unique(real.patients[real.vendors == vendor]))
        for vendor in np.unique(real.vendors)
        if (synthetic.vendors == vendor).any()
    }
    patients = {vendor: names for vendor, names in patients.items() if len(names) > 1}
    if not patients:
        raise InputError(
            f"{real.name} and {synthetic.name} share no vendor with two patients; a study needs "
            "both kinds of every vendor."
        )
    rows: list[tuple[str, Sample, int]] = []
    wanted = _shares(each, list(patients), rng)
    for vendor, names in patients.items():
        # halves of the patients: nobody's mask is behind both kinds
        for kind, sample, own in (
            ("real", real, names[::2]),
            ("synthetic", synthetic, names[1::2]),
        ):
            found = _spread(sample, vendor, own, wanted[vendor], rng)
            if len(found) < wanted[vendor]:
                raise InputError(
                    f"{sample.name}: has {len(found)} slices of {vendor or 'an unknown vendor'} "
                    f"for the study, which needs {wanted[vendor]}; ask for fewer images."
                )
            rows += [(kind, sample, i) for i in found]
    return rows


def _shares(each: int, vendors: list[str], rng: np.random.Generator) -> dict[str, int]:
    whole, rest = divmod(each, len(vendors))
    lucky = set(rng.permutation(vendors)[:rest])
    return {vendor: whole + (vendor in lucky) for vendor in vendors}


def _spread(
    sample: Sample, vendor: str, patients: NDArray, count: int, rng: np.random.Generator
) -> list[int]:
    """Slices, one of each patient in turn."""
    queues = [
        list(rng.permutation(np.flatnonzero((sample.patients == p) & (sample.vendors == vendor))))
        for p in patients
    ]
    found: list[int] = []
    while len(found) < count and any(queues):
        for queue in queues:
            if queue and len(found) < count:
                found.append(int(queue.pop()))
    return found


def _write_picture(path: Path, pixels: NDArray[np.float32]) -> None:
    """Grey values alone: no text, no time, no program's name."""
    from PIL import Image

    # both kinds lose what 8 bits lose, and are enlarged alike
    small = Image.fromarray(np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, format="PNG")


def _order(names: Sequence[str], study: str, reader: str) -> list[str]:
    seed = int.from_bytes(hashlib.sha256(f"{study} {reader}".encode()).digest()[:8], "big")
    return [names[i] for i in np.random.default_rng(seed).permutation(len(names))]


def _identity(entries: dict[str, Any]) -> str:
    hashes = [entries[name]["sha256"] for name in sorted(entries)]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _whole(text: str) -> int:
    """A whole number, also where a spreadsheet made 3.0 or 3,0 of it."""
    found = number(text)
    if not found.is_integer():
        raise ValueError(f"{text!r} is no whole number")
    return int(found)


def _reader_name(reader: str) -> str:
    name = reader.strip()
    if not name or len(name) > 40 or not all(c.isalnum() or c in "-_" for c in name):
        raise InputError(
            f"{reader!r}: is no reader's name; use up to 40 letters, digits, '-' and '_'."
        )
    return name


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not {what} ({error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: is not {what}.")
    return found
