"""Encodes a board's settings as the blob that its firmware finds in memory.

``"WBID"``, a 4-byte big-endian length, that many bytes of CBOR (a map by field number), and the SHA-256 of the CBOR.
The same format serves QEMU, Renode and real flash; ``firmware/wasmbed-node/src/provisioning.rs`` reads it.
"""

from __future__ import annotations

import hashlib

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from harness.boards.board import BoardEnvironment, BoardSettings
from harness.core.errors import UsageError

__all__ = ["ETHERNET_ADDRESS", "ETHERNET_HOST", "provisioning_blob"]

MAGIC = b"WBID"
VERSION = 1

ETHERNET_ADDRESS = "10.0.2.15/24"
"""A board's own address on an emulator's network, and below it the address of the harness's computer there."""
ETHERNET_HOST = "10.0.2.2"


def provisioning_blob(settings: BoardSettings, environment: BoardEnvironment, room: int | None = None) -> bytes:
    """Encode the blob for a power-on: it contains the time and fresh entropy. ``room`` is the memory for it, in bytes.

    Raises UsageError for an unreadable private key, and for a blob that is larger than ``room``.
    """
    credentials = settings.credentials
    host, port = settings.gateway
    try:
        public_key = load_der_private_key(credentials.private_key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"the private key cannot be read: {error}", where=settings.name, do="give a P-256 key in PKCS #8, DER"
        ) from error
    fields: dict[int, object] = {
        0: VERSION,
        1: settings.name,
        2: credentials.private_key,
        3: credentials.certificate,
        4: credentials.authority,
        5: f"{host}:{port}",
        6: settings.server_name,
        7: int(environment.clock.now() * 1000),
        8: environment.randomness.bytes(32),
        9: credentials.pairing_token,
        10: settings.device_type,
        11: list(settings.capabilities) if settings.capabilities is not None else None,
        12: public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        13: round(settings.watchdog * 1000) if settings.watchdog is not None else None,
        14: settings.self_test,
        15: True if settings.recording is not None else None,
        16: ETHERNET_ADDRESS if settings.link == "ethernet" else None,
    }
    body = cbor2.dumps({number: value for number, value in fields.items() if value is not None}, canonical=True)
    blob = MAGIC + len(body).to_bytes(4, "big") + body + hashlib.sha256(body).digest()
    if room is not None and len(blob) > room:
        raise UsageError(
            f"the provisioning blob has {len(blob)} bytes, the board has room for {room}",
            where=settings.name,
            do="use shorter certificates or names",
        )
    return blob
