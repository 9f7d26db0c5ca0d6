"""The table ``[gateways.NAME]`` of a gateway that is started by a command: its keys, read and checked."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.core.errors import UsageError, suggestion
from harness.gateways.files import CERTIFICATE_FORMS, KEY_FORMS
from harness.gateways.gateway import FEATURES, Choice

__all__ = ["CommandTable", "fill"]

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_KEYS = (
    "command",
    "directory",
    "environment",
    "files",
    "ports",
    "certificates",
    "keys",
    "algorithm",
    "ready",
    "ready_within",
    "stop",
    "stop_within",
    "reload",
    "reload_line",
    "revocation_line",
    "features",
)
_READY = ("port", "line", "http")
_PORTS = ("devices", "http")


@dataclass(frozen=True, slots=True)
class CommandTable:
    """How a gateway is started, known to be ready, and stopped. Texts may hold placeholders, as ``{device_port}``."""

    command: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]
    files: Mapping[str, str]
    """Further files in the gateway's folder, by name."""
    ports: Mapping[str, int]
    """Fixed ports, ``devices`` and ``http``; others are free ones."""
    certificates: str
    keys: str
    algorithm: str | None
    """The identity that ``{certificate}`` and ``{key}`` are; None: the first."""
    ready: tuple[str, str]
    """``port`` and nothing, ``line`` and a pattern, or ``http`` and a path."""
    ready_within: float
    stop: int
    stop_within: float
    reload: int | None
    """The signal that makes it read its certificates again; ``reload_line`` is the output that says it has."""
    reload_line: str | None
    revocation_line: str | None
    features: frozenset[str]

    @classmethod
    def read(cls, choice: Choice) -> CommandTable:
        """Read a table. Raises UsageError naming the key."""
        read = _Reader(choice)
        for key in choice.table:
            if key not in _KEYS:
                do = f"{suggestion(key, _KEYS)}the keys are kind, {', '.join(_KEYS)}"
                raise UsageError(f"unknown key {key!r}", where=choice.at(key), do=do)
        reload, reload_line = read.signal("reload", None), read.pattern("reload_line")
        revocation_line = read.pattern("revocation_line")
        own = {"gateway-stop", "gateway-kill", "gateway-api-faults", "several-gateways"}
        own |= {"gateway-reload"} if reload is not None and reload_line is not None else set()
        own |= {"gateway-revocation"} if revocation_line is not None else set()
        return cls(
            command=read.command(),
            directory=read.text("directory", ".") or ".",
            environment=read.texts("environment"),
            files=read.files(),
            ports=read.ports(),
            certificates=read.one_of("certificates", CERTIFICATE_FORMS),
            keys=read.one_of("keys", KEY_FORMS),
            algorithm=read.text("algorithm", None),
            ready=read.ready(),
            ready_within=read.seconds("ready_within", 30.0),
            stop=read.signal("stop", signal.SIGTERM) or signal.SIGTERM,
            stop_within=read.seconds("stop_within", 30.0),
            reload=reload,
            reload_line=reload_line,
            revocation_line=revocation_line,
            features=frozenset(own) | read.features(),
        )


class _Reader:
    def __init__(self, choice: Choice) -> None:
        self._choice, self._table = choice, choice.table

    def command(self) -> tuple[str, ...]:
        value = self._table.get("command")
        if value is None:
            do = "write command = ... into a table [gateways.NAME] of harness.toml, and choose it with --gateway=NAME"
            raise UsageError("there is no command to start the gateway", where=self._choice.where, do=do)
        if isinstance(value, str):
            try:
                value = shlex.split(value)
            except ValueError as error:
                raise self._wrong("command", f"cannot be split into words: {error}") from error
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise self._wrong("command", "must be a command line, or a list of its words")
        return tuple(value)

    def text(self, key: str, default: str | None) -> str | None:
        value = self._table.get(key, default)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "must be a text")
        return value

    def texts(self, key: str) -> Mapping[str, str]:
        value = self._table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._wrong(key, "must be a table of texts")
        return value

    def files(self) -> Mapping[str, str]:
        files = self.texts("files")
        for name in files:
            path = PurePosixPath(name)
            if not path.name or path.is_absolute() or ".." in path.parts:
                raise self._wrong("files", f"{name!r} is not the name of a file in the gateway's own folder")
            if any(str(parent) in files for parent in path.parents):
                raise self._wrong("files", f"{name!r} needs a folder that is a file in this table")
        return files

    def ports(self) -> Mapping[str, int]:
        value = self._table.get("ports", {})
        if not isinstance(value, dict) or not set(value) <= set(_PORTS) or not all(map(_is_port, value.values())):
            raise self._wrong("ports", "must be a table with devices, http, or both, from 1 to 65535")
        return value

    def one_of(self, key: str, known: Mapping[str, Callable[..., bytes]]) -> str:
        value = self._table.get(key, next(iter(known)))
        if value not in known:
            raise self._wrong(key, f"must be one of {', '.join(known)}")
        return str(value)

    def seconds(self, key: str, default: float) -> float:
        value = self._table.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise self._wrong(key, "must be a positive number of seconds")
        return float(value)

    def signal(self, key: str, default: int | None) -> int | None:
        value = self._table.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or value not in signal.Signals.__members__:
            raise self._wrong(key, "must be a signal's name, as SIGTERM")
        return int(signal.Signals[value])

    def ready(self) -> tuple[str, str]:
        value = self._table.get("ready", {"port": True})
        if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in _READY:
            raise self._wrong("ready", 'must be {port = true}, {line = "pattern"} or {http = "/path"}')
        ((how, what),) = value.items()
        if how == "port":
            return how, ""
        if not isinstance(what, str):
            raise self._wrong("ready", f"{how} must be a text")
        if how == "line":
            self._compiled("ready", what)
        return how, what

    def pattern(self, key: str) -> str | None:
        value = self.text(key, None)
        return None if value is None else self._compiled(key, value)

    def _compiled(self, key: str, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise self._wrong(key, f"is not a regular expression: {error}") from error
        return pattern

    def features(self) -> frozenset[str]:
        value = self._table.get("features", [])
        if not isinstance(value, list):
            raise self._wrong("features", "must be a list of names")
        for name in value:
            if name not in FEATURES:
                raise self._wrong("features", f"{suggestion(str(name), FEATURES)}unknown feature {name!r}")
        return frozenset(value)

    def _wrong(self, key: str, what: str) -> UsageError:
        return UsageError(f"{key} {what}", where=self._choice.at(key), do="correct it there")


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 16


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """``text`` with each placeholder replaced by its value. Raises UsageError for one that does not exist."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            do = f"{suggestion(found[1], values)}the placeholders are {', '.join(sorted(values))}"
            raise UsageError(f"unknown placeholder {found[0]}", where=where, do=do)
        return values[found[1]]

    return _PLACEHOLDER.sub(value, text)
