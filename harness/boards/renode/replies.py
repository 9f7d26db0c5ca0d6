"""What Renode's monitor answers, and whether it means that the command failed.

The monitor has no status: it prints, and goes on after a failed command. So the words of each reply are read. A
command that has nothing to say and says something has failed too, whatever the words are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Log", "Reply", "read_reply"]

_LOG = re.compile(r"\d\d:\d\d:\d\d\.\d{4} \[(?P<level>NOISY|DEBUG|INFO|WARNING|ERROR)\] (?P<text>.*)$")
# A line of the log may come into the middle of a prompt.
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
    # Register descriptions that upstream platforms fetch from the network, for the names in the log only.
    r"^Failed to download .*, see log for details\.$"
)
_LEADS_IN = re.compile(r"^There was an error executing command '.*'$")


@dataclass(frozen=True, slots=True)
class Reply:
    """``value``: the words that answer the command; ``trouble``: why it failed, None if it did not; ``errors``: what
    Renode logged as errors meanwhile."""

    value: str
    trouble: str | None = None
    errors: tuple[str, ...] = ()


def read_reply(text: str, *, answers: bool) -> Reply:
    """What the monitor printed between the command and the mark behind it."""
    words: list[str] = []
    errors: list[str] = []
    for line in text.splitlines():
        if found := _LOG.search(line):
            if found["level"] == "ERROR":
                errors.append(found["text"])
        elif not (_PROMPT.match(line) or _BANNER.match(line) or _HARMLESS.match(line)) and line.strip():
            words.append(line.rstrip())
    value = "\n".join(words)
    failed = any(_FAILED.search(line) for line in words)
    trouble = _error_text(words) if failed or (words and not answers) else None
    return Reply(value, trouble, tuple(errors))


def _error_text(words: list[str]) -> str:
    """The words without the help that Renode prints before them and without the command said again."""
    failed = [number for number, line in enumerate(words) if _FAILED.search(line)]
    told = [line for line in words[failed[0] if failed else 0 :] if not _LEADS_IN.match(line)]
    return "\n".join(told or words)


class Log:
    """The file that Renode logs to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def errors(self) -> tuple[str, ...]:
        """What was logged as an error since the last look."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return ()
        self._read += len(text)
        lines = (_LOG.search(line) for line in text.decode("utf-8", "replace").splitlines())
        return tuple(line["text"] for line in lines if line and line["level"] == "ERROR")
