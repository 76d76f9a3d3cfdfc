"""What other packages add to this one, by entry points: found by name, refused in one line.

Names map to `module:object` strings, the same form as an entry point, so that what is built in and
what comes from elsewhere load alike and lazily. A package that does not import, or brings the wrong
thing, is named; everything else goes on working.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from cmr_synth.errors import InputError


def declared(group: str, built_in: Mapping[str, str], *, what: str) -> dict[str, EntryPoint]:
    """Every entry of a group by name, built-in ones first; nothing is imported before `load`.

    Parameters
    ----------
    group : str
        Of entry points.
    built_in : mapping of name to "module:object"
    what : str
        One of them in a word, for messages: "generator".

    Raises
    ------
    InputError
        If a name is declared twice.
    """
    found: dict[str, EntryPoint] = {}
    ours = [EntryPoint(name, value, group) for name, value in built_in.items()]
    for entry in [*ours, *_installed(entry_points, group)]:
        if entry.name in found:
            raise InputError(
                f"{what} {entry.name!r} is declared twice: {found[entry.name].value}, "
                f"{entry.value}; update or uninstall the package {package_of(entry)!r}."
            )
        found[entry.name] = entry
    return found


def load(entry: EntryPoint, *, what: str, fault: Callable[[Any], str | None]) -> Any:
    """The object of an entry.

    Parameters
    ----------
    entry : EntryPoint
        From `declared`.
    what : str
        As there.
    fault : callable
        Says in words what is wrong with the object, or None.

    Raises
    ------
    InputError
        Naming the package, if it cannot be imported or the object is not what it should be.
    """
    try:
        found = entry.load()
    except Exception as error:  # whatever somebody else's module does
        raise refusal(entry, what, reason_of(error)) from error
    wrong = fault(found)
    if wrong:
        raise refusal(entry, what, wrong)
    return found


def package_of(entry: EntryPoint) -> str:
    """The package that an entry comes from."""
    dist = entry.dist
    return dist.name if dist is not None else entry.module.partition(".")[0]


def reason_of(error: Exception) -> str:
    """The first line of an error, or its kind."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def missing(found: Any, names: tuple[str, ...]) -> str | None:
    """Which of the names an object lacks, in words; None if it has them all."""
    lacking = [name for name in names if not hasattr(found, name)]
    return f"it declares no {', '.join(lacking)}" if lacking else None


def refusal(entry: EntryPoint, what: str, reason: str) -> InputError:
    """The one line for an entry that cannot be used."""
    return InputError(
        f"{what} {entry.name!r} of the package {package_of(entry)!r} cannot be used ({reason}); "
        "update or uninstall that package."
    )


@cache
def _installed(find: Callable[..., Iterable[EntryPoint]], group: str) -> tuple[EntryPoint, ...]:
    """What packages declare of a group; a look opens every package installed, so one is enough."""
    return tuple(find(group=group))
