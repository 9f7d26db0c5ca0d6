"""The folder of one run, ``reports/<run>``, and what a run comes to in the end; the same through every front door."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from harness.core.clock import Clock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.stack.options import StackOptions

__all__ = ["RunFolder", "Tally", "folder_name"]


class RunFolder:
    """Where a run leaves what it recorded: a folder for each test, and the page."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def new(cls, root: Path, options: StackOptions, clock: Clock) -> RunFolder:
        """A folder named by the time, below ``options.reports``; made when the first test writes into it."""
        return cls(root / options.reports / clock.utcnow().strftime("%Y-%m-%dT%H-%M-%S-%f")[:-3])

    def of(self, test: str) -> Path:
        """Where a test's history and result go."""
        return self.path / folder_name(test)

    def finish(self) -> Path | None:
        """Write the page at the end of the run and return its path; None where nothing was recorded.

        Raises UsageError when it cannot be written.
        """
        if not self.path.is_dir():
            return None
        from harness.reporting.report import write_run_report

        return write_run_report(self.path)

    @staticmethod
    def shown(page: Path, base: Path) -> str:
        """The page's path, as short as it can be for somebody who is in ``base``."""
        return str(page.relative_to(base) if page.is_relative_to(base) else page)


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
