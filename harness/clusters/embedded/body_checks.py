"""Checks of what a body is about: its kind, version, namespace and name, and the object that it is to replace."""

from __future__ import annotations

import orjson

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import StatusError, bad_request
from harness.clusters.embedded.kinds.decoding import decoding_problem
from harness.clusters.embedded.store import Key
from harness.clusters.embedded.types import Registry, ResourceType
from harness.clusters.embedded.values import Object, lookup

__all__ = ["check_finalizers", "check_identity", "check_time", "in_version", "metadata_of", "other_uid", "wrong_name"]


def metadata_of(served: ResourceType, body: Object, namespace: str, registry: Registry) -> Object:
    """The body's metadata, after checking that the body is about this type and namespace."""
    _check_kind(served, body, registry)
    meta = body.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise _undecodable(served, body, "metadata")
    if served.namespaced:
        if meta.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    else:
        meta.pop("namespace", None)
    for member in ("name", "generateName", "resourceVersion"):
        if not isinstance(meta.get(member) or "", str):
            raise _undecodable(served, body, f"metadata.{member}")
    return meta


def _check_kind(served: ResourceType, body: Object, registry: Registry) -> None:
    """Raise the refusal for the body of another kind; complete one that does not say its kind."""
    if served.custom and not body.get("kind"):
        shown = orjson.dumps(body).decode()
        message = f"the object provided is unrecognized (must be of type {served.kind}): Object 'Kind' is missing in "
        raise bad_request(f"{message}'{shown}' ({shown[:30]}{' ...' * (len(shown) > 30)})")
    kind, api_version = body.setdefault("kind", served.kind), body.setdefault("apiVersion", served.api_version)
    if (kind, api_version) == (served.kind, served.api_version):
        return
    group, _, version = str(api_version).rpartition("/")
    if served.custom and api_version == served.api_version:
        cause = errors.invalid_value("kind", kind, f"must be {served.kind}")
        raise errors.invalid(served.group, str(kind), lookup(body, ("metadata", "name")) or "", [cause])
    if served.custom:
        what = "the API version in the data ({}) does not match the expected API version ({})"
        raise bad_request(what.format(api_version, served.api_version))
    start = f'{kind} in version "{version}" cannot be handled as a {served.kind}: '
    if any((one.group, one.version, one.kind) == (group, version, kind) for one in registry):
        own = served.group.partition(".")[0] or "core"
        raise bad_request(f"{start}converting ({version}.{kind}) to ({own}.{served.kind}): unknown conversion")
    known = f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/runtime/scheme.go:111"'
    raise bad_request(start + known)


def _undecodable(served: ResourceType, body: Object, field: str) -> StatusError:
    problem = decoding_problem(served.kind, dict(served.schema.raw), body)
    if served.custom and problem is not None:
        problem = problem.replace("ObjectMeta.metadata.", "ObjectMeta.")
    return bad_request(f"{in_version(served)}: {problem or f'{field} is not of the right type'}")


def check_time(served: ResourceType, body: Object) -> None:
    """Raise the refusal for a time that cannot be read, although the server sets its own."""
    if decoding_problem(served.kind, dict(served.schema.raw), {"metadata": body["metadata"]}) is not None:
        raise _undecodable(served, body, "metadata.creationTimestamp")


def check_identity(served: ResourceType, key: Key, meta: Object, old: Object) -> None:
    if meta.get("name", key[1]) != key[1]:
        raise wrong_name(meta.get("name", ""), key[1])
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if uid and uid != old["metadata"]["uid"]:
        raise other_uid(served, key, uid, old["metadata"]["uid"])
    if version and version != old["metadata"]["resourceVersion"]:
        raise errors.conflict(served.group, served.plural, key[1])
    if not version and not served.unconditional_update:
        cause = errors.invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise errors.invalid(served.group, served.plural, key[1], [cause])
    meta["resourceVersion"] = old["metadata"]["resourceVersion"]


def check_finalizers(served: ResourceType, meta: Object, old: Object) -> None:
    if "deletionTimestamp" not in old:
        return
    before = set(old.get("finalizers") or ())
    added = [item for item in meta.get("finalizers") or () if item not in before]
    if added:
        listed = "[]string{" + ", ".join(f'"{item}"' for item in added) + "}"
        message = f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}"
        cause = errors.forbidden_field("metadata.finalizers", message)
        raise errors.invalid(served.group, served.kind, meta["name"], [cause])


def other_uid(served: ResourceType, key: Key, wanted: str, actual: str) -> StatusError:
    """The refusal of a write that demands another object of the same name, in the words of Kubernetes' storage."""
    place = "/".join(filter(None, (served.group if served.custom else "", served.plural, *key)))
    why = f"StorageError: invalid object, Code: 4, Key: /registry/{place}, ResourceVersion: 0, AdditionalErrorMsg: "
    why += f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {actual}"
    return errors.conflict(served.group, served.plural, key[1], why)


def in_version(served: ResourceType) -> str:
    return f'{served.kind} in version "{served.version}" cannot be handled as a {served.kind}'


def wrong_name(given: str, expected: str) -> errors.StatusError:
    return bad_request(f"the name of the object ({given}) does not match the name on the URL ({expected})")
