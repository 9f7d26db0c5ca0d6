"""The forms of host names and web origins, checked alike wherever a setting or an option names one."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["check_host", "check_origin"]

_HOST = re.compile(r"(?=.{1,253}$)(\*\.)?(?!-)([A-Za-z0-9_-]{1,63}\.)*(?=.*[A-Za-z])[A-Za-z0-9-]{1,63}")
_ORIGIN = re.compile(r"https?://[^/?#\s*,]+")


def check_host(text: str) -> str:
    """Return ``text`` if it is a host name, with ``*`` for a first label, or an IP address. Raises :class:`ValueError`
    for what no device finds in a certificate: an address with its port, or a URL."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if _HOST.fullmatch(text) is None:
            raise ValueError(f"{text!r} is neither a host name nor an address") from None
    return text


def check_origin(text: str) -> str:
    """Return ``text`` if it is an origin (RFC 6454), ``https://HOST[:PORT]``. Raises :class:`ValueError`."""
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError(f"invalid origin {text!r}, which is not https://HOST[:PORT]")
    return text
