"""Encodes a board's settings for a firmware of another project, in the form that its image declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from harness.boards.board import BoardEnvironment, BoardSettings
from harness.boards.foreign import ForeignImage, Source
from harness.boards.littlefs_image import NoFiles, littlefs_image
from harness.boards.zephyr_settings import NoRoom, settings_partition
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
"""The placeholders for words, settings and files, each with its meaning. Bytes are written in hexadecimal, except by a
setting or a file that has nothing else."""

_PLACES: Mapping[Source, Callable[[Iterable[tuple[str, bytes]], int, int], bytes]] = {
    Source.SETTINGS: settings_partition,
    Source.FILES: littlefs_image,
}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def learned(image: ForeignImage, settings: BoardSettings, environment: BoardEnvironment) -> bytes:
    """Return what lies at ``image.address`` at a power-on; empty if its source is nothing.

    Raises UsageError for an unknown placeholder, and for more than fits into ``image.size`` bytes."""
    if image.source is Source.NOTHING:
        return b""
    values = _values(settings, environment)
    if image.source in _PLACES:
        return _entries(image, settings.name, values)
    text = _fill(image, "text", image.text, values)
    content = len(text).to_bytes(4, "little") + text
    if len(content) > image.size:
        raise UsageError(
            f"the words of {settings.name} have {len(content)} bytes, more than the {image.size} for them",
            where=image.at("size"),
            do="write a larger size, if the firmware has the room, or a shorter text",
        )
    return content


def _entries(image: ForeignImage, board: str, values: Mapping[str, str | bytes]) -> bytes:
    entries = [(name, _content(image, text, values)) for name, text in image.entries]
    try:
        return _PLACES[image.source](entries, image.size, image.sector)
    except (NoRoom, NoFiles) as error:
        raise UsageError(
            f"the {image.source} of {board} cannot be written: {error}",
            where=image.at("size"),
            do="write size and sector as the firmware has them, other names, or fewer entries",
        ) from error


def _content(image: ForeignImage, text: str, values: Mapping[str, str | bytes]) -> bytes:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole is not None and isinstance(value := values.get(whole[1]), bytes):
        return value
    return _fill(image, "entries", text, values)


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
    def written(found: re.Match[str]) -> str:
        if found[1] not in values:
            do = f"{suggestion(found[1], values)}the placeholders are {', '.join(values)}"
            raise UsageError(f"unknown placeholder {found[0]}", where=image.at(key), do=do)
        value = values[found[1]]
        return value.hex() if isinstance(value, bytes) else value

    return _PLACEHOLDER.sub(written, text).encode()
