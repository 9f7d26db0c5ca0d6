"""What the API server adds to, and demands of, objects of the built-in types beyond their schemas."""

from __future__ import annotations

import base64
import re
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object, lookup, same
from harness.wasmbed.resources.names import NAMESPACE_NAME_LABEL

__all__ = ["config_map", "namespace", "secret", "workload"]

_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")
_DATA_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_DATA_LIMIT = 1 << 20


def _refuse(new: Object, causes: list[Cause]) -> None:
    if causes:
        group = new["apiVersion"].rpartition("/")[0]
        raise errors.invalid(group, new["kind"], new["metadata"].get("name", ""), causes)


def namespace(new: Object, old: Object | None) -> None:
    """Active until it is deleted, held by its contents, and labelled with its name."""
    if old is None:
        new["spec"] = {"finalizers": ["kubernetes"]}
        new["status"] = {"phase": "Active"}
    metadata = new["metadata"]
    labels = metadata.get("labels") or {}
    if labels.get(NAMESPACE_NAME_LABEL) != metadata["name"]:
        new["metadata"] = {**metadata, "labels": {**labels, NAMESPACE_NAME_LABEL: metadata["name"]}}


def config_map(new: Object, old: Object | None) -> None:
    """Keys are file names, all of it fits into 1 MiB, and an immutable one stays."""
    causes = _data_causes(new, ("data", "binaryData"))
    causes += _immutable_causes(new, old, ("data", "binaryData"))
    _refuse(new, causes)


def secret(new: Object, old: Object | None) -> None:
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
    causes += _immutable_causes(new, old, ("data",))
    _refuse(new, causes)


def _data_causes(new: Object, members: tuple[str, ...]) -> list[Cause]:
    causes = []
    size = 0
    for member in members:
        for key, value in (new.get(member) or {}).items():
            size += len(value)
            if not _DATA_KEY.match(key):
                causes.append(errors.invalid_value(f"{member}[{key}]", key, _DATA_KEY_MESSAGE))
    if size > _DATA_LIMIT * 4 // 3:
        causes.append(errors.too_long("data", _DATA_LIMIT))
    return causes


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


def workload(new: Object, old: Object | None) -> None:
    """The selector matches the template's labels, and stays."""
    causes: list[Cause] = []
    selector: Any = lookup(new, ("spec", "selector")) or {}
    wanted = selector.get("matchLabels") or {}
    labels = lookup(new, ("spec", "template", "metadata", "labels")) or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        causes.append(
            errors.invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
        )
    if not selector:
        causes.append(errors.required("spec.selector"))
    if old is not None and not same(selector, lookup(old, ("spec", "selector"))):
        causes.append(errors.invalid_value("spec.selector", selector, "field is immutable"))
    _refuse(new, causes)
