"""How a test ended and who is to blame: the ``result.json`` beside its history, the same through every front door.

What the equipment kept from being judged is neither passed nor failed, but ``not run``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import orjson

from harness.core.errors import HarnessError, ProductFailure, RigError, reason
from harness.core.plain_json import plain
from harness.reporting.runs import TestRecord
from harness.stack.options import StackOptions

__all__ = ["INTERRUPTED", "OUTCOMES", "UNKNOWN", "PhaseResult", "Verdict", "blame_for", "worst"]

UNKNOWN = "unknown"
"""Who is to blame for what is neither an error of the harness nor a failed assertion."""

INTERRUPTED = "the run ended before this test did: interrupted or killed"

OUTCOMES = ("passed", "unexpected pass", "expected failure", "skipped", "not run", "failed")
"""Every outcome there is; a test has the last of those that its phases have."""


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """What one phase of a test came to, where it did not simply pass."""

    outcome: str
    """One of :data:`OUTCOMES`."""
    message: str = ""
    """The first line says it in short."""
    blame: str | None = None
    when: str = "test"
    """``setup``, ``call``, ``subtest``, ``teardown``, ``crash`` or ``collect`` of pytest; ``test`` elsewhere."""


@dataclass
class Verdict:
    """What ``result.json`` says of a test."""

    test: str
    title: str
    outcome: str = "passed"
    """One of :data:`OUTCOMES`."""
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
    phases: list[PhaseResult] = field(default_factory=list)
    """The phases that did not simply pass, in order."""
    case: tuple[str, str] | None = None
    """The class and the name that JUnit XML calls the test by."""
    worker: str | None = None
    """The worker of pytest-xdist that ran it."""
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

    @classmethod
    def read(cls, folder: Path) -> Verdict | None:
        """The verdict that was written into ``folder``; None where there is none that can be read."""
        try:
            said = json.loads((folder / "result.json").read_bytes())
            known = {each.name: said[each.name] for each in fields(cls) if each.name in said}
            known["phases"] = [PhaseResult(**phase) for phase in known.get("phases", ())]
            return cls(**known)
        except (OSError, ValueError, TypeError):
            return None

    def judge(self, phases: Iterable[PhaseResult]) -> None:
        """The test came to this: the worst of its phases is the outcome, and the messages of that outcome are told."""
        self.phases = list(phases)
        bad = worst(self.phases)
        if bad is None:
            self.outcome, self.blame, self.message = "passed", None, ""
            return
        self.outcome, self.blame = bad.outcome, bad.blame
        told = dict.fromkeys(phase.message for phase in self.phases if phase.outcome == bad.outcome and phase.message)
        self.message = "\n\n".join(told)

    def take(self, error: BaseException, text: str | None = None) -> None:
        """Something went wrong. ``text`` is how the front door tells it, for errors that are not made for people."""
        outcome = "not run" if isinstance(error, RigError) else "failed"
        told = text if text and not isinstance(error, HarnessError) else reason(error)
        self.judge([*self.phases, PhaseResult(outcome, told, blame_for(error))])

    def skip(self, reason: str) -> None:
        """The test was left out."""
        self.judge([*self.phases, PhaseResult("skipped", reason)])

    def record(self, folder: Path | None) -> TestRecord:
        """The same as it is read back from ``folder``, without history."""
        said = asdict(self)
        own = {name: said.pop(name) for name in ("title", "outcome", "blame", "message", "duration", "rerun")}
        return TestRecord(name=said.pop("test"), details=said, folder=folder, **own)

    def write(self, folder: Path) -> None:
        """Write ``result.json``, whole or not at all. That it cannot be written changes no verdict: it is ``lost``."""
        part = folder / ".result.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(orjson.dumps(plain(asdict(self)), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            part.replace(folder / "result.json")
        except OSError as error:
            self.lost = reason(error)

    def interrupt(self) -> None:
        """The test never came to its end, so nothing was learned from it."""
        self.judge([PhaseResult("not run", INTERRUPTED)])

    def write_interrupted(self, folder: Path) -> None:
        """Write beforehand what is true if the test never comes to its end."""
        unfinished = replace(self)
        unfinished.interrupt()
        unfinished.write(folder)


def worst(phases: Iterable[PhaseResult]) -> PhaseResult | None:
    """The phase that decides a test's outcome: the first of the worst; None where all passed."""
    return max(phases, key=lambda phase: OUTCOMES.index(phase.outcome), default=None)


def blame_for(error: BaseException) -> str | None:
    """Who is to blame: an assertion that fails speaks of the product, and whatever else it is nobody can say."""
    if isinstance(error, HarnessError):
        return error.blame
    return str(ProductFailure.blame) if isinstance(error, AssertionError) else None
