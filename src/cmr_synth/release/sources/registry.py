"""Sources of people by the word that a request names them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cmr_synth.release.asked import Asked, everyone
from cmr_synth.release.request import ReleaseRequest
from cmr_synth.release.sources.contract import Source


@dataclass(frozen=True, eq=False)
class People:
    """Everybody who is asked for, and where they come from."""

    source: Source
    asked: list[Asked]


def people_of(request: ReleaseRequest, vendors: Sequence[str]) -> People:
    """Everybody of a release.

    Parameters
    ----------
    request : ReleaseRequest
    vendors : sequence of str
        That the model knows.

    Raises
    ------
    InputError
        If given masks cannot be read.
    """
    asked = everyone(request, vendors)
    if request.is_given:
        from cmr_synth.release.sources.given import GivenMasks

        given = GivenMasks(request)
        given.assign(asked)
        return People(given, asked)
    if request.masks == "templates":
        from cmr_synth.release.sources.templates import Templates

        return People(Templates(request), asked)
    from cmr_synth.release.sources.sampled import Sampled

    return People(Sampled(request), asked)
