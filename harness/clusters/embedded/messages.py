"""The data that goes in and out of the server, whatever carries it: a socket, or a call in the same process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from harness.clusters.embedded.access.users import ADMIN, User
from harness.clusters.embedded.store import StoredObject
from harness.clusters.embedded.values import Object, copy_value
from harness.clusters.embedded.watching import Presentation

__all__ = ["JSON", "YAML", "Content", "Listing", "Plain", "Raw", "Request", "Response", "Stored", "Watch"]

JSON = "application/json"
YAML = "application/yaml"


@dataclass(slots=True)
class Request:
    """A request. ``headers`` are looked up in lower case.

    ``body`` is bytes, or in a call in the same process a JSON value that belongs to the server from then on.
    ``client`` is who asks, in a history's words. ``in_process`` makes a watch hand out values instead of lines.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = b""
    client: str = "User"
    in_process: bool = False
    user: User = ADMIN
    """The authenticated user; once the request is let in, the user that it impersonates."""


class Content(Protocol):
    """The body of an answer, in whichever form it is wanted."""

    def encode(self) -> bytes: ...

    def value(self) -> Any:
        """A JSON value that is the receiver's own."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A JSON value made for this answer."""

    data: Any

    def encode(self) -> bytes:
        return orjson.dumps(self.data)

    def value(self) -> Any:
        return copy_value(self.data)


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes of another media type."""

    data: bytes

    def encode(self) -> bytes:
        return self.data

    def value(self) -> Any:
        return self.data


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored object."""

    entry: StoredObject
    form: Presentation

    def encode(self) -> bytes:
        return self.form.encode(self.entry)

    def value(self) -> Object:
        return self.form.copy(self.entry)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of stored objects."""

    kind: str
    api_version: str
    metadata: Object
    entries: list[StoredObject]
    form: Presentation

    def encode(self) -> bytes:
        return b"".join(self.parts())

    def parts(self) -> Iterator[bytes]:
        """The same, object by object."""
        head = orjson.dumps({"kind": self.kind, "apiVersion": self.api_version, "metadata": self.metadata})
        yield head[:-1] + b',"items":['
        comma = b""
        for entry in self.entries:
            yield comma
            yield self.form.encode(entry)
            comma = b","
        yield b"]}"

    def value(self) -> Object:
        items = [self.form.copy(entry) for entry in self.entries]
        return {"kind": self.kind, "apiVersion": self.api_version, "metadata": dict(self.metadata), "items": items}


class Watch(Protocol):
    """A watch that was begun."""

    async def read(self) -> list[bytes] | None:
        """Events that wait, as they go over the socket, in pieces; None at the end."""

    async def event(self) -> tuple[str, Object] | None:
        """The next event, for a call in the same process; None at the end."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Response:
    """An answer: content, or a watch that goes on."""

    status: int
    content: Content
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    """Texts that the client shows its user: each becomes a Warning header of its own."""
    content_type: str = JSON
    watcher: Watch | None = None
