"""The one error that a user can cause and that is shown to them as a single line."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what was found, where, and what to do about it. Command-line verbs
    print it as it is and exit with code 1; panels show it as it is.
    """
