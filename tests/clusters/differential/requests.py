"""The form of the differential's data: themes of requests, each with its own namespace and API group, in order.

In paths, headers and bodies ``$NS`` is the theme's namespace, ``$GROUP`` its API group, and ``$saved.metadata.uid`` a
value in the answer to the request that was saved under that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Request", "Theme", "apply", "custom", "definition", "delete", "get", "patch", "post", "prepare", "put"]

OBJECTS = "/apis/$GROUP/v1/namespaces/$NS/things"
"""The path of the objects of :func:`definition`."""
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_MEDIA = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Its answers are compared unless it is there to prepare others."""

    name: str
    method: str
    path: str
    body: Any = None
    """JSON; a string or bytes go as they are."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Replace the usual headers; None leaves one out."""
    save: str = ""
    until: tuple[int, ...] = ()
    """Repeat the request until its status is one of these."""
    compared: bool = True
    varies: tuple[str, ...] = ()
    """Paths in the answer whose values the real server draws by lot each time that it starts."""
    without: str = ""
    """The end of the paths in the answer that are not compared."""
    stays: str = ""
    """Why the embedded server answers differently on purpose."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Requests about one matter."""

    name: str
    title: str
    requests: Sequence[Request]
    namespace: bool = True
    """Whether it begins with its namespace made."""


def get(name: str, path: str, **more: Any) -> Request:
    return Request(name, "GET", path, **more)


def post(name: str, path: str, body: Any, **more: Any) -> Request:
    return Request(name, "POST", path, body, **more)


def put(name: str, path: str, body: Any, **more: Any) -> Request:
    return Request(name, "PUT", path, body, **more)


def patch(name: str, path: str, body: Any, kind: str = "merge", **more: Any) -> Request:
    """``kind``: json, merge, strategic or apply."""
    headers = {"Content-Type": _MEDIA[kind], **more.pop("headers", {})}
    return Request(name, "PATCH", path, body, headers, **more)


def apply(name: str, path: str, body: Any, manager: str = "applier", force: bool = False, **more: Any) -> Request:
    sign = "&" if "?" in path else "?"
    return patch(name, f"{path}{sign}fieldManager={manager}{'&force=true' * force}", body, "apply", **more)


def delete(name: str, path: str, body: Any = None, **more: Any) -> Request:
    return Request(name, "DELETE", path, body, **more)


def prepare(*requests: Request) -> list[Request]:
    """Requests whose answers are not compared."""
    return [replace(request, compared=False) for request in requests]


def definition(schema: Any, plural: str = "things", **changes: Any) -> dict[str, Any]:
    """A CustomResourceDefinition with one version, v1; ``changes`` replace members of its ``spec``."""
    kind = plural[:-1].capitalize()
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    for member in ("subresources", "selectableFields", "additionalPrinterColumns"):
        if member in changes:
            version[member] = changes.pop(member)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.$GROUP"},
        "spec": {
            "group": "$GROUP",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural[:-1], "kind": kind, "listKind": f"{kind}List"},
            "versions": [version],
            **changes,
        },
    }


def custom(made: dict[str, Any]) -> list[Request]:
    """Make a CustomResourceDefinition and wait until its objects are served and its version is discovered."""
    spec = made["spec"]
    plural = spec["names"]["plural"]
    version = next(one["name"] for one in spec["versions"] if one["served"])
    place = "namespaces/$NS/" if spec["scope"] == "Namespaced" else ""
    return prepare(
        post(f"define {plural}", DEFINITIONS, made, until=(201,)),
        get(f"{plural} are served", f"/apis/$GROUP/{version}/{place}{plural}", until=(200,)),
        get(f"{version} is discovered", f"/apis/$GROUP/{version}", until=(200,)),
    )
