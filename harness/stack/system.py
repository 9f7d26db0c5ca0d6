"""Reads ``system.toml``: what the system under test can do, and how it spells its resources, as data.

    wire = "1"
    lacks = ["gateway-pairing", "csr"]

    [gateway]
    features = ["gateway-http"]
    ports = { devices = 8443, http = 8080 }

    [resources]
    group = "iot.example.org"
    version = "v1beta1"
    definitions = ["crds.yaml"]

    [resources.Device.fields]
    "status.phase" = "status.state"

    [resources.Device.phases]
    Connected = "online"
    Enrolled = false

A kind, a field, or a phase that the system does not have is ``false``. A table ``[gateways.NAME]`` names the file by
``system``. What a file leaves out is as in ``reference.toml``, the file of the system that this project brings, which
lists every field and every phase.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from harness.clusters.mapping import EACH, PHASE, ResourceForm, ResourceMapping
from harness.core.errors import UsageError, reason, suggestion
from harness.wasmbed.protocol.dialects.wires import VERSION_1, WIRES
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.extent import WHOLE, Extent
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

__all__ = ["FEATURES", "System", "not_in_system", "read_system"]

FEATURES: Mapping[str, str] = {
    "applications": "has Application resources with all their phases, which the harness's controllers deploy",
    "device-phases": "writes every phase of a Device",
    "device-fields": "has every field of a Device",
    "gateway-fields": "has Gateway resources, with every field and phase",
}
"""The features that a system lacks by what its file says of its resources, each with its meaning."""

_PARTS = ("wire", "lacks", "gateway", "resources")
_GATEWAY = ("features", "ports")
_KINDS = ("Device", "Application", "Gateway")
_COMMON = ("group", "version")
_OF_RESOURCES = (*_COMMON, "definitions", *_KINDS)
_NAMES = (*_COMMON, "kind", "plural")
_OF_KIND = (*_NAMES, "fields", "phases")
_PHASE_FIELD = ".".join(PHASE)
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")
_FIELD = re.compile(r"(spec|status)(\.(\w[\w-]*|\*))*\.\w[\w-]*")


@dataclass(frozen=True, slots=True)
class System:
    """A system under test."""

    gateway: Mapping[str, Any] = field(default_factory=dict)
    """The keys of a gateway's table that it gives."""
    lacks: frozenset[str] = frozenset()
    """Features of gateways and boards that tests cannot ask of it."""
    wire: str = VERSION_1
    """The wire between devices and gateway, of :data:`~harness.wasmbed.protocol.dialects.wires.WIRES`."""
    mapping: ResourceMapping = field(default_factory=ResourceMapping)
    extent: Extent = WHOLE
    """The kinds, phases, and fields of the documents that it has."""
    definitions: tuple[Object, ...] = ()
    """CustomResourceDefinitions to install; the cluster has those of other types already."""
    where: str = ""
    """The file, for messages."""


def read_system(path: Path, where: str) -> System:
    """Read a file. Raises UsageError naming file, line, and field."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}", where=where, do="name a readable file") from error
    return _Reader(path, text).system()


def not_in_system(what: str, feature: str) -> UsageError:
    """The error of a test that asks the system for what it does not have."""
    return UsageError(
        f"the system under test has no {what}",
        where="system.toml",
        do=f'mark the test with @pytest.mark.requires("{feature}"), so that it is left out',
    )


@cache
def _reference() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("reference.toml").read_text("utf-8"))


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._absent: set[str] = set()

    def system(self) -> System:
        try:
            system = tomllib.loads(self._text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"invalid TOML: {error}", where=str(self._path), do="correct it there") from error
        self._check(system, _PARTS)
        wire = system.get("wire", VERSION_1)
        if not isinstance(wire, str) or wire not in WIRES:
            do = f"the wires are {', '.join(map(repr, WIRES))}"
            raise self._wrong((), "wire", f"unknown wire {wire!r}", do)
        gateway = self._table(system, (), "gateway", _GATEWAY)
        resources = self._table(system, (), "resources", _OF_RESOURCES)
        mapping = ResourceMapping([self._form(resources, kind) for kind in self._kinds(resources)])
        extent = Extent(frozenset(self._absent))
        return System(
            gateway,
            self._lacks(system.get("lacks", [])) | _features_lost(extent),
            wire,
            mapping,
            extent,
            tuple(self._definitions(resources.get("definitions", []))),
            str(self._path),
        )

    def _kinds(self, resources: Mapping[str, Any]) -> list[str]:
        """The kinds that the system has: one without Applications or Gateways is judged by its devices."""
        self._absent |= {kind for kind in (APPLICATION.kind, GATEWAY.kind) if resources.get(kind) is False}
        return [kind for kind in _KINDS if kind not in self._absent]

    def _lacks(self, names: Any) -> frozenset[str]:
        from harness.boards.board import FEATURES as OF_BOARDS  # late: not every command has boards
        from harness.boards.catalogue import Catalogue
        from harness.gateways.gateway import FEATURES as OF_GATEWAYS

        if not isinstance(names, list):
            raise self._wrong((), "lacks", "lacks is not a list", "write a list of features")
        known = OF_GATEWAYS.keys() | OF_BOARDS.keys() | FEATURES.keys()
        if not known.issuperset(map(str, names)):
            known |= Catalogue().features
        for name in names:
            if name not in known:
                do = f"{suggestion(str(name), known)}the features are {', '.join(sorted(known))}"
                raise self._wrong((), "lacks", f"unknown feature {name!r}", do)
        return frozenset(names)

    def _definitions(self, names: Any) -> Iterable[Object]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._wrong(("resources",), "definitions", "definitions is not a list", "write a list of files")
        for name in names:
            path = self._path.parent / name
            try:
                found = list(yaml.safe_load_all(path.read_text("utf-8")))
            except (OSError, ValueError, yaml.YAMLError) as error:
                what = f"{path} cannot be read: {reason(error)}"
                raise self._wrong(("resources",), "definitions", what, "name a readable YAML file") from error
            for definition in filter(None, found):
                if not isinstance(definition, dict) or definition.get("kind") != "CustomResourceDefinition":
                    what = f"{path} has something else than CustomResourceDefinitions"
                    raise self._wrong(("resources",), "definitions", what, "leave out other objects")
                yield definition

    def _form(self, resources: Mapping[str, Any], kind: str) -> ResourceForm:
        known = _reference()["resources"]
        table = self._table(resources, ("resources",), kind, _OF_KIND)
        names = {name: str({**known, **known[kind]}[name]) for name in _NAMES}
        documents = Resource(**names)
        for place, level in ((("resources",), resources), (("resources", kind), table)):
            names |= {name: self._word(place, name, level[name]) for name in _NAMES if name in level}
        fields = self._table(table, ("resources", kind), "fields", known[kind]["fields"])
        phases = self._table(table, ("resources", kind), "phases", known[kind]["phases"])
        moves = self._moves(kind, fields, list(known[kind]["fields"]))
        return ResourceForm(documents, Resource(**names), moves, self._phases(kind, phases, known[kind]["phases"]))

    def _moves(self, kind: str, fields: Mapping[str, Any], known: list[str]) -> tuple[Any, ...]:
        place = ("resources", kind, "fields")
        moves: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        at: dict[str, str] = {}
        for name in sorted(known, key=lambda each: each.count(".")):
            holder, _, last = name.rpartition(".")
            while holder and holder not in at and holder.endswith(f".{EACH}"):
                holder, last = holder.removesuffix(f".{EACH}"), f"{EACH}.{last}"
            usual = f"{at.get(holder, holder)}.{last}"
            own = fields.get(name, usual)
            if own is False and name != _PHASE_FIELD:
                self._absent.add(f"{kind} {name}")
                continue
            if not Extent(frozenset(self._absent)).has(f"{kind} {name}"):
                if name in fields:
                    raise self._wrong(place, name, f"{name} is in a field that is false", "leave out one of them")
                continue
            at[name] = own
            if not isinstance(own, str) or not _FIELD.fullmatch(own) or own.count(EACH) != name.count(EACH):
                raise self._wrong(place, name, f"{own!r} is not the path of a field as {name} is", _HOW)
            if own != usual:
                moves.append((tuple(name.split(".")), tuple(own.split("."))))
        for name, own in at.items():
            for other, taken in at.items():
                inside = taken.startswith(f"{own}.") and not other.startswith(f"{name}.")
                if other != name and (own == taken or inside):
                    given = name if name in fields else other
                    what = (
                        f"{name} is at {own!r}, and {other} {'too' if own == taken else f'inside of it, at {taken!r}'}"
                    )
                    raise self._wrong(place, given, what, "name another path for one of them")
        return tuple(moves)

    def _phases(self, kind: str, phases: Mapping[str, Any], known: Iterable[str]) -> Mapping[str, str | None]:
        place = ("resources", kind, "phases")
        names: dict[str, str] = {}
        absent = {phase: None for phase in known if phases.get(phase) is False}
        self._absent |= {f"{kind} {phase}" for phase in absent}
        for phase in known:
            own = phases.get(phase, phase)
            if phase in absent:
                continue
            if not isinstance(own, str) or not own:
                raise self._wrong(place, phase, f"{phase} is not a text", "write the system's name of this phase")
            if own in names.values():
                other = next(each for each, name in names.items() if name == own)
                given = phase if phase in phases else other
                raise self._wrong(place, given, f"{other} and {phase} are both {own!r}", "give each phase its own name")
            names[phase] = own
        if not names:
            raise self._wrong(place[:-1], "phases", f"{kind} has no phase", "name one that the system has")
        return {**absent, **{phase: own for phase, own in names.items() if phase != own}}

    def _word(self, place: tuple[str, ...], name: str, value: Any) -> str:
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            raise self._wrong(place, name, f"{value!r} is not a name", f"write the {name} as the definition has it")
        return value

    def _table(
        self, holder: Mapping[str, Any], place: tuple[str, ...], name: str, known: Iterable[str]
    ) -> dict[str, Any]:
        table = holder.get(name, {})
        if not isinstance(table, dict):
            raise self._wrong(place, name, f"{name} is not a table", f"write [{'.'.join((*place, name))}]")
        self._check(table, known, (*place, name))
        return table

    def _check(self, table: Mapping[str, Any], known: Iterable[str], place: tuple[str, ...] = ()) -> None:
        for name in table:
            if name not in known:
                near = suggestion(name, known)
                do = near if near and len(list(known)) > _LISTED else f"{near}the fields are {', '.join(known)}"
                raise self._wrong(place, name, f"unknown field {name!r}", do.strip())

    def _wrong(self, place: tuple[str, ...], name: str, what: str, do: str) -> UsageError:
        return UsageError(what, where=f"{self._path}:{_line(self._text, place, name)}", do=do)


def _features_lost(extent: Extent) -> frozenset[str]:
    """The features that a system lacks by what it does not have."""
    applications = extent.has(APPLICATION.kind) and not extent.phases(APPLICATION.kind)
    kept = {
        "applications": applications and not extent.fields(APPLICATION.kind),
        "device-phases": not extent.phases(DEVICE.kind),
        "device-fields": not extent.fields(DEVICE.kind),
        "gateway-fields": extent.has(GATEWAY.kind) and not (extent.fields(GATEWAY.kind) or extent.phases(GATEWAY.kind)),
    }
    return frozenset(name for name, has in kept.items() if not has)


_LISTED = 20
"""A longer list of names is not shown beside the closest one."""
_HOW = f"write a path from spec or status on, with as many {EACH} as the field has"


def _line(text: str, place: tuple[str, ...], name: str) -> int:
    """The line in which a field or a table is written; that of the table around it if it is written inline."""
    words = [re.escape(word) for word in (*place, name)]
    whole = re.compile(r"\s*\[+\s*" + r"\s*\.\s*".join(f"[\"']?{word}[\"']?" for word in words) + r"\b")
    key = re.compile(rf"""\s*["']?{words[-1]}["']?\s*[=.]""")
    inside, around = not place, 1
    for number, line in enumerate(text.splitlines(), 1):
        if whole.match(line):
            return number
        if line.lstrip().startswith("["):
            inside = tuple(re.findall(r"[\w-]+", line.partition("]")[0])) == place
            around = number if inside else around
        elif inside and key.match(line):
            return number
        elif place and re.match(rf"""\s*["']?{re.escape(place[-1])}["']?\s*[=.]""", line):
            around = number
    return around
