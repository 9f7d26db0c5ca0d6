"""Themes run: twice on the real server, once on the embedded one, each time with fresh names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from tests.clusters.differential.answers import Difference, compare, normal, saved, without_variation
from tests.clusters.differential.requests import Request, Theme, delete, post, prepare
from tests.clusters.differential.servers import Answer, ServerUnderTest, both

__all__ = ["Compared", "Results", "run"]

_AT_A_TIME = 4
_TRIES, _PAUSE = 400, 0.05
_CLOCK = SystemClock()
_REFERENCE = re.compile(r"\$([a-z][a-z0-9_]*)\.([A-Za-z0-9.]+)")


@dataclass(frozen=True, slots=True)
class Compared:
    """A request and how its answers differ."""

    request: Request
    differences: Sequence[Difference]


Results = Mapping[str, Sequence[Compared]]


async def run(themes: Sequence[Theme]) -> Results:
    """Run all themes; the results are by their names."""
    async with both() as (real, embedded):
        places = asyncio.Semaphore(_AT_A_TIME)

        async def one(theme: Theme) -> list[Compared]:
            async with places:
                return await _theme(theme, real, embedded)

        return dict(zip([theme.name for theme in themes], await asyncio.gather(*map(one, themes)), strict=True))


async def _theme(theme: Theme, real: ServerUnderTest, embedded: ServerUnderTest) -> list[Compared]:
    first, second, ours = await asyncio.gather(_play(theme, real), _play(theme, real), _play(theme, embedded))
    return [
        Compared(request, _differences(request, without_variation(one, other), answer))
        for request, one, other, answer in zip(theme.requests, first, second, ours, strict=True)
        if request.compared
    ]


def _differences(request: Request, real: Any, embedded: Any) -> list[Difference]:
    found = compare(real, embedded)
    if request.without:
        found = [one for one in found if not one.path.endswith(request.without)]
    return [one for one in found if not (request.varies and one.path.startswith(request.varies))]


async def _play(theme: Theme, server: ServerUnderTest) -> list[Any]:
    token = f"kd-{Randomness().token(4)}"
    names: dict[str, Any] = {"$NS": token, "$GROUP": f"{token}.example.org"}
    before = prepare(post("namespace", "/api/v1/namespaces", {"metadata": {"name": "$NS"}})) if theme.namespace else []
    answers = []
    kept: dict[str, Mapping[str, Any]] = {}
    try:
        for request in [*before, *theme.requests]:
            answer = await _ask(server, request, names, kept)
            if request.save:
                kept[request.save] = saved(answer)
            answers.append(normal(answer, token))
    finally:
        for request in _clearing(theme):
            await _ask(server, request, names, kept)
    return answers[len(before) :]


def _clearing(theme: Theme) -> list[Request]:
    """Requests that remove a theme's definitions and namespace."""
    definitions = [
        request.body["metadata"].get("name", "")
        for request in theme.requests
        if request.method == "POST" and request.path.endswith("/customresourcedefinitions")
    ]
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
    found = [delete("clear", f"{path}{name}") for name in dict.fromkeys(definitions) if name]
    return [*found, delete("clear", "/api/v1/namespaces/$NS")]


async def _ask(
    server: ServerUnderTest, request: Request, names: Mapping[str, Any], kept: Mapping[str, Mapping[str, Any]]
) -> Answer:
    """The answer to a request, which is repeated until it is the awaited one. Raises :class:`AssertionError`."""
    target = _filled(request.path, names, kept)
    headers = {name: value if value is None else _filled(value, names, kept) for name, value in request.headers.items()}
    body = request.body
    if body is not None and not isinstance(body, bytes):
        text = body if isinstance(body, str) else orjson.dumps(body).decode()
        body = _filled(text, names, kept).encode()
    for _ in range(_TRIES):
        answer = await server.send(request.method, target, body, headers)
        if not request.until or answer.status in request.until:
            return answer
        if request.method == "POST":
            break
        await _CLOCK.sleep(_PAUSE)
    raise AssertionError(f"{request.name}: {answer.status} instead of {request.until}: {answer.body[:500]!r}")


def _filled(text: str, names: Mapping[str, str], kept: Mapping[str, Mapping[str, Any]]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)

    def look_up(found: re.Match[str]) -> str:
        value: Any = kept.get(found[1])
        if value is None:
            return found[0]
        for part in found[2].split("."):
            value = value.get(part, "") if isinstance(value, Mapping) else ""
        return str(value)

    return _REFERENCE.sub(look_up, text)
