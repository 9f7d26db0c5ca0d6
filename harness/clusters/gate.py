"""A gate before the requests of a client that come over a socket, for failures, delays, and ends of watches."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass
from typing import Protocol

import orjson

from harness.clusters.requests import flag, read_path
from harness.wasmbed.resources.api import ApiError, Resource, api_error

__all__ = ["GONE", "Asked", "Gate", "GatedClient", "Watching", "read_request"]

GONE = 410
Piece = bytes | memoryview

_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
_VERBS = {"POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


class Watching(Protocol):
    """An open watch."""

    @property
    def ends_with(self) -> int | None:
        """None while it goes on; 0 to end before its next event; an HTTP code to end with that error."""


class Gate(Protocol):
    """Asked before each request of a client, and before its answer."""

    async def enter(self, client: str, verb: str, resource: Resource, name: str) -> None:
        """Return when the request may go on. Raises ApiError to refuse it, OSError as if there was no server."""

    async def leave(self, client: str, verb: str, resource: Resource, name: str) -> None:
        """Return when the answer to a request may go to the client. Raises ApiError or OSError instead of it."""

    def watching(self, client: str, resource: Resource) -> AbstractContextManager[Watching]:
        """Inside, the client watches."""


class GatedClient:
    """A program that passes a gate, under the name that the record gives it."""

    def __init__(self, name: str, gate: Gate | None) -> None:
        self.name, self._gate = name, gate
        self._expired: set[Resource] = set()
        """Types whose watches the gate ended with 410: they have to be listed before they are watched again."""

    async def enter(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Return when a request may go on. Raises ApiError or OSError."""
        asked = read_request(method, path, query)
        if asked is None or self._gate is None:
            return
        await self._gate.enter(self.name, asked.verb, asked.resource, asked.name)
        if asked.verb == "list":
            self._expired.discard(asked.resource)
        elif asked.verb == "watch" and asked.resource in self._expired:
            raise _made_to_fail(GONE)

    async def leave(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Return when the answer may go to the program. Raises ApiError or OSError."""
        asked = read_request(method, path, query)
        if asked is not None and self._gate is not None:
            await self._gate.leave(self.name, asked.verb, asked.resource, asked.name)

    async def watch(self, path: str, events: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
        """The events of a watch's answer, up to the moment at which the gate ends it; each passes the gate as a request
        with the verb ``event``, and one that is refused ends the watch."""
        asked = read_request("GET", path, {"watch": "true"})
        watching = self._gate.watching(self.name, asked.resource) if asked and self._gate else nullcontext()
        async with aclosing(_lines(events) if asked and self._gate else events) as lines:
            with watching as watch:
                async for piece in lines:
                    if asked is not None and self._gate is not None and (name := _name_in(piece)) is not None:
                        try:
                            await self._gate.enter(self.name, "event", asked.resource, name)
                        except (ApiError, OSError):
                            return
                    if watch is None or watch.ends_with is None:
                        yield piece
                        continue
                    if watch.ends_with == GONE and asked is not None:
                        self._expired.add(asked.resource)
                    if watch.ends_with:
                        error = _made_to_fail(watch.ends_with)
                        status = {"kind": "Status", "code": error.code, "reason": error.reason, "message": str(error)}
                        yield json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
                    return


async def _lines(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
    """The lines of what arrives; a rest without a line end comes last."""
    held = bytearray()
    async with aclosing(pieces):
        async for piece in pieces:
            held += piece
            while (end := held.find(b"\n") + 1) > 0:
                line = bytes(held[:end])
                del held[:end]
                yield line
        if held:
            yield bytes(held)


def _name_in(line: Piece) -> str | None:
    """The name of the object in a watch event; None in a bookmark, an error, and what is not JSON."""
    try:
        event = orjson.loads(line)
        return str(event["object"]["metadata"]["name"]) if event["type"] in _CHANGES else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _made_to_fail(code: int) -> ApiError:
    reason = "Expired" if code == GONE else "InternalError"
    return api_error({"code": code, "reason": reason, "message": "the watch: the test makes this fail"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in the words of :class:`~harness.wasmbed.resources.api.ResourceApi`; ``name`` is empty for a list."""

    verb: str
    resource: Resource
    name: str


def read_request(method: str, path: str, query: Mapping[str, str]) -> Asked | None:
    """Read a request's first line; None for a path that is not a resource's."""
    about = read_path(path)
    if about is None:
        return None
    verb = _VERBS.get(method) or ("get" if about.name else "watch" if flag(query, "watch") else "list")
    if verb == "patch" and about.subresource == "status":
        verb = "patch_status"
    return Asked(verb, about.resource(), about.name)
