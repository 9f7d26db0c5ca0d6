"""Answers and watches in protobuf, made of those in JSON."""

from __future__ import annotations

import orjson

from harness.clusters.embedded.messages import JSON, Listing, Plain, Raw, Response, Stored, Watch
from harness.clusters.embedded.protobuf import wire
from harness.clusters.embedded.protobuf.codec import PROTOBUF, encode
from harness.clusters.embedded.values import Object

__all__ = ["WATCHED", "ProtobufWatch", "in_protobuf"]

WATCHED = f"{PROTOBUF};stream=watch"


def in_protobuf(answer: Response) -> Response:
    """The answer in protobuf; as it is where what it holds has no such form."""
    is_object = isinstance(answer.content, Plain | Stored | Listing) and answer.content_type == JSON
    if is_object and answer.watcher is None and (data := encode(answer.content.value())) is not None:
        answer.content, answer.content_type = Raw(data), PROTOBUF
    return answer


class ProtobufWatch:
    """A watch whose events are messages, each behind its length in four bytes."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def read(self) -> list[bytes] | None:
        """Events that wait, each a piece; None at the end."""
        pieces = await self._watch.read()
        return None if pieces is None else [_frame(line) for line in b"".join(pieces).splitlines()]

    async def event(self) -> tuple[str, Object] | None:
        return await self._watch.event()

    def close(self) -> None:
        self._watch.close()


def _frame(line: bytes) -> bytes:
    event = orjson.loads(line)
    held = encode(event["object"])
    assert held is not None, "a watch in protobuf is of objects that have this form"
    message = wire.text(1, event["type"]) + wire.nested(2, wire.nested(1, held))
    return len(message).to_bytes(4, "big") + message
