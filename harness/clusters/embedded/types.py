"""Resource types as data, and the registry in which requests find them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.scale import ScalePaths
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object

__all__ = ["ALL_VERBS", "NO_COLLECTION", "Column", "Prepare", "Registry", "ResourceType"]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
NO_COLLECTION = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")


Prepare = Callable[[Object, "Object | None"], "Iterable[Cause] | None"]
"""Completes a new object, in place, and says what is wrong with it; the second argument is the stored one."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of Table output: a path of keys into the object, or a function of it."""

    name: str
    value: tuple[str, ...] | Callable[[Object], Any]
    type: str = "string"
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ResourceType:
    """One resource type in one version, as it is served."""

    group: str
    version: str
    plural: str
    kind: str
    schema: Schema
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    has_status: bool = False
    """Whether the status is a subresource: written through it alone, and outside ``metadata.generation``."""
    keeps_status: bool = False
    """Whether a new object may come with its status, as a node that reports itself."""
    counts_generation: bool = False
    custom: bool = False
    """Whether it comes from a CustomResourceDefinition."""
    unconditional_update: bool = True
    """Whether a PUT may leave out the resourceVersion."""
    more_subresources: tuple[str, ...] = ()
    """Beside the status."""
    scale: ScalePaths | None = None
    """Where an object has its replicas, if they are a subresource."""
    put_creates: bool = False
    """Whether a PUT may create an object that is not there."""
    deprecation: str = ""
    """The warning that every answer about the type carries."""
    path_names: bool = False
    """Whether names are anything that can be a segment of a path, instead of a DNS subdomain."""
    columns: tuple[Column, ...] = ()
    selectable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field selectors beside ``metadata.name`` and ``metadata.namespace``, and the paths that they read."""
    prepare: Prepare | None = None
    unowned: tuple[tuple[str, ...], ...] = ()
    """Fields that the server sets by itself when an object is made, as paths of managed fields."""
    make_blank: Callable[[], Object] = dict
    """Returns the members that an object shows before anybody sets a field; no manager owns those."""
    storage: str = ""
    """The name of the collection that keeps the objects; differs where two groups serve the same ones."""
    from_storage: Callable[[Object], Object] | None = None
    to_storage: Callable[[Object], Object] | None = None

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        """The plural with its group: ``devices.wasmbed.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def collection(self) -> str:
        return self.storage or self.name

    @property
    def lists_as(self) -> str:
        return self.list_kind or f"{self.kind}List"

    @property
    def subresources(self) -> tuple[str, ...]:
        scale = ("scale",) * (self.scale is not None)
        return (*self.more_subresources, *scale, *("status",) * self.has_status)

    @property
    def blank(self) -> Object:
        return self.make_blank()

    @property
    def unset(self) -> str:
        """The member that a new object has from the server and not from its maker, or the empty name."""
        return "status" if self.has_status else ""

    @property
    def called(self) -> str:
        """The singular name."""
        return self.singular or self.kind.lower()


class Registry:
    """The types that are served, by group, version and plural."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, str, str], ResourceType] = {}
        self.revision = 0
        """Grows with every change, for code that keeps something made from it."""

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._types.values())

    def add(self, served: ResourceType) -> None:
        """Serve a type, in place of one of the same group, version and plural."""
        self._types[served.group, served.version, served.plural] = served
        self.revision += 1

    def remove(self, group: str, plural: str, version: str = "") -> None:
        """Serve a type no longer: in one version, or in all."""
        for key in [key for key in self._types if (key[0], key[2]) == (group, plural) and version in ("", key[1])]:
            del self._types[key]
        self.revision += 1

    def knows(self, group: str, version: str = "") -> bool:
        """Whether a group is served, and the version of it; a built-in group answers for all its versions."""
        types = [served for served in self if served.group == group]
        return any(not version or not served.custom or served.version == version for served in types)

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        return self._types.get((group, version, plural))

    def storing(self, collection: str) -> ResourceType:
        """The type in whose form a collection keeps its objects."""
        return next(served for served in self if served.collection == collection and served.from_storage is None)

    def group_versions(self) -> dict[str, list[str]]:
        """Every group with its versions, in the order in which they came; the core group is the empty name."""
        found: dict[str, list[str]] = {}
        for group, version, _ in self._types:
            versions = found.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return found

    def of(self, group: str, version: str) -> list[ResourceType]:
        return [served for served in self if (served.group, served.version) == (group, version)]
