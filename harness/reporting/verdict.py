"""How a test ended and who is to blame: the ``result.json`` beside its history, the same through every front door.

What the rig could not judge is neither passed nor failed, but ``not run``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError, ProductFailure, RigError, reason
from harness.reporting.runs import TestRecord
from harness.stack.options import StackOptions

__all__ = ["UNKNOWN", "Verdict", "blame_for"]

UNKNOWN = "unknown"
"""Who is to blame for what is no error of the harness and no assertion."""

INTERRUPTED = "the run ended before this test did: interrupted or killed"

_RANK = {"passed": 0, "skipped": 1, "not run": 2, "failed": 3}


@dataclass
class Verdict:
    """What ``result.json`` says of a test."""

    test: str
    title: str
    outcome: str = "passed"
    """``passed``, ``failed``, ``not run`` or ``skipped``."""
    blame: str | None = None
    """``product``, ``rig`` or ``usage``; None where nothing went wrong, or nobody can say."""
    message: str = ""
    duration: float = 0.0
    """Seconds: setting up, the test itself and taking down."""
    rerun: str = ""
    seed: int | None = None
    options: dict[str, Any] | None = None
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds by phase: ``setup``, ``call``, ``teardown``."""
    file: str | None = None
    """Where the test is, relative to the project; ``line`` is where it failed, if it did."""
    line: int | None = None
    severity: str | None = None
    links: list[dict[str, str]] = field(default_factory=list)
    """``url``, ``name`` and ``type`` (``link``, ``issue``, ``tms``)."""
    attempts: list[str] = field(default_factory=list)
    """How earlier attempts of the same run ended."""
    lost: str | None = None
    """Why the record is incomplete, if it is."""

    @classmethod
    def of(cls, test: str, title: str, options: StackOptions, rerun: str = "") -> Verdict:
        """The verdict on a test that is about to run; ``rerun`` is the command that runs just this one again."""
        return cls(test, title, rerun=rerun, seed=options.seed, options=asdict(options))

    def take(self, error: BaseException, text: str | None = None) -> None:
        """Something went wrong: it counts if it is worse than what went wrong before.

        ``text`` is how the front door tells it, for errors that are not made for people.
        """
        outcome = "not run" if isinstance(error, RigError) else "failed"
        if _RANK[outcome] > _RANK[self.outcome]:
            self.outcome, self.blame = outcome, blame_for(error)
            told = text is not None and not isinstance(error, HarnessError)
            self.message = text if told and text else reason(error)

    def skip(self, reason: str) -> None:
        """The test was left out."""
        if self.outcome == "passed":
            self.outcome, self.message = "skipped", reason

    def record(self, folder: Path) -> TestRecord:
        """The same as it is read back from ``folder``, without history."""
        said = asdict(self)
        own = {name: said.pop(name) for name in ("title", "outcome", "blame", "message", "duration", "rerun")}
        return TestRecord(name=said.pop("test"), details=said, folder=folder, **own)

    def write(self, folder: Path) -> None:
        """Write ``result.json``, whole or not at all. That it cannot be written changes no verdict: it is ``lost``."""
        part = folder / ".result.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(asdict(self), indent=2, default=str) + "\n", encoding="utf-8")
            part.replace(folder / "result.json")
        except OSError as error:
            self.lost = reason(error)

    def interrupt(self) -> None:
        """The test never came to its end, so nothing was learned from it."""
        self.outcome, self.blame, self.message = "not run", None, INTERRUPTED

    def write_interrupted(self, folder: Path) -> None:
        """Write beforehand what shall be read if the test never comes to its end."""
        unfinished = replace(self)
        unfinished.interrupt()
        unfinished.write(folder)


def blame_for(error: BaseException) -> str | None:
    """Who is to blame: an assertion that fails speaks of the product, and whatever else it is nobody can say."""
    if isinstance(error, HarnessError):
        return error.blame
    return str(ProductFailure.blame) if isinstance(error, AssertionError) else None
