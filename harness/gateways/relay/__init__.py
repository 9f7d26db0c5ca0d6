"""A recording relay between boards and any gateway."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.gateways.relay.faults import LinkFault
    from harness.gateways.relay.negotiation import KeyOf
    from harness.gateways.relay.passing import Tamper
    from harness.gateways.relay.relay import Relay

__all__ = ["KeyOf", "LinkFault", "Relay", "Tamper"]

_MODULES = {"KeyOf": "negotiation", "LinkFault": "faults", "Relay": "relay", "Tamper": "passing"}


def __getattr__(name: str) -> Any:
    """Load each on first use: the options name the relay's defects, and most runs have no relay."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
