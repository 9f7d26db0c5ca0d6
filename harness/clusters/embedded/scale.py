"""The scale subresource: the replicas of an object as an ``autoscaling/v1`` Scale, wherever the object has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import StatusError, bad_request
from harness.clusters.embedded.selectors import selector_text
from harness.clusters.embedded.values import Object, lookup

__all__ = ["ScalePaths", "scale_of", "scaled"]

_KINDS = {"kind": "Scale", "apiVersion": "autoscaling/v1"}
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where an object has its replicas: keys of the wanted number, of the actual one, and of the selector."""

    wanted: tuple[str, ...]
    actual: tuple[str, ...]
    selector: tuple[str, ...] = ()


def scale_of(stored: Object, paths: ScalePaths) -> Object:
    """The Scale of an object. Raises the 500 refusal where the object says no number."""
    wanted = lookup(stored, paths.wanted)
    if type(wanted) is not int:
        field = ".".join(("", *paths.wanted))
        message = f'Internal error occurred: the spec replicas field "{field}" does not exist'
        raise StatusError(500, "InternalError", message, {"causes": [{"message": message.partition(": ")[2]}]})
    return _scale(stored, paths, wanted)


def _scale(stored: Object, paths: ScalePaths, wanted: int) -> Object:
    metadata = stored["metadata"]
    status: Object = {"replicas": lookup(stored, paths.actual) or 0}
    if selector := lookup(stored, paths.selector) if paths.selector else None:
        status["selector"] = _text(selector) if isinstance(selector, dict) else selector
    return {
        **_KINDS,
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": status,
    }


def _text(selector: Object) -> str:
    """The selector of a built-in kind, which may be a map of labels alone, as a query."""
    plain = all(isinstance(value, str) for value in selector.values())
    return selector_text({"matchLabels": selector} if plain else selector)


def scaled(
    paths: ScalePaths, change: Callable[[Object], Any], group: str, kind: str, *, whole: bool
) -> Callable[[Object], Any]:
    """A change of an object, from one of its Scale. ``whole``: the change gives all of the Scale, as a PUT does."""

    def changed(stored: Object) -> Any:
        wanted = lookup(stored, paths.wanted)
        new = change(_scale(stored, paths, wanted if type(wanted) is int else 0))
        if not isinstance(new, dict) or (new.get("kind"), new.get("apiVersion")) != tuple(_KINDS.values()):
            raise bad_request("the body is not a Scale of autoscaling/v1")
        metadata = new.get("metadata") or {}
        if metadata.get("name", (name := stored["metadata"]["name"])) != name:
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        given = {name: metadata[name] for name in ("name", "uid", "resourceVersion") if name in metadata}
        if not whole or "resourceVersion" not in given:
            given.setdefault("resourceVersion", stored["metadata"]["resourceVersion"])
        replicas = (new.get("spec") or {}).get("replicas", 0)
        if type(replicas) is not int:
            detail = "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"
            cause = errors.invalid_value("patch", errors.show(new), detail)
            raise errors.invalid("", "", "", [cause])
        if replicas < 0:
            field = ".".join(("", *paths.wanted))
            cause = errors.invalid_value(field, replicas, "should be a non-negative integer")
            raise errors.invalid(group, kind, stored["metadata"]["name"], [cause])
        return {**_with(stored, paths.wanted, replicas), "metadata": {**stored["metadata"], **given}}

    return changed


def _with(value: Any, path: tuple[str, ...], item: Any) -> Any:
    """``value`` with another item at a path. Shares the rest."""
    if not path:
        return item
    members = value if isinstance(value, dict) else {}
    return {**members, path[0]: _with(members.get(path[0]), path[1:], item)}
