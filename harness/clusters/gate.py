"""A gate before the requests of a client that come over a socket, for failures, delays, and ends of watches."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass
from typing import Protocol

from harness.clusters.passing import metadata_of, read_json
from harness.clusters.requests import flag, read_path
from harness.wasmbed.resources.api import ApiError, Object, Resource, api_error

__all__ = ["GONE", "Asked", "Gate", "GatedClient", "GatedProgram", "Watching", "read_request"]

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

    async def foreseen(self, client: str, change: str, resource: Resource, name: str, body: Object) -> None:
        """Return when a request that changes something (``POST``, ``PATCH``, ...) may be looked at."""

    def answered(self, client: str, verb: str, resource: Resource, name: str, query: str, answer: bytes) -> bytes:
        """The answer that a client gets to a read instead of ``answer``, if it is to get another one."""

    async def event(self, client: str, change: str, resource: Resource, name: str, stored: Object) -> None:
        """Return when a watch event may go to the client. Raises ApiError if the watch has to end."""

    def watching(self, client: str, resource: Resource) -> AbstractContextManager[Watching]:
        """Inside, the client watches."""


class GatedProgram:
    """A program's clients. Those whose user agent is one of ``clients`` are recorded and pass the gate under that name,
    all others under ``name``."""

    def __init__(self, name: str, gate: Gate | None, clients: Collection[str] = ()) -> None:
        self.name = name
        self._other = GatedClient(name, gate)
        self._named = {each: GatedClient(each, gate) for each in clients}

    def client(self, user_agent: str) -> GatedClient:
        """The client that sends a request with that ``User-Agent`` header."""
        return self._named.get(user_agent, self._other)


class GatedClient:
    """A client that passes a gate, under the name that the record gives it."""

    def __init__(self, name: str, gate: Gate | None) -> None:
        self.name, self._gate = name, gate
        self._expired: set[Resource] = set()
        """Types whose watches the gate ended with 410: they have to be listed before they are watched again."""

    async def enter(self, method: str, path: str, query: Mapping[str, str], body: bytes = b"") -> None:
        """Return when a request may go on. Raises ApiError or OSError."""
        asked = read_request(method, path, query)
        if asked is None or self._gate is None:
            return
        if method in _VERBS:
            sent = read_json(body)
            name = asked.name or str(metadata_of(sent).get("name") or "")
            await self._gate.foreseen(self.name, method, asked.resource, name, sent if isinstance(sent, dict) else {})
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

    def answered(self, path: str, query: Mapping[str, str], answer: bytes) -> bytes:
        """The answer that the program gets to a read."""
        asked = read_request("GET", path, query)
        if asked is None or self._gate is None or asked.verb == "watch":
            return answer
        return self._gate.answered(
            self.name, asked.verb, asked.resource, asked.name, str(sorted(query.items())), answer
        )

    async def watch(self, path: str, events: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
        """The events of a watch's answer, up to the moment at which the gate ends it; each passes the gate,
        and one that is refused ends the watch."""
        asked = read_request("GET", path, {"watch": "true"})
        watching = self._gate.watching(self.name, asked.resource) if asked and self._gate else nullcontext()
        async with aclosing(_lines(events) if asked and self._gate else events) as lines:
            with watching as watch:
                async for piece in lines:
                    ends_with = await self._met(asked, piece)
                    if ends_with is None:
                        ends_with = watch.ends_with if watch is not None else None
                    if ends_with is None:
                        yield piece
                        continue
                    if ends_with == GONE and asked is not None:
                        self._expired.add(asked.resource)
                    if ends_with:
                        error = _made_to_fail(ends_with)
                        status = {"kind": "Status", "code": error.code, "reason": error.reason, "message": str(error)}
                        yield json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
                    return

    async def _met(self, asked: Asked | None, line: Piece) -> int | None:
        """Let an event pass the gate; returns the code with which the watch has to end."""
        if asked is None or self._gate is None or not isinstance(event := read_json(line), dict):
            return None
        if not isinstance(stored := event.get("object"), dict) or event.get("type") not in _CHANGES:
            return None
        name = str(metadata_of(stored).get("name") or "")
        try:
            await self._gate.event(self.name, str(event["type"]), asked.resource, name, stored)
        except ApiError as error:
            return error.code
        except OSError:
            return 0
        return None


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
