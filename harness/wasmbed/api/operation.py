"""Operations of the API: one declaration of each for the router, the check of a request, its right, and OpenAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from harness.wasmbed.resources.names import GROUP

__all__ = ["Answer", "Body", "Call", "Caller", "NoBody", "NoQuery", "Operation", "Result", "Right"]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Body(BaseModel):
    """The base of all bodies and queries: an unknown field is refused, since nobody would heed it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoBody(Body):
    """No body, or any object: the original's clients send one."""

    model_config = ConfigDict(extra="ignore")


class NoQuery(Body):
    """No query."""


B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Body)


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource, by default of the platform's group, as RBAC rules name it: ``pods/log`` is a
    subresource."""

    verb: str
    plural: str
    group: str = GROUP

    def __str__(self) -> str:
        return f"{self.verb} {self.plural}" + (f".{self.group}" if self.group else "")


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a request, as the Kubernetes API server knows them."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """A request that was found to fit."""

    caller: Caller
    names: Mapping[str, str]
    """The parts of the path that stand in braces."""
    body: B
    query: Q
    request: web.Request
    audit: dict[str, Any] = field(default_factory=dict)
    """Entries of the answer in the audit log, beside caller, right and code."""

    @property
    def expected_version(self) -> str | None:
        """The resourceVersion that the caller wants to change (If-Match)."""
        given = self.request.headers.get("If-Match", "").strip()
        return None if given in ("", "*") else given.removeprefix("W/").strip('"')


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is what JSON can say, or bytes of ``media_type``. ``version`` is the object's resourceVersion, for the
    ETag."""

    body: Any
    status: int = 200
    version: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


Result = Answer | web.StreamResponse
"""A stream is a response that has been sent."""
Run = Callable[[Call[Any, Any]], Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. ``answer`` is the type of the answer's body, None for bytes of ``media_type``.

    ``right`` is None for what anybody may ask. ``refusals`` are statuses that only this operation has.
    """

    name: str
    method: Method
    path: str
    summary: str
    run: Run
    answer: Any
    right: Right | None
    body: type[Body] | None = None
    query: type[Body] = NoQuery
    status: int = 200
    media_type: str = "application/json"
    refusals: tuple[int, ...] = ()
    also: str = ""
    """Another path, of the original's, for the same."""
    tag: str = ""
