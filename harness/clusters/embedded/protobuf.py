"""The few protobuf bodies that ``kubectl`` sends (``create namespace|configmap|secret|serviceaccount``, reviews).

Its typed clients offer no JSON for these. Answers are JSON, which they take. Field numbers are those of Kubernetes'
``generated.proto`` files; a message with a field that is not listed here is refused, not half understood.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.clusters.embedded.errors import StatusError, bad_request
from harness.clusters.embedded.values import Object

__all__ = ["PROTOBUF", "decode"]

PROTOBUF = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class _Field:
    """A field: its JSON name, and ``string``, ``bytes``, ``bool``, ``int``, ``time`` or a message's name."""

    name: str
    kind: str
    repeated: bool = False
    mapped: bool = False


def _message(*fields: tuple[int, str]) -> Mapping[int, _Field]:
    described = {}
    for number, text in fields:
        name, kind = text.split(":")
        described[number] = _Field(name, kind.strip("[]{}"), repeated=kind[0] == "[", mapped=kind[0] == "{")
    return described


_MESSAGES: Mapping[str, Mapping[int, _Field]] = {
    "ObjectMeta": _message(
        (1, "name:string"), (2, "generateName:string"), (3, "namespace:string"), (4, "selfLink:string"),
        (5, "uid:string"), (6, "resourceVersion:string"), (7, "generation:int"), (8, "creationTimestamp:time"),
        (9, "deletionTimestamp:time"), (10, "deletionGracePeriodSeconds:int"), (11, "labels:{string}"),
        (12, "annotations:{string}"), (13, "ownerReferences:[OwnerReference]"), (14, "finalizers:[string]"),
    ),
    "OwnerReference": _message(
        (1, "kind:string"), (3, "name:string"), (4, "uid:string"), (5, "apiVersion:string"), (6, "controller:bool"),
        (7, "blockOwnerDeletion:bool"),
    ),
    "Namespace": _message((1, "metadata:ObjectMeta"), (2, "spec:NamespaceSpec"), (3, "status:NamespaceStatus")),
    "NamespaceSpec": _message((1, "finalizers:[string]")),
    "NamespaceStatus": _message((1, "phase:string")),
    "ConfigMap": _message(
        (1, "metadata:ObjectMeta"), (2, "data:{string}"), (3, "binaryData:{bytes}"), (4, "immutable:bool"),
    ),
    "Secret": _message(
        (1, "metadata:ObjectMeta"), (2, "data:{bytes}"), (3, "type:string"), (4, "stringData:{string}"),
        (5, "immutable:bool"),
    ),
    "ServiceAccount": _message(
        (1, "metadata:ObjectMeta"), (3, "imagePullSecrets:[LocalObjectReference]"),
        (4, "automountServiceAccountToken:bool"),
    ),
    "LocalObjectReference": _message((1, "name:string")),
    "SelfSubjectAccessReview": _message(
        (1, "metadata:ObjectMeta"), (2, "spec:SelfSubjectAccessReviewSpec"), (3, "status:Nothing"),
    ),
    "SelfSubjectAccessReviewSpec": _message(
        (1, "resourceAttributes:ResourceAttributes"), (2, "nonResourceAttributes:NonResourceAttributes"),
    ),
    "ResourceAttributes": _message(
        (1, "namespace:string"), (2, "verb:string"), (3, "group:string"), (4, "version:string"),
        (5, "resource:string"), (6, "subresource:string"), (7, "name:string"),
    ),
    "NonResourceAttributes": _message((1, "path:string"), (2, "verb:string")),
    "SelfSubjectRulesReview": _message(
        (1, "metadata:ObjectMeta"), (2, "spec:SelfSubjectRulesReviewSpec"), (3, "status:Nothing"),
    ),
    "SelfSubjectRulesReviewSpec": _message((1, "namespace:string")),
    "SelfSubjectReview": _message((1, "metadata:ObjectMeta"), (2, "status:Nothing")),
    "Nothing": _message((1, "allowed:bool"), (2, "reason:string"), (3, "incomplete:bool")),
    "DeleteOptions": _message(
        (1, "gracePeriodSeconds:int"), (2, "preconditions:Preconditions"), (3, "orphanDependents:bool"),
        (4, "propagationPolicy:string"), (5, "dryRun:[string]"),
    ),
    "TokenRequest": _message(
        (1, "metadata:ObjectMeta"), (2, "spec:TokenRequestSpec"), (3, "status:TokenRequestStatus"),
    ),
    "TokenRequestSpec": _message(
        (1, "audiences:[string]"), (3, "boundObjectRef:BoundObjectReference"), (4, "expirationSeconds:int"),
    ),
    "TokenRequestStatus": _message((1, "token:string"), (2, "expirationTimestamp:time")),
    "BoundObjectReference": _message(
        (1, "kind:string"), (2, "apiVersion:string"), (3, "name:string"), (4, "uid:string"),
    ),
    "Role": _message((1, "metadata:ObjectMeta"), (2, "rules:[PolicyRule]")),
    "ClusterRole": _message((1, "metadata:ObjectMeta"), (2, "rules:[PolicyRule]")),
    "PolicyRule": _message(
        (1, "verbs:[string]"), (2, "apiGroups:[string]"), (3, "resources:[string]"), (4, "resourceNames:[string]"),
        (5, "nonResourceURLs:[string]"),
    ),
    "RoleBinding": _message((1, "metadata:ObjectMeta"), (2, "subjects:[Subject]"), (3, "roleRef:RoleRef")),
    "ClusterRoleBinding": _message((1, "metadata:ObjectMeta"), (2, "subjects:[Subject]"), (3, "roleRef:RoleRef")),
    "Subject": _message((1, "kind:string"), (2, "apiGroup:string"), (3, "name:string"), (4, "namespace:string")),
    "RoleRef": _message((1, "apiGroup:string"), (2, "kind:string"), (3, "name:string")),
    "Preconditions": _message((1, "uid:string"), (2, "resourceVersion:string")),
}  # fmt: skip


def decode(body: bytes) -> Object:
    """The object in a body. Raises the 415 refusal for types and fields not known here, the 400 one for garbage."""
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        about = dict(_fields(_bytes(envelope.get(1, b""))))
        api_version, kind = (_bytes(about.get(number, b"")).decode() for number in (1, 2))
        if kind not in _MESSAGES:
            message = f"{api_version} {kind} cannot be read from protobuf by this server; send it as application/json"
            raise StatusError(415, "UnsupportedMediaType", message)
        return {"apiVersion": api_version, "kind": kind, **_object(kind, _bytes(envelope.get(2, b"")))}
    except (IndexError, OSError, OverflowError, ValueError) as error:
        raise bad_request(f"the body is not well-formed protobuf: {error}") from error


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where a message is expected")
    return value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        if wire == _LENGTH:
            size, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} is not in use")
        if position + size > len(data):
            raise ValueError("a field is cut off")
        yield tag >> 3, data[position : position + size]
        position += size


def _object(message: str, data: bytes) -> Object:
    read: Object = {}
    known = _MESSAGES[message]
    for number, value in _fields(data):
        described = known.get(number)
        if described is None:
            if value in (b"", 0):
                continue
            text = f"field {number} of {message} cannot be read from protobuf by this server; send application/json"
            raise StatusError(415, "UnsupportedMediaType", text)
        if described.mapped:
            pair = dict(_fields(_bytes(value)))
            key = _bytes(pair.get(1, b"")).decode()
            read.setdefault(described.name, {})[key] = _value(described.kind, pair.get(2, b""))
        elif described.repeated:
            read.setdefault(described.name, []).append(_value(described.kind, value))
        elif value != b"":
            read[described.name] = _value(described.kind, value)
    return read


def _value(kind: str, value: bytes | int) -> object:
    if kind == "bool":
        return bool(value)
    if kind == "int":
        if not isinstance(value, int):
            raise ValueError("bytes stand where a number is expected")
        return value - (1 << 64) if value >> 63 else value
    data = _bytes(value)
    if kind == "string":
        return data.decode()
    if kind == "bytes":
        return base64.b64encode(data).decode()
    if kind == "time":
        seconds = dict(_fields(data)).get(1, 0)
        if not isinstance(seconds, int):
            raise ValueError("bytes stand where a time is expected")
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _object(kind, data)
