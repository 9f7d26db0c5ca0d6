"""Rules for the metadata of every object: names, labels, owners, finalizers."""

from __future__ import annotations

import re
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object

__all__ = [
    "NAME_SUFFIX_ALPHABET",
    "check_metadata",
    "dns_1035_problem",
    "label_causes",
    "label_problem",
    "name_problem",
    "qualified_problem",
    "subdomain_problem",
]

NAME_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""``generateName`` draws its five characters from (no vowels, so no words)."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL = re.compile(rf"{_LABEL}\Z")
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
_LABELS = ("namespaces", "services")
"""Types whose objects' names are labels of DNS."""
_ANNOTATIONS_LIMIT = 256 << 10

_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_MESSAGE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def name_problem(name: str, plural: str, path_names: bool = False) -> str | None:
    """Return the fault of an object's name, in Kubernetes' words."""
    if path_names:
        return _segment_problem(name)
    if plural in _LABELS and "." in name:
        return "must not contain dots"
    if plural in _LABELS:
        pattern, limit, message = _DNS_LABEL, 63, _LABEL_MESSAGE
    else:
        pattern, limit, message = _DNS_SUBDOMAIN, 253, _SUBDOMAIN_MESSAGE
    if len(name) > limit:
        return f"must be no more than {limit} characters"
    return None if pattern.match(name) else message


def subdomain_problem(text: str) -> str | None:
    """Return the fault of a DNS-1123 subdomain."""
    if len(text) > 253:
        return "must be no more than 253 bytes"
    return None if _DNS_SUBDOMAIN.match(text) else _SUBDOMAIN_MESSAGE


def label_problem(text: str) -> str | None:
    """Return the fault of a DNS-1123 label."""
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if _DNS_LABEL.match(text) else _LABEL_MESSAGE


def dns_1035_problem(text: str) -> str | None:
    """Return the fault of a DNS-1035 label."""
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if _DNS_1035.match(text) else _1035_MESSAGE


def _segment_problem(name: str) -> str | None:
    """Return the fault of a name that only has to be a segment of a path."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    wrong = next((char for char in "/%" if char in name), None)
    return f"may not contain '{wrong}'" if wrong else None


def check_metadata(metadata: Object, plural: str, path_names: bool = False) -> list[Cause]:
    """Return the fault of an object's metadata."""
    causes: list[Cause] = []
    name = metadata.get("name", "")
    if not name:
        causes.append(errors.required("metadata.name", "name or generateName is required"))
    elif problem := name_problem(name, plural, path_names):
        causes.append(errors.invalid_value("metadata.name", name, problem))
    if labels := metadata.get("labels"):
        causes.extend(label_causes(labels, "metadata.labels"))
    if annotations := metadata.get("annotations"):
        _check_annotations(annotations, causes)
    if owners := metadata.get("ownerReferences"):
        _check_owners(owners, causes)
    causes.extend(
        errors.invalid_value("metadata.finalizers", finalizer, problem)
        for finalizer in metadata.get("finalizers") or ()
        if (problem := qualified_problem(finalizer))
    )
    return causes


def label_causes(labels: Object, field: str) -> list[Cause]:
    """Return the fault of a map of labels."""
    causes = []
    for key, value in labels.items():
        if problem := qualified_problem(key):
            causes.append(errors.invalid_value(field, key, problem))
        if len(value) > 63:
            causes.append(errors.invalid_value(field, value, "must be no more than 63 characters"))
        elif not _LABEL_VALUE.match(value):
            causes.append(errors.invalid_value(field, value, _VALUE_MESSAGE))
    return causes


def qualified_problem(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if slash and not _DNS_SUBDOMAIN.match(prefix):
        return f"prefix part {_SUBDOMAIN_MESSAGE}"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    return None if _QUALIFIED.match(name) else _QUALIFIED_MESSAGE


def _check_annotations(annotations: Object, causes: list[Cause]) -> None:
    causes.extend(
        errors.invalid_value("metadata.annotations", key, problem)
        for key in annotations
        if (problem := qualified_problem(key.lower()))
    )
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        causes.append(errors.too_long("metadata.annotations", _ANNOTATIONS_LIMIT))


def _check_owners(owners: list[Any], causes: list[Cause]) -> None:
    causes.extend(
        errors.invalid_value(f"metadata.ownerReferences.{member}", "", "must not be empty")
        for owner in owners
        for member in ("apiVersion", "kind", "name", "uid")
        if not owner.get(member)
    )
    causes.extend(
        errors.invalid_value("metadata.ownerReferences", owner, "/v1, Kind=Event is disallowed from being an owner")
        for owner in owners
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event")
    )
    controllers = [f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        found = " and ".join(controllers)
        message = f'Only one reference can have Controller set to true. Found "true" in references for {found}'
        causes.append(errors.invalid_value("metadata.ownerReferences", owners, message))
