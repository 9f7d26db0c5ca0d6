"""Objects of the cluster as arguments: ``device/pump-1``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.core.errors import UsageError, suggestion
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

if TYPE_CHECKING:
    from harness.wasmbed.resources.api import Resource

__all__ = ["parse_named"]

_KINDS = {
    **dict.fromkeys(("device", "devices"), DEVICE),
    **dict.fromkeys(("application", "applications", "app", "apps"), APPLICATION),
    **dict.fromkeys(("gateway", "gateways"), GATEWAY),
}


def parse_named(texts: Iterable[str]) -> list[tuple[Resource, str]]:
    """Return kind and name of each. Raises UsageError for another form."""
    found: dict[tuple[Resource, str], None] = {}
    for text in texts:
        kind, _, name = text.partition("/")
        if not name or kind.lower() not in _KINDS:
            do = f"{suggestion(kind.lower(), _KINDS)}write device/NAME, application/NAME or gateway/NAME"
            raise UsageError("names no object", where=text, do=do)
        found[_KINDS[kind.lower()], name] = None
    return [*found]
