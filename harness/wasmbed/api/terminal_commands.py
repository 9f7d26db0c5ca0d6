"""The terminal's commands, as data: what may be typed, what it reads, and whose right it needs.

Nothing is executed: no shell and no process. A command is a question to the cluster that is answered as kubectl would.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from re import compile as pattern

from harness.wasmbed.api.forms import LONGEST_NAME, NAME
from harness.wasmbed.api.operation import Right
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, DEVICE, EVENT, GATEWAY, POD, SECRET, SERVICE

__all__ = ["COMMANDS", "LONGEST", "Action", "Command", "Given", "read_command"]

LONGEST = 256
"""Characters of a command."""
_NAME = pattern(NAME)


class Action(Enum):
    """The kinds of answers."""

    LIST = "a table of objects"
    DESCRIBE = "one object in YAML"
    LOGS = "log lines"
    USE = "what pods use"
    STATUS = "the platform at a glance"


class Names(Enum):
    """Whether a command takes the name of an object."""

    NONE = ""
    OPTIONAL = " [NAME]"
    NEEDED = " NAME"


@dataclass(frozen=True, slots=True)
class Command:
    """``line`` is how it begins. ``wide``: whether it takes ``-o wide``. ``component``: whose log lines."""

    name: str
    category: str
    line: str
    action: Action
    kinds: tuple[Resource, ...] = ()
    names: Names = Names.NONE
    wide: bool = False
    component: str = ""

    @property
    def usage(self) -> str:
        """How it is written."""
        return f"{self.line}{self.names.value}{' [-o wide]' if self.wide else ''}"


def _table(name: str, category: str, kind: Resource) -> Command:
    return Command(name, category, f"kubectl get {kind.plural}", Action.LIST, (kind,), Names.OPTIONAL, wide=True)


def _list(name: str, category: str, kind: Resource) -> Command:
    return Command(name, category, f"kubectl get {kind.plural}", Action.LIST, (kind,))


def _details(name: str, category: str, kind: Resource) -> Command:
    return Command(name, category, f"kubectl describe {kind.kind.lower()}", Action.DESCRIBE, (kind,), Names.NEEDED)


def _logs(name: str, component: str) -> Command:
    line = f"kubectl logs -l app.kubernetes.io/component={component}"
    return Command(name, "Logs", line, Action.LOGS, component=component)


COMMANDS = (
    Command("Platform Status", "System", "wasmbed status", Action.STATUS, (DEVICE, APPLICATION, GATEWAY)),
    Command("Platform Resources", "Kubernetes", "kubectl get wasmbed", Action.LIST, (DEVICE, APPLICATION, GATEWAY)),
    _table("System Status", "Kubernetes", POD),
    _table("Device Status", "Devices", DEVICE),
    _details("Device Details", "Devices", DEVICE),
    _table("Application Status", "Applications", APPLICATION),
    _details("Application Deployment", "Applications", APPLICATION),
    _table("Gateway Status", "Gateways", GATEWAY),
    _details("Gateway Configuration", "Gateways", GATEWAY),
    _logs("Controller Logs", "controllers"),
    _logs("Gateway Logs", "gateway"),
    Command("System Resources", "System", "kubectl top pods", Action.USE),
    _list("System Events", "System", EVENT),
    _table("Network Status", "Network", SERVICE),
    _list("Secret Management", "Security", SECRET),
    _list("ConfigMap Status", "Configuration", CONFIG_MAP),
)
"""Those of the original's twenty that can be true, and the platform's own."""


@dataclass(frozen=True, slots=True)
class Given:
    """A command with its arguments."""

    command: Command
    name: str | None = None
    wide: bool = False

    def rights(self) -> list[Right]:
        """Return what a caller needs the right to, beside the terminal's own."""
        if self.command.action is Action.LOGS:
            return [Right("get", "pods/log", "")]
        if self.command.action is Action.USE:
            return [Right("list", "pods", "metrics.k8s.io")]
        verb = "get" if self.name else "list"
        return [Right(verb, kind.plural, kind.group) for kind in self.command.kinds]


def read_command(text: str) -> Given:
    """Return what was typed. Raises :class:`Problem` 422 for what is not in the list, or does not fit."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Problem(422, f"the command cannot be read: {error}") from error
    for command in COMMANDS:
        line = command.line.split()
        if words[: len(line)] == line:
            return _arguments(command, words[len(line) :])
    raise Problem(422, f"{text!r:.80} is not a command here; GET /api/v1/terminal/commands has those that are")


def _arguments(command: Command, words: list[str]) -> Given:
    name, wide = None, False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if command.wide and word == "-o" and rest[:1] == ["wide"]:
            rest.pop(0)
            wide = True
        elif command.names is not Names.NONE and name is None and len(word) <= LONGEST_NAME and _NAME.match(word):
            name = word
        else:
            raise Problem(422, f"{word!r:.80} does not fit: {command.usage}")
    if command.names is Names.NEEDED and name is None:
        raise Problem(422, f"a name is missing: {command.usage}")
    return Given(command, name, wide)
