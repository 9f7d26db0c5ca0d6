"""The folder of one run, ``reports/<run>``, and what a run comes to in the end; the same through every front door."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.clock import Clock, SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.stack.options import StackOptions

if TYPE_CHECKING:
    from harness.reporting.finish import Finished
    from harness.reporting.runs import TestRecord

__all__ = ["RunFolder", "Tally", "folder_name"]


SHOWN = 3
"""Tests that are named, of those that were not run for the same reason."""


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
        """A folder named by the time, below ``options.reports``; made when the first test writes into it."""
        name = clock.utcnow().strftime("%Y-%m-%dT%H-%M-%S-%f")[:-3]
        return cls(root / options.reports / name, root, options, clock)

    def check(self) -> None:
        """Raise UsageError where it could not be made, so that this is said once and before anything runs."""
        there = next(each for each in self.path.parents if each.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            what = "cannot be written to" if there.is_dir() else "is no folder"
            raise UsageError(what, where=str(there), do="name another folder for the reports: --reports")

    def of(self, test: str) -> Path:
        """Where a test's history and result go. A folder for reports that was not there is kept out of git."""
        reports = self.path.parent
        if not reports.exists():
            with suppress(OSError):
                reports.mkdir(parents=True)
                (reports / ".gitignore").write_text("# Made by the harness.\n*\n", encoding="utf-8")
        return self.path / folder_name(test)

    def finish(self, others: Sequence[TestRecord] = ()) -> Finished:
        """Make what a run leaves behind from what was recorded; nothing where nothing was. ``others`` failed without a
        stack. Never raises for what cannot be written: it is in ``trouble``."""
        from harness.reporting.finish import Ci, Finished, finish_run

        if not self.path.is_dir():
            return Finished()
        options = self._options
        summary = self._root / options.summary if options.summary else None
        ci = Ci.of(self._environment, annotations=options.annotations, summary=summary)
        return finish_run(self.path, root=self._root, clock=self._clock, keep=options.keep, ci=ci, others=others)


@dataclass
class Tally:
    """What went wrong in a run, by who is to blame."""

    blames: Counter[str] = field(default_factory=Counter)
    """Of tests that failed."""
    not_run: list[tuple[str, str]] = field(default_factory=list)
    """Tests that the rig could not run, and why."""

    def take(self, test: str, blame: str | None, reason: str) -> None:
        """Count what a test met; ``blame`` is None where nothing went wrong."""
        if blame == RigError.blame:
            self.not_run.append((test, reason.removeprefix("not run: ")))
        elif blame is not None:
            self.blames[blame] += 1

    def told_not_run(self) -> Iterator[str]:
        """What was not run and why, each reason once."""
        reasons: dict[str, list[str]] = {}
        for test, reason in self.not_run:
            reasons.setdefault(reason, []).append(test)
        for reason, tests in reasons.items():
            more = f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
            yield f"NOT RUN {', '.join(tests[:SHOWN])}{more}\n  {reason}"

    @property
    def exit_code(self) -> int:
        """0 when all is good, 2 when only the caller was wrong, 3 when the product was not judged, else 1."""
        if self.blames:
            return UsageError.exit_code if set(self.blames) == {UsageError.blame} else ProductFailure.exit_code
        return RigError.exit_code if self.not_run else 0

    def summary(self) -> str | None:
        """Who is to blame, in one line; None where nobody is."""
        if not self.blames:
            return None
        names = {ProductFailure.blame: "the product", UsageError.blame: "the caller"}
        return "to blame: " + ", ".join(
            f"{names.get(blame, blame)} {count}" for blame, count in self.blames.most_common()
        )


def folder_name(test: str) -> str:
    """A name for a test's folder that every file system takes; different tests get different ones."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", test.replace(".py::", "-").replace("/", "-")).strip("-")
    plain = test.isascii() and len(name) <= 100
    return name if plain else f"{name[:90]}-{sha256(test.encode()).hexdigest()[:8]}".strip("-")
