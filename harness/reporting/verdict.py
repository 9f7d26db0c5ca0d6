"""The outcome of a test and its blame, in the ``result.json`` beside its history; the same for every front door.

A test that could not be judged because equipment failed is neither passed nor failed, but ``not run``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import orjson

from harness.core.errors import HarnessError, ProductFailure, RigError, reason
from harness.core.plain_json import plain
from harness.reporting.runs import TestRecord
from harness.stack.options import StackOptions

__all__ = [
    "INTERRUPTED",
    "OUTCOMES",
    "UNKNOWN",
    "PhaseResult",
    "Verdict",
    "blame_for",
    "notes_of",
    "party_for",
    "worst",
]

UNKNOWN = "unknown"
"""The blame for an error that is neither an error of the harness nor a failed assertion."""

INTERRUPTED = "the run ended before this test did: interrupted or killed"

OUTCOMES = ("passed", "unexpected pass", "expected failure", "skipped", "not run", "failed")
"""All outcomes; a test has the last one of those that its phases have."""


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """The result of one phase of a test that did not simply pass."""

    outcome: str
    """One of :data:`OUTCOMES`."""
    message: str = ""
    """The first line is a summary."""
    blame: str | None = None
    when: str = "test"
    """``setup``, ``call``, ``subtest``, ``teardown``, ``crash`` or ``collect`` of pytest; ``test`` elsewhere."""
    party: str = ""
    """The part of the product that the record convicts, if it does: ``gateway``, ``board NAME``."""


@dataclass
class Verdict:
    """The content of ``result.json``."""

    test: str
    title: str
    outcome: str = "passed"
    """One of :data:`OUTCOMES`."""
    blame: str | None = None
    """``product``, ``rig`` or ``usage``; None if the test passed or the cause is unknown."""
    party: str = ""
    """The part of the product that the record convicts, if it does: ``gateway``, ``board NAME``."""
    message: str = ""
    duration: float = 0.0
    """Seconds of setup, call and teardown."""
    rerun: str = ""
    seed: int | None = None
    options: dict[str, Any] | None = None
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds by phase: ``setup``, ``call``, ``teardown``."""
    cluster_seconds: float = 0.0
    """Those of ``duration`` in which the cluster started and stopped: the rig's share."""
    phases: list[PhaseResult] = field(default_factory=list)
    """The phases that did not simply pass, in order."""
    case: tuple[str, str] | None = None
    """The test's class and name in JUnit XML."""
    worker: str | None = None
    """The worker of pytest-xdist that ran the test."""
    file: str | None = None
    """The test's file, relative to the project. ``line`` is the line of the failure, or of the test if it passed."""
    line: int | None = None
    severity: str | None = None
    links: list[dict[str, str]] = field(default_factory=list)
    """``url``, ``name`` and ``type`` (``link``, ``issue``, ``tms``)."""
    attempts: list[str] = field(default_factory=list)
    """The outcomes of earlier attempts in the same run."""
    lost: str | None = None
    """The reason why the record is incomplete, or None."""

    @classmethod
    def of(cls, test: str, description: str, options: StackOptions, rerun: str = "") -> Verdict:
        """The verdict of a test that is about to run.

        The title is the first sentence of ``description``; ``rerun`` is the command that runs this test again.
        """
        return cls(test, first_sentence(description), rerun=rerun, seed=options.seed, options=asdict(options))

    @classmethod
    def read(cls, folder: Path) -> Verdict | None:
        """Read the verdict in ``folder``; None if it is absent or unreadable."""
        try:
            content = json.loads((folder / "result.json").read_bytes())
            known = {each.name: content[each.name] for each in fields(cls) if each.name in content}
            known["phases"] = [PhaseResult(**phase) for phase in known.get("phases", ())]
            return cls(**known)
        except (OSError, ValueError, TypeError):
            return None

    def judge(self, phases: Iterable[PhaseResult]) -> None:
        """Set outcome, blame and message from the test's phases: those of the worst outcome."""
        self.phases = list(phases)
        bad = worst(self.phases)
        if bad is None:
            self.outcome, self.blame, self.party, self.message = "passed", None, "", ""
            return
        self.outcome, self.blame, self.party = bad.outcome, bad.blame, bad.party
        messages = dict.fromkeys(
            phase.message for phase in self.phases if phase.outcome == bad.outcome and phase.message
        )
        self.message = "\n\n".join(messages)

    def take(self, error: BaseException, text: str | None = None) -> None:
        """Add an error. ``text`` is the front door's text for errors that are not the harness's."""
        outcome = "not run" if isinstance(error, RigError) else "failed"
        message = text if text and not isinstance(error, HarnessError) else reason(error)
        message = "\n\n".join([message, *notes_of(error)])
        self.judge([*self.phases, PhaseResult(outcome, message, blame_for(error), party=party_for(error))])

    def skip(self, reason: str) -> None:
        """Set the outcome ``skipped``."""
        self.judge([*self.phases, PhaseResult("skipped", reason)])

    def record(self, folder: Path | None) -> TestRecord:
        """The record that reading ``folder`` would give, without its history."""
        details = asdict(self)
        own = {name: details.pop(name) for name in ("title", "outcome", "blame", "message", "duration", "rerun")}
        return TestRecord(name=details.pop("test"), details=details, folder=folder, **own)

    def write(self, folder: Path) -> None:
        """Write ``result.json`` atomically. A write error changes no verdict; it is noted in ``lost``."""
        part = folder / ".result.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(orjson.dumps(plain(asdict(self)), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            part.replace(folder / "result.json")
        except OSError as error:
            self.lost = reason(error)

    def interrupt(self) -> None:
        """Set the outcome of a test that did not reach its end: ``not run``."""
        self.judge([PhaseResult("not run", INTERRUPTED)])

    def write_interrupted(self, folder: Path) -> None:
        """Write, before the test, the result that holds if it does not reach its end."""
        unfinished = replace(self)
        unfinished.interrupt()
        unfinished.write(folder)


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line and without markup."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].replace("``", "").split())
    return re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0]


def worst(phases: Iterable[PhaseResult]) -> PhaseResult | None:
    """The phase that decides the outcome: the first one of the worst outcome; None if all passed."""
    return max(phases, key=lambda phase: OUTCOMES.index(phase.outcome), default=None)


def blame_for(error: BaseException) -> str | None:
    """The blame for an error: the product for a failed assertion, None for an error of unknown cause."""
    if isinstance(error, HarnessError):
        return error.blame
    return str(ProductFailure.blame) if isinstance(error, AssertionError) else None


def party_for(error: BaseException) -> str:
    """The part of the product that an error convicts; empty if it names none."""
    return str(getattr(error, "party", ""))


def notes_of(error: BaseException) -> list[str]:
    """The notes that were added to an error, such as whom the record convicts."""
    return [str(note) for note in getattr(error, "__notes__", ())]
