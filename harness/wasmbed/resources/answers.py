"""Paths and answers of a Kubernetes API server, for every client of ours: the same path, the same errors."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import (
    CUSTOM_RESOURCE_DEFINITION,
    NAMESPACE,
    NODE,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
    TOKEN_REVIEW,
)

__all__ = ["CLUSTER_SCOPED", "object_of", "path_of", "status_of"]

CLUSTER_SCOPED = frozenset(
    {
        NAMESPACE,
        NODE,
        CUSTOM_RESOURCE_DEFINITION,
        SELF_SUBJECT_ACCESS_REVIEW,
        SELF_SUBJECT_RULES_REVIEW,
        SUBJECT_ACCESS_REVIEW,
        TOKEN_REVIEW,
    }
)


def path_of(resource: Resource, namespace: str, name: str | None = None) -> str:
    """The path of a collection, or with ``name`` of an object."""
    root = "/apis" if resource.group else "/api"
    scope = "" if resource in CLUSTER_SCOPED else f"/namespaces/{quote(namespace, safe='')}"
    path = f"{root}/{resource.api_version}{scope}/{resource.plural}"
    return f"{path}/{quote(name, safe='')}" if name is not None else path


def object_of(data: bytes, member: str = "kind") -> Object:
    """The object in a successful answer, which has this ``member``. Raises ConnectionError for another server's."""
    try:
        answer = orjson.loads(data)
        if isinstance(answer, dict) and member in answer:
            return answer
    except ValueError:
        pass
    raise ConnectionError(
        f"the server is not a Kubernetes API server; it answered {data[:80].decode('utf-8', 'replace')!r}"
    )


def status_of(code: int, reason: str | None, data: bytes) -> dict[str, Any]:
    """The Status of a refusal, made from the HTTP status line where a proxy answered without one."""
    try:
        status = orjson.loads(data)
        if status["kind"] == "Status":
            return {**status, "code": code}
    except (ValueError, KeyError, TypeError):
        pass
    return {"code": code, "reason": reason, "message": data.decode("utf-8", "replace")[:500]}
