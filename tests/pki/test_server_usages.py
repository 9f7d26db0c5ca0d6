"""Key usages of a gateway: virtual boards check them like the firmware (its ``tests/certificates.rs``)."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from harness.core.client_hello import read_client_hello
from harness.core.clock import ManualClock
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.tls import client_context, tls_server

FOLDER = Path(__file__).parents[2] / "firmware/wasmbed-node/tests/certificates"
TABLE = [
    line.split(": ", 1) for line in (FOLDER / "usages.txt").read_text("utf-8").splitlines() if not line.startswith("#")
]
KEY = ec.derive_private_key(42, ec.SECP256R1())


def handshake(file: str, name: str = "gateway.example") -> None:
    """Complete a virtual board's handshake with a gateway of that certificate. Raises SSLError."""
    authorities = b"".join((FOLDER / f"authority-{kind}.der").read_bytes() for kind in ("ed25519", "p256"))
    gateway = Identity(KEY, (FOLDER / f"{file}.der").read_bytes())
    client = client_context(authorities, None, ManualClock(1_800_000_000))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    device = client.wrap_bio(down, up, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        device.do_handshake()
    hello = up.read()
    up.write(hello)
    end = tls_server((gateway,), authorities).context_for(read_client_hello(hello)).wrap_bio(up, down, server_side=True)
    for side in (end, device, end):  # a second hello, where one is asked for
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    device.do_handshake()


@pytest.mark.parametrize(("file", "expected"), TABLE)
def test_virtual_board_and_firmware_agree_on_key_usages(file: str, expected: str) -> None:
    if expected == "believed":
        handshake(file)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match=r"purpose|not for signatures|not for a server"):
            handshake(file)


def test_a_common_name_does_not_name_a_server() -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        handshake("server-without-names")
