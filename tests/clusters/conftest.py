"""An API server without a socket, and a resource type to try it on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest

from harness.clusters.embedded.messages import Request, Response
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

WIDGET_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 10},
                "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
                "note": {"type": "string", "nullable": True},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "port": {"x-kubernetes-int-or-string": True},
                            "protocol": {"type": "string", "default": "TCP"},
                        },
                    },
                },
                "options": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 5}},
                "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {
            "type": "object",
            "default": {},
            "properties": {"phase": {"type": "string", "default": "New"}, "count": {"type": "integer"}},
        },
    },
}


def definition(**changes: Any) -> dict[str, Any]:
    """The CustomResourceDefinition of Widgets; ``changes`` replace members of its one version."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": WIDGET_SCHEMA},
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Made", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1},
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
            "versions": [{**version, **changes}],
        },
    }


def widget(name: str = "one", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.org/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 1, **spec},
    }


NO_SUCH_PAGE = b"404 page not found\n"
"""The answer to a path of which the server knows nothing."""


@dataclass
class Api:
    """Requests to a server, as a client on a socket would make them: bodies are bytes, answers are parsed."""

    server: ApiServer
    clock: ManualClock
    told: list[tuple[str, str, str, Mapping[str, Any], str]] = field(default_factory=list)

    definition = staticmethod(definition)
    widget = staticmethod(widget)

    async def ask(
        self, method: str, path: str, body: Any = b"", media: str = "application/json", **headers: str
    ) -> Response:
        target, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if data:
            given["content-type"] = media
        return await self.server.handle(
            Request(method, target, dict(parse_qsl(query, keep_blank_values=True)), given, data)
        )

    async def __call__(self, method: str, path: str, body: Any = b"", media: str = "application/json") -> Any:
        """The body of an answer that is not a refusal."""
        response = await self.ask(method, path, body, media)
        answer = orjson.loads(response.content.encode())
        assert response.status < 400, answer
        return answer

    async def refused(
        self, method: str, path: str, body: Any = b"", media: str = "application/json"
    ) -> tuple[int, str, dict[str, Any]]:
        """Code, reason and Status of a refusal."""
        response = await self.ask(method, path, body, media)
        if response.content.encode() == NO_SUCH_PAGE:
            return response.status, "", {"message": NO_SUCH_PAGE.decode()}
        status = orjson.loads(response.content.encode())
        assert response.status >= 400, status
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", response.status)
        return response.status, status.get("reason", ""), status

    async def lines(self, response: Response) -> list[Any]:
        """The events that a watch has now."""
        assert response.watcher is not None
        read = asyncio.ensure_future(response.watcher.read())
        await self.clock.advance(0)
        if not read.done():
            read.cancel()
            return []
        pieces = await read
        return [orjson.loads(line) for line in b"".join(pieces).splitlines()] if pieces is not None else ["END"]


def make_api(**settings: Any) -> Api:
    clock = ManualClock()
    told: list[Any] = []
    if settings.pop("tapped", False):
        settings["tap"] = lambda *call: told.append(call)
    return Api(ApiServer(clock, Randomness(7), **settings), clock, told)


@pytest.fixture
async def api(settings: dict[str, Any]) -> Api:
    """A fresh server that serves Widgets."""
    api = make_api(**settings)
    await api("POST", DEFINITIONS, definition())
    return api
