"""``wasmbed decode``: show what recorded bytes of a link say, offline."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harness.cli.output import say
from harness.core.errors import UsageError
from harness.core.files import read_bytes

NOT_A_MESSAGE = 1
"""The exit code for bytes that break the wire's rules."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--wire",
    type=click.Choice(["1", "u", "r"]),
    default="1",
    show_default=True,
    help="Protocol version 1, or a dialect of the original Wasmbed: u (frames), r (bare messages).",
)
@click.option("--from", "sender", type=click.Choice(["device", "gateway"]), default="device", show_default=True)
@click.option("--hex", "is_hex", is_flag=True, help="FILE holds hexadecimal digits; white space is ignored.")
def decode(file: Path, wire: str, sender: str, is_hex: bool) -> int:
    """Decode the bytes that a device or a gateway sent, from FILE or - (stdin).

    Prints one line of JSON for each message. Exit code 1: some bytes are not a message.
    """
    data = sys.stdin.buffer.read() if str(file) == "-" else read_bytes(file, "name a file with the bytes of a link")
    if is_hex:
        try:
            data = bytes.fromhex(data.decode("ascii"))
        except ValueError as error:
            raise UsageError(
                f"not hexadecimal digits: {error}", where=str(file), do="leave --hex out for a file of bytes"
            ) from error
    code = 0
    for line in _bare(data, sender) if wire == "r" else _framed(data, wire, sender):
        code = NOT_A_MESSAGE if "error" in line else code
        say(json.dumps(line, ensure_ascii=False))
    return code


def _framed(data: bytes, wire: str, sender: str) -> Iterator[dict[str, Any]]:
    from harness.wasmbed.protocol import codec
    from harness.wasmbed.protocol.describe import describe
    from harness.wasmbed.protocol.dialects import u
    from harness.wasmbed.protocol.errors import ProtocolError
    from harness.wasmbed.protocol.framing import HARD_LIMIT, HEADER_SIZE, FrameDecoder

    decode_one = getattr(u if wire == "u" else codec, f"decode_{sender}")
    frames, at = FrameDecoder(HARD_LIMIT), 0
    frames.push(data)
    while at < len(data):
        try:
            payload = frames.pop()
        except ProtocolError as error:
            yield {"byte": at, "error": error.reason}
            return
        if payload is None:
            yield {"byte": at, "error": f"a frame that is cut off: {frames.missing} bytes are missing"}
            return
        try:
            envelope = decode_one(payload)
            yield {"byte": at, "id": envelope.message_id} | _named(envelope.message, describe(envelope.message))
        except ProtocolError as error:
            yield {"byte": at, "id": error.message_id, "error": error.reason}
        at += HEADER_SIZE + len(payload)


def _bare(data: bytes, sender: str) -> Iterator[dict[str, Any]]:
    from harness.wasmbed.protocol.describe import describe
    from harness.wasmbed.protocol.dialects import r
    from harness.wasmbed.protocol.errors import ProtocolError

    decode_one = r.decode_device if sender == "device" else r.decode_gateway
    at = 0
    while at < len(data):
        try:
            reading = decode_one(data, at)
        except ProtocolError as error:  # without frames nothing says where the next message begins
            yield {"byte": at, "error": error.reason}
            return
        about = {"id": reading.message_id, "malformed": reading.malformed}
        given = {name: value for name, value in about.items() if value is not None}
        yield {"byte": at} | given | _named(reading.message, describe(reading.message))
        at = reading.end


def _named(message: object, fields: dict[str, Any]) -> dict[str, Any]:
    return {"message": type(message).__name__, "fields": fields}
