"""The messages of protobuf, from the tables of the built-in kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from harness.clusters.embedded.kinds.notation import SHARED, file_of, structs_of

__all__ = ["Field", "Message", "list_of", "message_of"]

_META = "meta"
_GROUPS = (
    "", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps",
    "authentication.k8s.io", "authorization.k8s.io",
    "autoscaling", "batch", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
    "meta.k8s.io", "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io", "scheduling.k8s.io",
    "storage.k8s.io",
)  # fmt: skip
"""The groups whose kinds have a form in protobuf."""
_BARE = ("APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions")
"""Kinds without metadata."""

Many = Literal["", "[", "{"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its JSON name, and a scalar of the notation or the name of a struct. ``many``: a list or a map."""

    name: str
    kind: str
    many: Many
    number: int
    keeps_zero: bool
    """Whether JSON shows a zero that was sent."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message by the numbers of its fields, and by their JSON names.

    A struct that Go embeds is a message of its own here, whose members JSON shows beside the others.
    """

    file: str
    numbers: dict[int, Field | Message] = field(default_factory=dict)
    names: dict[str, Field | int] = field(default_factory=dict)
    """A number: the embedded message that has the field."""


def message_of(api_version: str, kind: str) -> Message | None:
    """The message of a kind; None if it has no form in protobuf."""
    if api_version.rpartition("/")[0] not in _GROUPS or (kind.endswith("List") and kind not in _BARE):
        return None
    for place in (file_of(api_version), _META):
        if kind in structs_of(place):
            return _with_metadata(place, kind)
    return None


def list_of(api_version: str, kind: str) -> Message | None:
    """The message of the items of a list; None if the kind is not that of a list in protobuf."""
    if not kind.endswith("List") or kind in _BARE:
        return None
    return message_of(api_version, kind.removesuffix("List"))


@cache
def _with_metadata(file: str, kind: str) -> Message:
    found = struct(file, kind)
    if kind not in _BARE:
        metadata = Field("metadata", "ListMeta" if kind == "Status" else "ObjectMeta", "", 1, keeps_zero=True)
        return Message(file, {1: metadata, **found.numbers}, {"metadata": metadata, **found.names})
    return found


@cache
def struct(file: str, name: str) -> Message:
    """The message of a struct: of this file, or of those that all files share."""
    place = next(place for place in (file, SHARED, _META) if name in structs_of(place))
    message = Message(file)
    for line in structs_of(place)[name][1]:
        member, kind, *words = line.split(" ")
        numbers = next((word for word in words if word.startswith("#")), "")
        if numbers:
            _add(message, member, kind, numbers[1:])
    return message


def _add(message: Message, member: str, kind: str, numbers: str) -> None:
    first, _, rest = numbers.rstrip("?").partition(".")
    name = member.rstrip("!")
    if rest:
        inner = message.numbers.setdefault(int(first), Message(message.file))
        assert isinstance(inner, Message), "an embedded struct shares its number with no field"
        message.names[name] = int(first)
        _add(inner, member, kind, rest + "?" * numbers.endswith("?"))
        return
    many: Many = kind[0] if kind[0] in "[{" else ""  # type: ignore[assignment]
    keeps_zero = member.endswith("!") or numbers.endswith("?")
    described = Field(name, kind.strip("[]{}"), many, int(first), keeps_zero)
    message.numbers[described.number] = message.names[name] = described
