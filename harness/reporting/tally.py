"""What a run came to in the end: who is to blame, what was not run and why, and the exit code that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.core.errors import ProductFailure, RigError, UsageError
from harness.reporting.verdict import UNKNOWN

__all__ = ["Tally"]

SHOWN = 3
"""Tests that are named, of those that were not run for the same reason."""


@dataclass
class Tally:
    """What went wrong in a run, by who is to blame. Each test is counted once."""

    blames: Counter[str] = field(default_factory=Counter)
    """Of tests that failed."""
    not_run: list[tuple[str, str]] = field(default_factory=list)
    """Tests that the rig could not run, and why."""

    def count(self, test: str, outcome: str, blame: str | None, message: str) -> None:
        """Count how a test ended."""
        if outcome == "failed":
            self.take(test, blame or UNKNOWN, message)
        elif outcome == "not run" and blame == RigError.blame:
            self.take(test, blame, message)

    def take(self, test: str, blame: str, reason: str) -> None:
        """Count a test that did not pass, by who is to blame."""
        if blame == RigError.blame:
            self.not_run.append((test, reason))
        else:
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
