"""CustomResourceDefinitions: what they must say, and the resource types that they make."""

from __future__ import annotations

import marshal
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.builders import OBJECT_META, STRING
from harness.clusters.embedded.builtin import AGE, CRD_TYPE, NAME
from harness.clusters.embedded.definition_checks import definition_causes
from harness.clusters.embedded.definition_form import read_form
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.jsonpath import compile_path, simple_path
from harness.clusters.embedded.scale import ScalePaths
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.types import Column, ResourceType
from harness.clusters.embedded.values import Object, copy_value, lookup

__all__ = ["complete_definition", "established_status", "new_status", "types_of", "version_rank"]


_MISSING_VERSION = (
    "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions until a "
    "storage migration ensures no data remains persisted in {0} and removes {0} from status.storedVersions"
)
_PLAIN = 2
"""The version of marshal's form in which equal values have equal bytes: no references."""
_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""The verbs of custom resources, in the order in which the API server lists them."""


def complete_definition(new: Object, old: Object | None, budget: Budget, found: Sequence[Cause] = ()) -> list[str]:
    """Fill in the names that follow from others, and return warnings; refuse what is wrong (422 with its causes).

    ``found``: faults of its metadata.
    Raises :class:`OutOfBudget`.
    """
    spec = new.setdefault("spec", {})
    for member in ("group", "scope"):
        spec.setdefault(member, "")
    names = spec.setdefault("names", {})
    names.setdefault("plural", "")
    names.setdefault("kind", "")
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", names["kind"] and f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})
    for version in spec.setdefault("versions", None) or ():
        for member, value in (("name", ""), ("served", False), ("storage", False)):
            version.setdefault(member, value)
        if (schema := lookup(version, ("schema", "openAPIV3Schema"))) is not None:
            read_form(schema, "spec.versions.schema.openAPIV3Schema", budget)
    warnings: list[str] = []
    causes = [*found, *(_changed_causes(new, old) if old is not None else ())]
    causes += definition_causes(new, budget, warnings, is_new=old is None)
    if causes:
        raise errors.invalid(CRD_TYPE.group, CRD_TYPE.kind, new["metadata"].get("name", ""), causes)
    return warnings


def _changed_causes(new: Object, old: Object) -> list[Cause]:
    """Return the faults of a change: names, and versions in which objects may be stored."""
    spec = new["spec"]
    names = {version["name"] for version in spec["versions"] or ()}
    left = [
        errors.invalid_value(f"status.storedVersions[{index}]", name, _MISSING_VERSION.format(name))
        for index, name in enumerate(lookup(new, ("status", "storedVersions")) or ())
        if name not in names
    ]
    return left + [
        errors.invalid_value(".".join(("spec", *path)), lookup(spec, path), "field is immutable")
        for path in (("group",), ("scope",), ("names", "kind"), ("names", "plural"))
        if lookup(spec, path) != lookup(old["spec"], path)
    ]


def version_rank(name: str) -> tuple[int, int, int]:
    """A key to sort versions by, as clients prefer them: v2, v1, v1beta2, v1beta1, v1alpha1, and then all others."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", name)
    if match is None:
        return (0, 0, 0)
    return ({"alpha": 1, "beta": 2, None: 3}[match[2]], int(match[1]), int(match[3] or 0))


def types_of(definition: Object) -> tuple[ResourceType, ...]:
    """The served versions of a definition, the stored one first."""
    return _types(marshal.dumps(definition["spec"], _PLAIN))


@lru_cache(maxsize=16)
def _types(serialized: bytes) -> tuple[ResourceType, ...]:
    """The last ones are kept: each server of a process gets the platform's definitions, and compiling takes a while."""
    spec = marshal.loads(serialized)
    versions = [version for version in spec["versions"] if version["served"]]
    stored = next(f"{spec['group']}/{version['name']}" for version in spec["versions"] if version["storage"])
    return tuple(_type(spec, one, stored) for one in sorted(versions, key=lambda version: not version["storage"]))


def _type(spec: Object, version: Object, stored_as: str) -> ResourceType:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    served_as = f"{spec['group']}/{version['name']}"
    columns = version.get("additionalPrinterColumns")
    schema = Schema(_with_metadata(version["schema"]["openAPIV3Schema"])).with_rules()
    return ResourceType(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        schema=schema,
        namespaced=spec["scope"] == "Namespaced",
        singular=names["singular"],
        list_kind=names["listKind"],
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in subresources,
        more_subresources=("scale",) if "scale" in subresources else (),
        scale=_scale(subresources.get("scale")),
        verbs=_VERBS,
        deprecation=_deprecation(spec, version),
        counts_generation=True,
        custom=True,
        unconditional_update=False,
        columns=(NAME, *map(_column, columns)) if columns else (NAME, AGE),
        selectable={
            item["jsonPath"].lstrip("."): simple_path(item["jsonPath"])
            for item in version.get("selectableFields") or ()
        },
        from_storage=None if served_as == stored_as else _converted(served_as, schema),
        to_storage=None if served_as == stored_as else _converted(stored_as, _stored_schema(spec), defaults=True),
    )


def _scale(raw: Object | None) -> ScalePaths | None:
    if raw is None:
        return None
    wanted, actual = (_keys(raw[member]) for member in ("specReplicasPath", "statusReplicasPath"))
    return ScalePaths(wanted, actual, _keys(raw.get("labelSelectorPath", "")))


def _keys(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split(".") if part)


def _deprecation(spec: Object, version: Object) -> str:
    """The warning of a deprecated version, or the empty text."""
    if not version.get("deprecated"):
        return ""
    if text := version.get("deprecationWarning"):
        return str(text)
    served = [one["name"] for one in spec["versions"] if one["served"] and not one.get("deprecated")]
    best = max(served, key=version_rank, default="")
    kind, advice = spec["names"]["kind"], ""
    if best and version_rank(best) > version_rank(version["name"]):
        advice = f"; use {spec['group']}/{best} {kind}"
    return f"{spec['group']}/{version['name']} {kind} is deprecated{advice}"


def _stored_schema(spec: Object) -> Schema:
    stored = next(version for version in spec["versions"] if version["storage"])
    return Schema(_with_metadata(stored["schema"]["openAPIV3Schema"]))


def _converted(api_version: str, schema: Schema, *, defaults: bool = False) -> Callable[[Object], Object]:
    """A conversion without a webhook: another version in the same words, without fields that it lacks."""

    def convert(stored: Object) -> Object:
        converted: Object = copy_value({**stored, "apiVersion": api_version})
        schema.prune(converted, None, "", [])
        if defaults:
            schema.default(converted, None, Budget())
        return converted

    return convert


def _column(raw: Object) -> Column:
    try:
        value = compile_path(raw["jsonPath"])
    except ValueError:  # A path that cannot be followed shows nothing.
        value = _nothing
    return Column(
        raw["name"],
        value,
        raw["type"],
        raw.get("description", ""),
        raw.get("format", ""),
        raw.get("priority", 0),
    )


def _nothing(_: Object) -> None:
    """The value of a column that has none."""


def _with_metadata(schema: Object) -> Object:
    """The schema with the metadata of every object, narrowed by what the definition says of the name."""
    own = lookup(schema, ("properties", "metadata", "properties")) or {}
    members = {**OBJECT_META["properties"], **{name: {**STRING, **item} for name, item in own.items()}}
    metadata = {**OBJECT_META, "properties": members}
    properties = {"apiVersion": STRING, "kind": STRING, **(schema.get("properties") or {}), "metadata": metadata}
    return {**schema, "properties": properties}


def new_status(definition: Object) -> Object:
    """The status of a definition before anybody has looked at its names."""
    stored = next(version["name"] for version in definition["spec"]["versions"] if version["storage"])
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": [stored]}


def established_status(definition: Object, taken: set[str], now: str) -> Object:
    """The status of a definition that is served at once; ``taken`` are the kinds of its group that others have."""
    names = definition["spec"]["names"]
    storage = next(version["name"] for version in definition["spec"]["versions"] if version["storage"])
    accepted = names["kind"] not in taken
    conditions = [
        _condition("NamesAccepted", accepted, "NoConflicts", "no conflicts found", now)
        if accepted
        else _condition("NamesAccepted", False, "KindConflict", f'"{names["kind"]}" is already in use', now),
        _condition("Established", accepted, "InitialNamesAccepted", "the initial names have been accepted", now)
        if accepted
        else _condition("Established", False, "NotAccepted", "not all names are accepted", now),
    ]
    before = definition.get("status") or {}
    known = before.get("conditions") or []
    if [_verdict(one) for one in known[:2]] == [_verdict(one) for one in conditions]:
        conditions = known
    versions = list(dict.fromkeys([*(before.get("storedVersions") or ()), storage]))
    return {
        "conditions": conditions,
        "acceptedNames": copy_value(names) if accepted else {"plural": "", "kind": ""},
        "storedVersions": versions,
    }


def _verdict(condition: Object) -> tuple[str, str, str]:
    return condition["type"], condition["status"], condition.get("reason", "")


def _condition(kind: str, holds: bool, reason: str, message: str, now: str) -> Object:
    status = "True" if holds else "False"
    return {"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
