"""The folder of one run, ``reports/<run>``, and what a run comes to in the end; the same through every front door."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
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

    def of(self, test: str) -> Path:
        """Where a test's history and result go."""
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
