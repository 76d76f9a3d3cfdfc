"""Two diseases of one heart side by side: pictures of the slice in view, from one seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from cmr_synth.anatomy.dials import Dials

from .. import _settings
from .._grid_view import GridView
from .._in_view import in_view
from .._mask_layer import to_engine
from .._masks import numbers_of, structure_numbers
from .._models import fastest, loaded
from .._results import add_result
from .one_job import OneJob

if TYPE_CHECKING:
    from cmr_synth.synthesis.record import Synthetic

SEED = 0


class SideBySide(OneJob):
    """Makes pictures of a mask under several dials, each into a cell of the grid.

    `changed` tells that the old view is back, too.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget
        Whose window the job works for.
    """

    def __init__(self, viewer: Any, parent: QWidget):
        super().__init__(viewer, parent)
        self.grid = GridView(self._viewer, self)
        self.grid.left.connect(self.changed)

    def show(self, layer: Any, begun: Any, dials: Mapping[str, Dials]) -> None:
        """Make the pictures.

        Parameters
        ----------
        layer : napari Labels layer
            Where the slice in view is looked up, and below which pictures lie.
        begun : array
            Numbers of that layer before dials were turned, which all dials begin at.
        dials : mapping
            By the names that the pictures get.

        Raises
        ------
        InputError
            If there is no model.
        """
        if self.running:
            return
        self.leave()
        numbers = numbers_of(layer)
        engine = numbers.with_array(
            to_engine(begun.reshape(numbers.shape), structure_numbers(layer))
        )
        frame, k = in_view(self._viewer, layer)
        part = {"slices": [k], "frames": [frame] if engine.is_cine else None}
        model, device = fastest(), _settings.device()
        vendor = _settings.get("vendor") or None

        def run() -> Iterator[Any]:
            from cmr_synth.synthesis.dialled import Upright
            from cmr_synth.synthesis.request import Request
            from cmr_synth.synthesis.what_if import across_masks

            upright = Upright.of(engine)
            turned = [upright.turned(one) for one in dials.values()]
            request = Request(model=model, seed=SEED, vendor=vendor)
            made = across_masks(
                [one.mask for one in turned], loaded(model, device), request, **part
            )
            names = iter(dials.items())
            for item in made:
                if hasattr(item, "record"):
                    name, own = next(names)
                    item.record["dials"] = own.record()
                    yield name, item
                else:
                    yield item

        receive = partial(self._receive, layer=layer, of=len(dials))
        self._start("Diseases side by side", run, receive)

    def leave(self) -> None:
        """Show again what was shown before; the pictures go."""
        self.grid.leave(keep=False)

    def stop(self) -> None:
        """Make no more."""
        self._cancel()
        self.leave()

    def _receive(self, found: tuple[str, Synthetic], *, layer: Any, of: int) -> None:
        name, synthetic = found
        picture = add_result(self._viewer, synthetic, layer, name=name)
        picture.contrast_limits = (0.0, 1.0)  # the model's own scale, the same for all
        self.grid.show(picture, of=of)
