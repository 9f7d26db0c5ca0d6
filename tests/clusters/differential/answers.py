"""Answers made comparable: random values and times are replaced, and lists in random order are sorted."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from harness.clusters.embedded.protobuf import decode, wire
from tests.clusters.differential.servers import Answer

__all__ = ["Difference", "compare", "normal", "without_variation"]

VARIES = "<varies>"
_HEADERS = (
    "content-type", "content-encoding", "warning", "etag", "vary", "location", "retry-after", "www-authenticate",
    # the server header: not compared yet
)  # fmt: skip
_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b(?:202[6-9]|20[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_AGE = re.compile(r"(\d+[ydhms]){1,2}")
_VERSION = re.compile(r"\d+")
_CURRENT = re.compile(r"current: \d+")
_VERSION_TEXT = re.compile(r'(resource version|resourceVersion)(:? ?"?)\d+')


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two answers differ, and what is there: a JSON text, or nothing."""

    path: str
    real: str
    embedded: str


def normal(answer: Answer, token: str) -> Any:
    """An answer as a JSON value. ``token`` is in all names that a run has made."""
    body = answer.body
    if answer.headers.get("content-encoding") == ["gzip"]:
        body = gzip.decompress(body)
    kind = answer.headers.get("content-type", [""])[0]
    content: Any
    if "json" in kind:
        text = body.decode("utf-8", "replace").replace(token, "kd-token")
        try:
            content = _cleaned(orjson.loads(text))
        except orjson.JSONDecodeError:  # the events of a watch
            content = [_cleaned(orjson.loads(line)) for line in text.splitlines() if line]
    elif "protobuf" in kind:
        objects = list(_messages(body)) if "watch" in kind else [decode(body)]
        text = orjson.dumps(objects).decode().replace(token, "kd-token")
        content = {"protobuf": [_cleaned(one) for one in orjson.loads(text)]}
    else:
        content = _text(body.decode("utf-8", "replace").replace(token, "kd-token"))
    headers = {name: sorted(answer.headers[name]) for name in _HEADERS if name in answer.headers}
    if "etag" in headers:
        headers["etag"] = ["<etag>"]
    headers = {name: [value.replace(token, "kd-token") for value in values] for name, values in headers.items()}
    return {"status": answer.status, "headers": headers, "body": content}


def _messages(body: bytes) -> Iterator[dict[str, Any]]:
    """The events of a watch in protobuf: each behind its length in four bytes."""
    while body:
        end = 4 + int.from_bytes(body[:4], "big")
        event = dict(wire.fields(body[4:end]))
        held = dict(wire.fields(wire.piece(event[2])))
        yield {"type": wire.piece(event[1]).decode(), "object": decode(wire.piece(held[1]))}
        body = body[end:]


def _cleaned(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        cleaned = {_UID.sub("<uid>", name): _cleaned(item, name) for name, item in value.items()}
        if isinstance(entries := cleaned.get("managedFields"), list):
            cleaned["managedFields"] = sorted(entries, key=_manager)
        return _sorted_causes(cleaned) if cleaned.get("kind") == "Status" else cleaned
    if isinstance(value, list) and key == "cells":
        return ["<age>" if isinstance(item, str) and _AGE.fullmatch(item) else _cleaned(item) for item in value]
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, str):
        if key in ("resourceVersion", "resourceVersionMatch") and _VERSION.fullmatch(value):
            return "<version>"
        return "<continue>" if key == "continue" and value else _text(value)
    return value


def _manager(entry: Any) -> str:
    """A key to sort managed fields by; the servers sort them by the second of their last write."""
    identity = {name: item for name, item in entry.items() if name not in ("fieldsV1", "time")}
    return orjson.dumps(identity, option=orjson.OPT_SORT_KEYS).decode()


def _text(text: str) -> str:
    text = text.replace("wasmbed-apiserver", "kube-apiserver")
    text = _UID.sub("<uid>", text)
    text = _TIME.sub(lambda found: "<micro-time>" if found[1] else "<time>", text)
    text = _CURRENT.sub("current: <version>", text)
    return _VERSION_TEXT.sub(r"\1\2<version>", text)


def _sorted_causes(status: dict[str, Any]) -> dict[str, Any]:
    """The real server lists causes in the order of a map in Go."""
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    if isinstance(details, dict) and isinstance(causes, list) and len(causes) > 1:
        details["causes"] = [orjson.loads(cause) for cause in sorted({orjson.dumps(cause) for cause in causes})]
        head, found, rest = status.get("message", "").partition(": [")
        if found:
            status["message"] = head + found + ", ".join(sorted(rest.rstrip("]").split(", ")))
    return status


def without_variation(one: Any, other: Any) -> Any:
    """The answers of two runs of the real server as one; what differs between them is marked."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            name: without_variation(one.get(name), other.get(name)) if name in one and name in other else VARIES
            for name in {**one, **other}
        }
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [without_variation(*pair) for pair in zip(one, other, strict=True)]
    return one if one == other and type(one) is type(other) else VARIES


def compare(real: Any, embedded: Any, path: str = "") -> list[Difference]:
    """All differences, in the order of the real answer."""
    if real == VARIES:
        return []
    if isinstance(real, dict) and isinstance(embedded, dict):
        found = []
        for name in {**real, **embedded}:
            here = f"{path}.{name}" if path else name
            if name not in embedded:
                found += [Difference(here, _shown(real[name]), "")] * (real[name] != VARIES)
            elif name not in real:
                found.append(Difference(here, "", _shown(embedded[name])))
            else:
                found += compare(real[name], embedded[name], here)
        return found
    if isinstance(real, list) and isinstance(embedded, list) and len(real) == len(embedded):
        return [one for index, item in enumerate(real) for one in compare(item, embedded[index], f"{path}[{index}]")]
    if real == embedded and type(real) is type(embedded):
        return []
    return [Difference(path, _shown(real), _shown(embedded))]


def _shown(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def saved(answer: Answer) -> Mapping[str, Any]:
    """The body of an answer that later requests refer to."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
