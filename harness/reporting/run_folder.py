"""The folder of one run, ``reports/<run>``, and what a run comes to in the end; the same through every front door."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.clock import Clock, SystemClock
from harness.core.errors import UsageError, reason
from harness.core.identifiers import Randomness
from harness.core.plain_json import encode
from harness.reporting.runs import VERDICTS
from harness.stack.options import StackOptions

if TYPE_CHECKING:
    from harness.reporting.finish import Finished
    from harness.reporting.verdict import Verdict

__all__ = ["RunFolder", "folder_name"]

_READ_BACK = re.compile(r"(?:\w+/)*\w+\.py::\w+|\w[\w.]*(?: [\w.]+)*", re.ASCII)
"""Names that can be read back from their folder's, which has a dash for what is between two words."""
LONGEST = 90
"""Characters of a test's name in its folder's."""


class RunFolder:
    """Where a run leaves what it recorded: a folder for each test, the page, and what CI reads."""

    def __init__(
        self, path: Path, root: Path | None = None, options: StackOptions | None = None, clock: Clock | None = None
    ) -> None:
        self.path = path
        self._root, self._options, self._clock = root or Path.cwd(), options or StackOptions(), clock or SystemClock()
        self._environment = dict(os.environ)

    @classmethod
    def new(cls, root: Path, options: StackOptions, clock: Clock) -> RunFolder:
        """A folder below ``options.reports``, created when the first test writes into it.

        Its name starts with the time, so that names sort, and ends in random digits, so that no two runs share one.
        """
        name = f"{clock.utcnow().strftime('%Y-%m-%dT%H-%M-%S-%f')[:-3]}-{Randomness().token(4)}"
        return cls(root / options.reports / name, root, options, clock)

    def check(self) -> None:
        """Raise UsageError where it could not be made, so that this is said once and before anything runs."""
        there = next(each for each in self.path.parents if each.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            what = "cannot be written to" if there.is_dir() else "is no folder"
            raise UsageError(what, where=str(there), do="name another folder for the reports: --reports")

    def claim(self, test: str) -> Path:
        """A new folder for the history and the result of ``test``; what is there already is another's and stays.

        Where none can be made the path is returned all the same: whoever writes there says what is wrong.
        """
        self._make_reports()
        for folder in self._folders(test):
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError:
                pass
            return folder
        raise AssertionError("there is always another name")

    def claimed(self, test: str) -> list[Path]:
        """The folders that there are for ``test``, in the order in which they were claimed."""
        found = []
        for folder in self._folders(test):
            if not folder.is_dir():
                break
            found.append(folder)
        return found

    def leave(self, verdicts: Iterable[Verdict]) -> str | None:
        """Add tests that left nothing but a verdict, a line each; returns what went wrong, in words."""
        lines = b"".join(encode(asdict(verdict)) + b"\n" for verdict in verdicts)
        self._make_reports()
        try:
            self.path.mkdir(exist_ok=True)
            with (self.path / VERDICTS).open("ab") as file:
                file.write(lines)
        except OSError as error:
            return reason(error)
        return None

    def finish(self) -> Finished:
        """Make what a run leaves behind from what was recorded; nothing where nothing was. Never raises for what cannot
        be written: it is in ``trouble``."""
        from harness.reporting.finish import Ci, Finished, finish_run

        if not self.path.is_dir():
            return Finished()
        if [entry.name for entry in self.path.iterdir()] == [VERDICTS]:  # no test had a stack
            shutil.rmtree(self.path, ignore_errors=True)
            return Finished()
        options = self._options
        summary = self._root / options.summary if options.summary else None
        ci = Ci.of(self._environment, annotations=options.annotations, summary=summary)
        return finish_run(self.path, root=self._root, clock=self._clock, keep=options.keep, ci=ci)

    def _make_reports(self) -> None:
        """A folder for reports that is not there yet is kept out of git."""
        reports = self.path.parent
        if not reports.exists():
            with suppress(OSError):
                reports.mkdir(parents=True)
                (reports / ".gitignore").write_text("# Made by the harness.\n*\n", encoding="utf-8")

    def _folders(self, test: str) -> Iterator[Path]:
        return (self.path / folder_name(test, number) for number in count(1))


def folder_name(test: str, number: int = 1) -> str:
    """A name for the ``number``-th folder of a test. Every file system takes it, and no other test has it.

    A name that can be read back is written in words: ``scenarios/test_link.py::test_cut`` in
    ``scenarios-test_link-test_cut``. Every other one ends in a digest of the exact name, behind a tilde, which no name
    in words has.
    """
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", test.replace(".py::", "-").replace("/", "-")).strip("-")
    if number == 1 and len(words) <= LONGEST and _READ_BACK.fullmatch(test):
        return words
    exact = f"{number} {test}".encode("utf-8", "surrogatepass")
    return f"{words[:LONGEST].strip('-.')}~{sha256(exact).hexdigest()[:12]}"
