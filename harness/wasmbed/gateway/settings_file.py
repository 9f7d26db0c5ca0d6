"""Reads :class:`GatewaySettings` from text: a TOML file, or ``name=value`` pairs of a command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, reason, suggestion
from harness.core.network import Endpoint
from harness.wasmbed.gateway.settings import GatewaySettings

__all__ = ["parse_endpoint", "parse_setting", "read_settings", "write_settings"]

_KNOWN: Mapping[str, Field[Any]] = {field.name: field for field in fields(GatewaySettings)}


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, by the names of the fields of :class:`GatewaySettings`.

    Endpoints are written ``"host:port"``, sets as lists. Raises :class:`UsageError` naming file, line, and setting.
    """
    try:
        text = path.read_text("utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"cannot be read: {reason(error)}", where=str(path), do="name a readable file") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"invalid TOML: {error}", where=str(path), do="correct it there") from error
    return {name: parse_setting(name, value, f"{path}:{_line(text, name)}") for name, value in table.items()}


def write_settings(settings: GatewaySettings) -> str:
    """The text of a file from which :func:`read_settings` reads these settings."""
    values = {name: getattr(settings, name) for name in _KNOWN}
    return "".join(f"{name} = {_toml(value)}\n" for name, value in values.items() if value is not None)


def parse_setting(name: str, value: Any, where: str) -> Any:
    """The value of a setting, from TOML or from text. Raises :class:`UsageError` naming ``where`` it was written."""
    field = _KNOWN.get(name)
    if field is None:
        do = f"{suggestion(name, _KNOWN)}the settings are {', '.join(_KNOWN)}"
        raise UsageError(f"unknown setting {name!r}", where=where, do=do)
    default = None if field.default is MISSING else field.default
    try:
        return _typed(default, value)
    except (ValueError, TypeError) as error:
        raise UsageError(f"invalid {name} {value!r}: {error}", where=where, do="correct it there") from error


def parse_endpoint(text: str) -> Endpoint:
    """``host:port``. Raises :class:`ValueError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be host:port")
    return host.strip("[]"), int(port)


def _typed(default: Any, value: Any) -> Any:
    if isinstance(default, tuple):
        return parse_endpoint(_is(str, value, "host:port"))
    if isinstance(default, frozenset):
        items = value.split(",") if isinstance(value, str) else _is(list, value, "a list of texts")
        return frozenset(_is(str, item, "a list of texts") for item in items)
    if isinstance(default, float):
        return float(value if isinstance(value, str) else _is((int, float), value, "a number"))
    if isinstance(default, int):
        return int(value) if isinstance(value, str) else _is(int, value, "a whole number")
    return _is(str, value, "a text")


def _is(kind: type[Any] | tuple[type[Any], ...], value: Any, wanted: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"must be {wanted}")
    return value


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f'"{value[0]}:{value[1]}"'
    if isinstance(value, frozenset):
        return f"[{', '.join(_toml(item) for item in sorted(value))}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)


def _line(text: str, name: str) -> int:
    """The line that sets ``name``."""
    written = re.compile(rf"""\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if written.match(line)), 1)
