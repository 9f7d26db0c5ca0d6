"""Reads the replies of Renode's monitor, and decides whether a command failed.

The monitor has no status: it prints text, and continues after a failed command. So the text of each reply is checked.
Output of a command that normally prints nothing is a failure too, whatever the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Log", "Reply", "read_reply"]

_LOG = re.compile(r"\d\d:\d\d:\d\d\.\d{4} \[(?P<level>NOISY|DEBUG|INFO|WARNING|ERROR)\] (?P<text>.*)$")
# A log line may interrupt a prompt.
_PROMPT = re.compile(r"^(\([\w.-]*|\(?[\w.-]*\)( .*)?)$")
_BANNER = re.compile(r"^Renode, version \d")
_FAILED = re.compile(
    r"^There was an error executing command "
    r"|^No such command or device: "
    r"|^Parameters did not match the signature"
    r"|^Bad parameters for command "
    r"|^Machine .* not found\.?$"
    r"|^Could not find (file|suitable) "
    r"|^File does not exist: "
    r"|^Error E\d\d: "
)
_HARMLESS = re.compile(
    # Register descriptions that upstream platforms fetch from the network, only for names in the log.
    r"^Failed to download .*, see log for details\.$"
)
_LEADS_IN = re.compile(r"^There was an error executing command '.*'$")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. ``value``: the command's output; ``failure``: why it failed, None if it did not; ``errors``: the errors
    that Renode logged meanwhile."""

    value: str
    failure: str | None = None
    errors: tuple[str, ...] = ()


def read_reply(text: str, *, answers: bool) -> Reply:
    """Read what the monitor printed between the command and its mark. ``answers``: the command normally prints text."""
    lines: list[str] = []
    errors: list[str] = []
    for line in text.splitlines():
        if found := _LOG.search(line):
            if found["level"] == "ERROR":
                errors.append(found["text"])
        elif not (_PROMPT.match(line) or _BANNER.match(line) or _HARMLESS.match(line)) and line.strip():
            lines.append(line.rstrip())
    value = "\n".join(lines)
    failed = any(_FAILED.search(line) for line in lines)
    failure = _error_text(lines) if failed or (lines and not answers) else None
    return Reply(value, failure, tuple(errors))


def _error_text(lines: list[str]) -> str:
    """Return the error without the help that Renode prints before it and without the repeated command."""
    failed = [number for number, line in enumerate(lines) if _FAILED.search(line)]
    error = [line for line in lines[failed[0] if failed else 0 :] if not _LEADS_IN.match(line)]
    return "\n".join(error or lines)


class Log:
    """Renode's log file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def errors(self) -> tuple[str, ...]:
        """Return the errors that were logged since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return ()
        self._read += len(text)
        lines = (_LOG.search(line) for line in text.decode("utf-8", "replace").splitlines())
        return tuple(line["text"] for line in lines if line and line["level"] == "ERROR")
