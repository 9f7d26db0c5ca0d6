"""The mark of tests that need Python's ssl to limit a context to any group, which that of Debian 12 cannot."""

from __future__ import annotations

import ssl

import pytest


def _can_limit(group: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(group)
    except ssl.SSLError:
        return False
    return True


needs_any_group = pytest.mark.skipif(
    not _can_limit("X25519"), reason="Python's ssl cannot limit a context to X25519 here (3.11.2 cannot)"
)
