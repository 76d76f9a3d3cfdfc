"""Write docs/reference/cli.md from the help of the program itself.

Run with `make docs-cli` after changing a verb; a test fails while the page is stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cmr_synth.cli import build

PAGE = Path(__file__).parent / "reference" / "cli.md"
WIDTH = 88  # characters a line

HEAD = """\
# Command line

What every verb says of itself. Results go to stdout, everything else to stderr; `--json` makes the
result readable for programs. The exit code is 0 for done, 1 for input that is at fault (one line
says what, where, and what to do), 2 for wrong usage.

<!-- written by docs/make_cli_reference.py; change the program, not this page -->
"""


def main() -> None:
    """Write the page, replacing the old one."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page in Markdown."""
    parts = [HEAD]
    for words, text in helps(typer.main.get_command(build()), ("cmr-synth",)):
        level = "##" if len(words) < 3 else "###"
        parts.append(f"{level} {' '.join(words)}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def helps(
    command: Any, words: tuple[str, ...], parent: Any = None
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the words of every command and its help, parents first."""
    context = command.context_class(
        command,
        info_name=words[-1],
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    lines = [line.rstrip() for line in command.get_help(context).strip().splitlines()]
    yield words, "\n".join(lines)
    for name, verb in getattr(command, "commands", {}).items():
        yield from helps(verb, (*words, name), context)


if __name__ == "__main__":
    main()
