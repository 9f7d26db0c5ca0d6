"""Reads ``system.toml``: what the system under test can do, as data. So far it has the features and ports of gateways.

    [gateway]
    features = ["gateway-http", "gateway-reload"]

    [gateway.ports]
    devices = 8443
    http = 8080

A table ``[gateways.NAME]`` names the file by ``system``; what it says itself takes precedence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, reason, suggestion

__all__ = ["read_system"]

_PARTS = ("gateway",)
_GATEWAY = ("features", "ports")


def read_system(path: Path, where: str) -> dict[str, Any]:
    """The keys of a gateway's table that the file gives. Raises UsageError naming file, line, and field."""
    try:
        text = path.read_text("utf-8")
        system = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}", where=where, do="name a readable file") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"invalid TOML: {error}", where=str(path), do="correct it there") from error
    _check(system, _PARTS, path, text)
    gateway = system.get("gateway", {})
    if not isinstance(gateway, dict):
        raise UsageError("gateway is not a table", where=f"{path}:{_line(text, 'gateway')}", do="write [gateway]")
    _check(gateway, _GATEWAY, path, text)
    return gateway


def _check(table: Mapping[str, Any], known: Iterable[str], path: Path, text: str) -> None:
    for name in table:
        if name not in known:
            do = f"{suggestion(name, known)}the fields are {', '.join(known)}"
            raise UsageError(f"unknown field {name!r}", where=f"{path}:{_line(text, name)}", do=do)


def _line(text: str, name: str) -> int:
    """The line in which a field or a table of that name is written first."""
    written = re.compile(rf"""\s*(\[[\w.]*\b{re.escape(name)}\b|["']?{re.escape(name)}["']?\s*[=.])""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if written.match(line)), 1)
