"""The scale subresource: the replicas of an object as an ``autoscaling/v1`` Scale, wherever the object has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause, StatusError, bad_request
from harness.clusters.embedded.selectors import selector_text
from harness.clusters.embedded.values import Object, lookup

__all__ = ["ScalePaths", "check_replicas", "scale_of", "scaled"]

_KINDS = {"kind": "Scale", "apiVersion": "autoscaling/v1"}
_NOT_A_SCALE = 'no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"'
"""Kubernetes' words for a body that is not an ``autoscaling/v1`` Scale."""
_LARGEST = (1 << 31) - 1
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


def scaled(paths: ScalePaths, change: Callable[[Object], Any], *, whole: bool) -> Callable[[Object], Any]:
    """A change of an object, from one of its Scale. ``whole``: the change gives all of the Scale, as a PUT does."""

    def changed(stored: Object) -> Any:
        wanted = lookup(stored, paths.wanted)
        new = change(_scale(stored, paths, wanted if type(wanted) is int else 0))
        if not isinstance(new, dict) or (new.get("kind"), new.get("apiVersion")) != tuple(_KINDS.values()):
            raise bad_request(_NOT_A_SCALE)
        metadata = new.get("metadata") or {}
        if metadata.get("name", (name := stored["metadata"]["name"])) != name:
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        given = {name: metadata[name] for name in ("name", "uid", "resourceVersion") if name in metadata}
        if not whole or "resourceVersion" not in given:
            given.setdefault("resourceVersion", stored["metadata"]["resourceVersion"])
        spec = {} if new.get("spec") is None else new["spec"]
        replicas = spec.get("replicas") if isinstance(spec, dict) else spec
        replicas = 0 if replicas is None else replicas
        if type(replicas) is not int or not -_LARGEST - 1 <= replicas <= _LARGEST:
            raise _unreadable(new, replicas, whole=whole)
        return {**_with(stored, paths.wanted, replicas), "metadata": {**stored["metadata"], **given}}

    return changed


def _unreadable(new: Object, replicas: Any, *, whole: bool) -> StatusError:
    """The refusal of a Scale whose replicas are not a number of 32 bits."""
    if whole:
        return bad_request(_NOT_A_SCALE)
    what = f"number {replicas}" if type(replicas) in (int, float) else type(replicas).__name__
    detail = f"json: cannot unmarshal {what} into Go struct field ScaleSpec.spec.replicas of type int32"
    return errors.invalid("", "", "", [errors.invalid_value("patch", errors.show(new), detail)])


def check_replicas(stored: Object, paths: ScalePaths) -> list[Cause]:
    """The faults of an object's numbers of replicas, wherever it has them."""
    causes = []
    for path in (paths.wanted, paths.actual):
        replicas, field = lookup(stored, path), ".".join(("", *path))
        if type(replicas) is int and replicas < 0:
            causes.append(errors.invalid_value(field, replicas, "should be a non-negative integer"))
        elif type(replicas) is int and replicas > _LARGEST:
            causes.append(errors.invalid_value(field, replicas, f"should be less than or equal to {_LARGEST}"))
    return causes


def _with(value: Any, path: tuple[str, ...], item: Any) -> Any:
    """``value`` with another item at a path. Shares the rest."""
    if not path:
        return item
    members = value if isinstance(value, dict) else {}
    return {**members, path[0]: _with(members.get(path[0]), path[1:], item)}
