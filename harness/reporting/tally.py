"""The result of a run: blame, tests that were not run, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.core.errors import ProductFailure, RigError, UsageError
from harness.reporting.verdict import UNKNOWN

__all__ = ["Tally"]

SHOWN = 3
"""The number of tests that are named for one reason."""


@dataclass
class Tally:
    """The failures of a run, counted by blame. Each test counts once."""

    blames: Counter[str] = field(default_factory=Counter)
    """The number of failed tests for each blame."""
    not_run: list[tuple[str, str]] = field(default_factory=list)
    """Tests that the rig could not run, with reasons."""

    def count(self, test: str, outcome: str, blame: str | None, message: str) -> None:
        """Count the outcome of a test."""
        if outcome == "failed":
            self.take(test, blame or UNKNOWN, message)
        elif outcome == "not run" and blame == RigError.blame:
            self.take(test, blame, message)

    def take(self, test: str, blame: str, reason: str) -> None:
        """Count a test that did not pass."""
        if blame == RigError.blame:
            self.not_run.append((test, reason))
        else:
            self.blames[blame] += 1

    def not_run_messages(self) -> Iterator[str]:
        """Messages about tests that were not run, one for each reason."""
        reasons: dict[str, list[str]] = {}
        for test, reason in self.not_run:
            reasons.setdefault(reason, []).append(test)
        for reason, tests in reasons.items():
            more = f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
            yield f"NOT RUN {', '.join(tests[:SHOWN])}{more}\n  {reason}"

    @property
    def exit_code(self) -> int:
        """0: good; 2: only the caller was wrong; 3: the product was not judged; else 1."""
        if self.blames:
            return UsageError.exit_code if set(self.blames) == {UsageError.blame} else ProductFailure.exit_code
        return RigError.exit_code if self.not_run else 0

    def summary(self) -> str | None:
        """A line with the number of failures for each blame; None without failures."""
        if not self.blames:
            return None
        names = {ProductFailure.blame: "the product", UsageError.blame: "the caller"}
        return "to blame: " + ", ".join(
            f"{names.get(blame, blame)} {count}" for blame, count in self.blames.most_common()
        )
