"""What is done of a release: a folder that survives a kill, and from which it goes on.

Beside the release that is asked for lies `.NAME.making` with `release/`, which becomes it, and
`state/`, which says what in it is whole: a document for every patient, written last, and the
decisions on who is made again. A patient without a document is made from the beginning; decisions
are read, never taken twice, so that an interrupted release ends as an undisturbed one does.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmr_synth.errors import InputError
from cmr_synth.files import sha256, write_file

ABOUT, DECISIONS = "about.json", "decisions.json"


@dataclass(frozen=True)
class Work:
    """The hidden folder of a release in the making.

    Parameters
    ----------
    out : Path
        Where the release will be.
    """

    out: Path

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.out.with_name(f".{self.out.name}.making")

    @property
    def release(self) -> Path:
        """What becomes the release."""
        return self.folder / "release"

    @property
    def state(self) -> Path:
        """What is done."""
        return self.folder / "state"

    @property
    def scratch(self) -> Path:
        """For what is made on the way and not kept, such as trainings."""
        return self.folder / "scratch"

    def begin(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Make the folder, or find what an earlier run with the same request has left.

        Parameters
        ----------
        about : mapping
            What decides the release; see `making`. The date of an earlier run counts on.

        Returns
        -------
        dict
            What counts from now on.

        Raises
        ------
        InputError
            If another release is in the making there, or the folder cannot be written to.
        """
        try:
            for folder in (self.release, self.state):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.folder}: cannot be written ({error.strerror}); choose another --out."
            ) from error
        path = self.state / ABOUT
        if not path.is_file():
            self._write(path, about)
            return dict(about)
        before = self._read(path)
        for field, what in (
            ("model_identity", "model"),
            ("archive_sha256", "archive"),
            ("masks_sha256", "given masks"),
            ("versions", "versions of the program and its libraries"),
            ("request", "request"),
        ):
            if before.get(field) != about.get(field):
                raise InputError(
                    f"{self.folder}: holds a release in the making, and the {what} changed since "
                    "it was begun; put back what was there, or delete that folder to begin anew."
                )
        return before

    def patients(self) -> dict[int, dict[str, Any]]:
        """What is known of every patient who is whole, by number."""
        found = {}
        for path in sorted(self.state.glob("syn*.json")):
            one = self._read(path)
            found[int(one["number"])] = one
        return found

    def write_patient(self, ident: str, facts: Mapping[str, Any]) -> None:
        """Say that a patient is whole."""
        self._write(self.state / f"{ident}.json", facts)

    def check(self) -> list[str]:
        """Forget patients whose files are not what their documents say, after a power cut.

        Returns
        -------
        list of str
            Whom.
        """
        forgotten = []
        for path in sorted(self.state.glob("syn*.json")):
            one = self._read(path)
            for name, digest in one["files"].items():
                file = self.release / name
                if not file.is_file() or sha256(file) != digest:
                    path.unlink()
                    forgotten.append(str(one["ident"]))
                    break
        return forgotten

    def decisions(self) -> dict[str, Any]:
        """Who was made again in each round, and who was left out at the end, or None."""
        path = self.state / DECISIONS
        return self._read(path) if path.is_file() else {"rounds": [], "withheld": None}

    def decide(self, decisions: Mapping[str, Any]) -> None:
        """Write decisions down; from now on they hold."""
        self._write(self.state / DECISIONS, decisions)

    def finish(self) -> None:
        """The release takes its place."""
        try:
            if self.out.is_dir():
                self.out.rmdir()  # an empty one
            self.release.replace(self.out)
        except OSError as error:
            raise InputError(
                f"{self.out}: cannot be written ({error.strerror}); make room for it and run the "
                "same command again."
            ) from error
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, path: Path, facts: Mapping[str, Any]) -> None:
        with write_file(path) as temporary:
            temporary.write_text(json.dumps(facts) + "\n", encoding="utf-8")

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); delete {self.folder} to begin anew."
            ) from error
        return found
