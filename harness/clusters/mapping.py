"""Translates resources between the documents' form and that of the system under test, whose resource types are its own.

The only place that knows of two forms: history, judges, waits, and controllers see the documents' form, the API server
and other programs the system's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from harness.wasmbed.resources.api import Object, Resource

__all__ = ["CORRELATED", "EACH", "PHASE", "Path", "ResourceForm", "ResourceMapping"]

Path = tuple[str, ...]
"""The steps to a field, from ``spec`` or ``status`` on."""
EACH = "*"
"""The step of a path that stands for each member of a map, or each item of a list."""
PHASE: Path = ("status", "phase")
"""Where the documents have the phase."""
CORRELATED = ("Device", "Application")
"""The kinds whose objects' names are correlations."""
_PARTS = ("metadata", "spec", "status")
_Move = tuple[Path, Path]
_Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ResourceForm:
    """One type in both forms."""

    documents: Resource
    own: Resource
    moves: tuple[_Move, ...] = ()
    """The fields that are elsewhere: the documents' path, and its own with the same number of :data:`EACH`."""
    phases: Mapping[str, str | None] = field(default_factory=dict)
    """Its own names of phases by the documents'; None for one that it does not have. A phase without an entry has the
    same name."""

    def to_own(self, value: Object) -> Object:
        """An object, a part of one, or a merge patch, in the system's form. The given one is not changed."""
        made = self._named(deepcopy(value), self.own)
        self._rename_phase(made, self.phases)
        return _moved(made, self.moves)

    def to_documents(self, value: Object) -> Object:
        """The inverse. A field of the system that only has the name of a documents' field is left out."""
        made = _moved(self._named(deepcopy(value), self.documents), [(own, ours) for ours, own in self.moves])
        self._rename_phase(made, self._phases_to_documents())
        return made

    def operations_to_documents(self, operations: list[Any]) -> list[Any]:
        """A JSON patch (RFC 6902) with the documents' paths and phases. A value between a part of the object and a
        field of the documents stays as it is."""
        made: list[Any] = deepcopy(operations)
        moves = [(own, ours) for ours, own in self.moves]
        for operation in made:
            if not isinstance(operation, dict):
                continue
            for member in ("from", "path"):
                if isinstance(pointer := operation.get(member), str) and pointer:
                    operation[member] = "/".join(("", *_renamed(tuple(pointer.split("/")[1:]), moves)))
            path = tuple(str(operation.get("path")).split("/")[1:])
            if "value" not in operation or not path:
                continue
            value = operation["value"]
            if path == PHASE and isinstance(value, str):
                operation["value"] = self._phases_to_documents().get(value, value)
            elif len(path) == 1:
                operation["value"] = self.to_documents({path[0]: value})[path[0]]
        return made

    def field_selector(self, selector: str) -> str:
        """A field selector in the system's form."""
        terms = []
        for term in filter(None, selector.split(",")):
            name, _, value = term.partition("=")
            name, sign = (name[:-1], "!=") if name.endswith("!") else (name, "=")
            path, value = tuple(name.split(".")), value.removeprefix("=")
            own = ".".join(_renamed(path, self.moves))
            terms.append(f"{own}{sign}{(self.phases.get(value) or value) if path == PHASE else value}")
        return ",".join(terms)

    def _phases_to_documents(self) -> dict[str, str]:
        """A name that only the documents have is marked as wrong, so that no judge takes it for the right one."""
        own = {own: ours for ours, own in self.phases.items() if own is not None}
        return {ours: f"?{ours}" for ours in self.phases} | own

    @staticmethod
    def _named(value: Object, resource: Resource) -> Object:
        if "kind" in value:
            value["kind"] = resource.kind
        if "apiVersion" in value:
            value["apiVersion"] = resource.api_version
        return value

    @staticmethod
    def _rename_phase(value: Object, names: Mapping[str, str | None]) -> None:
        status = value.get("status")
        if isinstance(status, dict) and isinstance(phase := status.get("phase"), str):
            name = names.get(phase, phase)
            if name is None:
                del status["phase"]
            else:
                status["phase"] = name


class ResourceMapping:
    """The types of a system that has its own ones."""

    def __init__(self, forms: Iterable[ResourceForm] = ()) -> None:
        """A form that differs in nothing may be left out."""
        self.forms = tuple(form for form in forms if form.moves or form.phases or form.own != form.documents)
        self._by_ours = {form.documents: form for form in self.forms}
        self._by_own = {(form.own.group, form.own.plural): form for form in self.forms}
        self._by_kind = {form.own.kind: form for form in self.forms}
        self.groups = frozenset(form.own.group for form in self.forms)
        """The groups of its types."""

    def __bool__(self) -> bool:
        return bool(self.forms)

    def form(self, documents: Resource) -> ResourceForm | None:
        """The form of a type of the documents; None if it has no other."""
        return self._by_ours.get(documents)

    def form_at(self, own: Resource) -> ResourceForm | None:
        """The form of a type as a request's path names it."""
        return self._by_own.get((own.group, own.plural))

    def recorded(self, name: str, data: Mapping[str, Any], correlation: str) -> tuple[str, Mapping[str, Any], str]:
        """The name, data, and correlation of what a cluster's tap was called with, as the documents have them."""
        verb, _, kind = name.partition(" ")
        form = self._by_kind.get(kind)
        if form is None:
            return name, data, correlation
        parts = {part: data[part] for part in _PARTS if isinstance(data.get(part), Mapping)}
        made = {**data, **form.to_documents(parts)}
        if isinstance(operations := data.get("operations"), list):
            made["operations"] = form.operations_to_documents(operations)
        kind = form.documents.kind
        return f"{verb} {kind}", made, str(data["name"]) if kind in CORRELATED else ""


def _moved(value: Object, moves: Iterable[_Move]) -> Object:
    """``value`` with every field at its other path: inner fields leave before what holds them, and arrive after."""
    moves = list(moves)
    taken = [
        (target, keys, found)
        for source, target in sorted(moves, key=lambda move: -len(move[0]))
        for keys, found in _take(value, source)
    ]
    for _, target in sorted(moves, key=lambda move: -len(move[1])):
        for _ in _take(value, target):  # another field of that name
            pass
    for target, keys, found in sorted(taken, key=lambda each: len(each[0])):
        _put(value, target, iter(keys), found)
    return value


def _renamed(path: Path, moves: Iterable[_Move]) -> Path:
    """The other path of a field that is moved, or that is in one."""
    for source, target in sorted(moves, key=lambda move: -len(move[0])):
        if len(source) <= len(path) and all(step in (EACH, at) for step, at in zip(source, path, strict=False)):
            keys = iter([at for step, at in zip(source, path, strict=False) if step == EACH])
            return (*(next(keys) if step == EACH else step for step in target), *path[len(source) :])
    return path


def _take(holder: Any, path: Path, keys: _Keys = ()) -> Iterator[tuple[_Keys, Any]]:
    """Remove the fields at a path, with what they leave empty; yields what stood for each EACH, and the field."""
    step, *rest = path
    for key in _members(holder, step):
        found = (*keys, key) if step == EACH else keys
        if not rest:
            yield found, holder.pop(key)
            continue
        inner, was_empty = holder[key], not holder[key]
        yield from _take(inner, tuple(rest), found)
        if inner == {} and not was_empty and isinstance(holder, dict) and (keys or step not in _PARTS):
            del holder[key]


def _members(holder: Any, step: str) -> list[Any]:
    if step == EACH and isinstance(holder, list):
        return list(range(len(holder)))
    if not isinstance(holder, dict):
        return []
    return list(holder) if step == EACH else [step] if step in holder else []


def _put(holder: Any, path: Path, keys: Iterator[str | int], value: Any) -> None:
    """Set a field, and make what holds it."""
    *before, last = path
    for step in before:
        key = next(keys) if step == EACH else step
        if isinstance(holder, list):
            if not isinstance(key, int):
                return
            holder = holder[key]
            continue
        if not isinstance(holder.get(key), dict | list):
            holder[key] = {}
        holder = holder[key]
    key = next(keys) if last == EACH else last
    if isinstance(holder, dict):
        holder[key] = value
