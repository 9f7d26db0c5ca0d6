"""The endpoint of a gateway in the form in which gateways tell it to boards."""

from __future__ import annotations

from typing import Final

from harness.core.network import Endpoint

__all__ = ["LONGEST_ENDPOINT", "parse_endpoint"]

LONGEST_ENDPOINT: Final = 260
"""Characters: the longest name of the DNS (RFC 1035) with its final dot, and a port."""


def parse_endpoint(text: str) -> Endpoint | None:
    """Return the host and port of ``host:port``; None if no connection to it can be tried."""
    host, _, port = text.rpartition(":")
    is_host = (
        bool(host) and len(text) <= LONGEST_ENDPOINT and host.isascii() and all("!" <= each <= "~" for each in host)
    )
    is_number = port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16
    return (host, int(port)) if is_host and is_number and _has_labels(host) else None


def _has_labels(host: str) -> bool:
    """Whether a resolver takes its labels: none is empty or has more than 63 characters."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
