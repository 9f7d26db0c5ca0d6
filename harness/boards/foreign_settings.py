"""Encodes a board's settings for a firmware of another project, in the form that its image declares."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from harness.boards.board import BoardEnvironment, BoardSettings
from harness.boards.foreign import ForeignImage, Source
from harness.core.errors import UsageError, suggestion

__all__ = ["PLACEHOLDERS", "learned"]

PLACEHOLDERS: Mapping[str, str] = {
    "endpoint": "where it connects to, host:port",
    "host": "the host of the endpoint",
    "port": "the port of the endpoint",
    "server_name": "the name in the gateway's certificate",
    "name": "the board's name",
    "device_type": "the device type that it has to claim; empty: its own",
    "pairing_token": "for an enrollment by signing request, else empty",
    "time": "milliseconds since the Unix epoch",
    "entropy": "32 random bytes, other ones at each power-on",
    "authority": "the certificates that sign gateways, DER",
    "certificate": "its certificate, DER; empty for an enrollment by signing request",
    "private_key": "its private key, PKCS #8, DER",
    "public_key": "its public key, SubjectPublicKeyInfo, DER",
}
"""What texts and entries of a foreign image can contain, each with its meaning. Within a longer text, bytes are written
in hexadecimal."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def learned(image: ForeignImage, settings: BoardSettings, environment: BoardEnvironment) -> bytes:
    """Return what lies at ``image.address`` at a power-on; empty if its source is nothing.

    Raises UsageError for an unknown placeholder, and for more than ``image.size`` bytes."""
    values = _values(settings, environment)
    match image.source:
        case Source.WORDS:
            text = _fill(image, "text", image.text, values)
            content = len(text).to_bytes(4, "little") + text
        case _:
            content = b""
    if image.size and len(content) > image.size:
        raise UsageError(
            f"the {image.source} of {settings.name} have {len(content)} bytes, more than the {image.size} for them",
            where=image.at("size"),
            do="write a larger size, if the firmware has the room, or fewer entries",
        )
    return content


def _values(settings: BoardSettings, environment: BoardEnvironment) -> Mapping[str, str | bytes]:
    credentials, (host, port) = settings.credentials, settings.gateway
    public_key = load_der_private_key(credentials.private_key, password=None).public_key()
    values: dict[str, str | bytes] = {
        "endpoint": f"{host}:{port}",
        "host": host,
        "port": str(port),
        "server_name": settings.server_name,
        "name": settings.name,
        "device_type": settings.device_type or "",
        "pairing_token": credentials.pairing_token or "",
        "time": str(round(environment.clock.now() * 1000)),
        "entropy": environment.randomness.bytes(32),
        "authority": credentials.authority,
        "certificate": credentials.certificate or b"",
        "private_key": credentials.private_key,
        "public_key": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    }
    assert values.keys() == PLACEHOLDERS.keys()
    return values


def _fill(image: ForeignImage, key: str, text: str, values: Mapping[str, str | bytes]) -> bytes:
    """Return ``text`` with its placeholders replaced; one that is the whole text gives its bytes as they are."""

    def value(name: str) -> str | bytes:
        if name not in values:
            do = f"{suggestion(name, values)}the placeholders are {', '.join(values)}"
            raise UsageError(f"unknown placeholder {{{name}}}", where=image.at(key), do=do)
        return values[name]

    if whole := _PLACEHOLDER.fullmatch(text):
        found = value(whole[1])
        return found.encode() if isinstance(found, str) else found

    def written(found: re.Match[str]) -> str:
        each = value(found[1])
        return each.hex() if isinstance(each, bytes) else each

    return _PLACEHOLDER.sub(written, text).encode()
