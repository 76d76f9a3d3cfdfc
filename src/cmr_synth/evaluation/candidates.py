"""What is evaluated: a model of the zoo, or a folder of somebody's synthetic images and masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import counterpart_sample
from cmr_synth.evaluation.events import Event, Told, outcome, titled
from cmr_synth.evaluation.sample import Sample, read_sample, require_synthetic
from cmr_synth.evaluation.setting import Setting

if TYPE_CHECKING:
    from cmr_synth.generators.card import Card
    from cmr_synth.generators.zoo import Model


@dataclass(frozen=True, eq=False)
class Candidate:
    """A candidate and its synthetic slices.

    Parameters
    ----------
    name : str
    sha256 : str or None
        Of a model's weights.
    sample : Sample
    paired : bool
        Whether every slice is the counterpart of the held-out slice of the same number.
    masked : bool
        Whether the slices follow masks.
    folder : Path or None
        Of the model, which can be asked for more.
    steps : int or None
        Network evaluations a slice that the model was given.
    again : Sample or None
        The same slices with other noise, if the setting asks for them.
    """

    name: str
    sha256: str | None
    sample: Sample
    paired: bool
    masked: bool = True
    folder: Path | None = None
    steps: int | None = None
    again: Sample | None = None


def candidates(names: Sequence[str], setting: Setting) -> Iterator[Told | Candidate]:
    """Make or read the synthetic slices of every candidate.

    Parameters
    ----------
    names : sequence of str
        Models of the zoo or their folders, which make counterparts of the held-out slices; and
        cohorts with a folder, such as ``folder=made``, whose slices are taken as they are.

    Yields
    ------
    Told or Candidate
        In the order of `names`, each candidate after the events of its making.

    Raises
    ------
    InputError
        If a name is given twice, is neither a model nor data, or a file is at fault.
    """
    from cmr_synth.generators import zoo

    if len(set(names)) < len(names):
        raise InputError("a candidate is named twice; name each once.")
    # every name is looked up before the first slice is made
    entries = [None if "=" in name else zoo.find(name) for name in names]
    for name, entry in zip(names, entries, strict=True):
        if entry is None:
            yield from _read(name, setting)
        else:
            yield from counterparts_by(entry.name, zoo.load(entry.folder), entry.folder, setting)


def counterparts_by(
    name: str, model: Model, folder: Path | None, setting: Setting
) -> Iterator[Told | Candidate]:
    """The candidate of one loaded model: events of its making, then itself.

    Raises
    ------
    InputError
        If it does not make the contrast of the held-out slices.
    """
    require_contrast(model.card, setting.held_out)
    masked = "mask" in model.generator.takes
    steps = setting.steps or model.card.default_steps
    made = []
    for again, title in enumerate((f"make {name}", f"make {name} again, for the null")):
        if again <= setting.null:
            run = counterpart_sample(
                model.generator,
                setting.held_out,
                name=name,
                seed=setting.seed,
                steps=steps,
                again=again,
            )
            made.append((yield from outcome(titled(title, run))))
    sample, other_noise = made[0], made[1] if setting.null else None
    yield Candidate(name, model.card.sha256, sample, masked, masked, folder, steps, other_noise)


def require_contrast(card: Card, real: Sample) -> None:
    """Refuse to compare a model with slices of a contrast that it does not make.

    Raises
    ------
    InputError
        Naming both.
    """
    known = card.conditions.contrasts or (card.conditions.contrast,)
    if beyond := sorted({row.contrast for row in real.rows} - set(known)):
        raise InputError(
            f"{card.name} makes {', '.join(known)}, and the slices are of {beyond[0]}; name "
            "cohorts of its contrast, or another model."
        )


def reconstructions(names: Sequence[str], setting: Setting) -> Iterator[Told | Candidate]:
    """What the autoencoders of the models among `names` make of the held-out slices.

    Raises
    ------
    InputError
        If none has an autoencoder.
    """
    from cmr_synth.evaluation.realism.reconstruction import has_autoencoder, reconstruction
    from cmr_synth.generators import zoo

    found = False
    for entry in (zoo.find(name) for name in names if "=" not in name):
        model = zoo.load(entry.folder)
        if not has_autoencoder(model.generator):
            continue
        found = True
        name = f"{entry.name}, reconstruction"
        run = reconstruction(model.generator, setting.held_out, name=name)
        sample = yield from outcome(titled(name, run))
        yield Candidate(name, model.card.sha256, sample, paired=True)
    if not found:
        raise InputError(f"--reconstruction: none of {', '.join(names)} has an autoencoder.")


def _read(source: str, setting: Setting) -> Iterator[Told | Candidate]:
    from cmr_synth.cohorts.registry import parse_sources

    ((cohort, folder),) = parse_sources([source])
    for event in read_sample(cohort, folder):
        if isinstance(event, str):
            yield Event(f"read {folder.name}", None, event)
        else:
            require_synthetic(event, setting.held_out)
            yield Candidate(folder.name, None, event, paired=False)
