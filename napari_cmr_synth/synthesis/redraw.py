"""The job behind the live preview: it keeps a model warm and draws what was asked for last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from cmr_synth.anatomy.labels import convert
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan

from .._jobs import Latest, Questions
from .._models import loaded

if TYPE_CHECKING:
    from cmr_synth.generators.zoo import Model
    from cmr_synth.synthesis.interactive import Session
    from cmr_synth.synthesis.request import Request

STEPS = 1
"""Network evaluations of a preview at most. One keeps the heart right and leaves the surroundings
hazy; a second makes them clear and costs 40 ms (`benchmarks/live_preview.py --steps 2`)."""


LEAST = 1e-5
"""Grey value of black in a picture, so that 0 says that there is none."""


@dataclass(frozen=True, eq=False)
class Question:
    """One slice of a mask as it is now.

    Attributes
    ----------
    labels : (z, y, x) array
        Numbers of the frame as in the layer, a copy.
    frame, k : int
        Which frame it is, and the slice to draw.
    request : Request
        What to make of it; `Request.labels` says what the numbers mean.
    asked : float
        When the edit ended, on the clock of `time.perf_counter`.
    urgent : bool
        Whether it ends what is being drawn. Those in the middle of a stroke wait for it.
    """

    labels: NDArray[Any]
    frame: int
    k: int
    request: Request
    asked: float
    urgent: bool = True


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of a question: a picture, or one line that says why there is none.

    Attributes
    ----------
    pixels : (y, x) float32 array or None
        In [`LEAST`, 1] where the model's grid reaches, and 0 elsewhere.
    reason : str
    """

    question: Question
    pixels: NDArray[np.float32] | None = None
    reason: str = ""


class Redrawer(Latest):
    """Draws slices one at a time; ask it by `questions.ask(question)`.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) numbers of the layer at the start; may be empty or hold extra labels.
    convention : str
        What they mean.
    model : str
        Name in the zoo.
    device : str, optional
        As in `_models.loaded`.
    window : QWidget, optional
        That ends it when it is closed.
    """

    answered = Signal(object)
    """An `Answer`."""

    def __init__(
        self,
        mask: Scan,
        convention: str,
        model: str,
        device: str | None,
        window: QWidget | None,
    ):
        super().__init__(
            "Live preview",
            lambda questions: _answers(questions, mask, convention, model, device),
            on_result=lambda answer: self.answered.emit(answer),
            on_done=self._note_failure,
            parent=window,
        )
        self.failed = False
        """Whether a fault ended it."""

    def _note_failure(self, _cancelled: bool, error: BaseException | None) -> None:
        self.failed = error is not None


def _answers(
    questions: Questions[Question], mask: Scan, convention: str, name: str, device: str | None
) -> Iterator[Answer]:
    """Run in the worker: an answer to each question that no urgent one overtakes."""
    model = loaded(name, device)
    _warm_up(questions, model)
    session: Session | None = None
    for question in questions:
        try:
            session = session or _session(mask, convention, model)
            meaning = question.request.labels or convention
            labels = convert(question.labels, meaning, name=mask.name)
            answer = _draw(questions, session, model, question, labels)
        except InputError as error:
            answer = Answer(question, reason=str(error))
        if answer is not None:
            yield answer


def _session(mask: Scan, convention: str, model: Model) -> Session:
    from cmr_synth.synthesis.interactive import Session

    labels = convert(np.asarray(mask.array), convention, name=mask.name)
    return Session(mask.with_array(labels), model)


def _warm_up(questions: Questions[Question], model: Model) -> None:
    """The first evaluation allocates and is slow: better before a stroke than after it."""
    from cmr_synth.generators.interface import Condition

    for _ in model.generator.sample([Condition()], seed=0, steps=1):
        if questions.closed:
            return


def _draw(
    questions: Questions[Question],
    session: Session,
    model: Model,
    question: Question,
    labels: NDArray[np.uint8],
) -> Answer | None:
    from cmr_synth.synthesis.interactive import Picture

    asked, known = question.request, model.card.conditions
    run = session.redraw(
        labels,
        question.k,
        replace(
            asked,
            # the preview's model need not be the one that the entries were chosen for
            vendor=asked.vendor if asked.vendor in known.vendors else None,
            phase=asked.phase if asked.phase in known.phases else None,
            pathology=asked.pathology if asked.pathology in known.pathologies else None,
            cohort=asked.cohort if asked.cohort in known.cohorts else None,
            contrast=asked.contrast if asked.contrast in known.contrasts else None,
            sampler=None,
            prompt=None,
            steps=min(STEPS, model.card.default_steps or STEPS),
            guidance=1.0,  # any other doubles the work
            precision="auto",  # what is kept is made in float32
        ),
        frame=question.frame,
    )
    for item in run:
        if isinstance(item, Picture):
            pixels = np.where(item.covered, np.maximum(item.pixels, LEAST), 0)
            return Answer(question, pixels=pixels)
        newer = questions.waiting
        if questions.closed or (newer is not None and newer.urgent):
            questions.dropped += 1
            return None
    return None
