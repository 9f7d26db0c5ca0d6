"""Additions to, and demands on, objects of the built-in types beyond their schemas."""

from __future__ import annotations

import base64
import re

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object, same
from harness.wasmbed.resources.names import NAMESPACE_NAME_LABEL

__all__ = ["config_map", "namespace", "secret"]

_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")
_DATA_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_DATA_LIMIT = 1 << 20
_NEEDED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
"""The keys that a Secret of some type has to have."""


def namespace(new: Object, old: Object | None) -> None:
    """Active until it is deleted, held by its contents, and labelled with its name."""
    if old is None:
        new["spec"] = {"finalizers": ["kubernetes"]}
        new["status"] = {"phase": "Active"}
    metadata = new["metadata"]
    labels = metadata.get("labels") or {}
    name = metadata.get("name")
    if name and labels.get(NAMESPACE_NAME_LABEL) != name:
        new["metadata"] = {**metadata, "labels": {**labels, NAMESPACE_NAME_LABEL: name}}


def config_map(new: Object, old: Object | None) -> list[Cause]:
    """Keys are file names, all of it fits into 1 MiB, and an immutable one stays."""
    causes = _data_causes(new, ("data", "binaryData"))
    return causes + _immutable_causes(new, old, ("data", "binaryData"))


def secret(new: Object, old: Object | None) -> list[Cause]:
    """``stringData`` becomes ``data``; the type stays what it was."""
    strings = new.pop("stringData", None)
    if strings:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in strings.items()}
        new["data"] = {**(new.get("data") or {}), **encoded}
    if not new.get("type"):
        new["type"] = "Opaque"
    causes = _data_causes(new, ("data",))
    if old is not None and new["type"] != old.get("type"):
        causes.append(errors.invalid_value("type", new["type"], "field is immutable"))
    data = new.get("data") or {}
    causes += [errors.required(f"data[{key}]") for key in _NEEDED.get(new["type"], ()) if key not in data]
    return causes + _immutable_causes(new, old, ("data",))


def _data_causes(new: Object, members: tuple[str, ...]) -> list[Cause]:
    causes = []
    size = 0
    for member in members:
        for key, value in (new.get(member) or {}).items():
            size += len(value.encode()) if member == "data" and new["kind"] == "ConfigMap" else _decoded(value)
            if not _DATA_KEY.match(key):
                causes.append(errors.invalid_value(f"{member}[{key}]", key, _DATA_KEY_MESSAGE))
    if size > _DATA_LIMIT:
        causes.append(errors.too_long("[]" if new["kind"] == "ConfigMap" else "data", _DATA_LIMIT))
    return causes


def _decoded(text: str) -> int:
    """The number of bytes that a text in base64 stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")


def _immutable_causes(new: Object, old: Object | None, members: tuple[str, ...]) -> list[Cause]:
    if old is None or not old.get("immutable"):
        return []
    causes = [
        errors.forbidden_field(member, "field is immutable when `immutable` is set")
        for member in members
        if not same(new.get(member), old.get(member))
    ]
    if not new.get("immutable"):
        causes.append(errors.forbidden_field("immutable", "field is immutable when `immutable` is set"))
    return causes
