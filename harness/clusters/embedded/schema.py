"""Structural schemas: pruning, defaulting and validation of objects (Kubernetes' OpenAPI v3 subset).

A schema is compiled once, when its CustomResourceDefinition is applied. All three passes take the stored object
along and leave alone every part that is that very part (see :mod:`.values`): it was judged when it came.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.builders import OBJECT_META, STRING
from harness.clusters.embedded.cel.rules import Rule, judge, rules_of
from harness.clusters.embedded.checks import checks_of, in_body
from harness.clusters.embedded.embedded_resources import embedded_causes
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object, copy_value, identity, weight

__all__ = ["CAUSES_LIMIT", "LazySchema", "Schema"]

_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
_EMBEDDED: Mapping[str, Object] = {
    "apiVersion": STRING,
    "kind": STRING,
    "metadata": {**OBJECT_META, "properties": {**OBJECT_META["properties"], "creationTimestamp": STRING}},
}
_MISSING = object()
_ALTERNATIVE = 8
"""Steps of trying a schema of ``anyOf`` and the like, whose faults are collected and mostly thrown away."""
_EXACT = 1e15
"""Below this, a number with no fraction is an integer, written without a point."""
_BLOCKING = frozenset(
    ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid")
)
"""Faults of an object that leave its rules unjudged."""
_NOT_JUDGED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
CAUSES_LIMIT = 100
"""The largest number of faults that an answer lists."""


class Schema:
    """One node of a structural schema, compiled from its JSON form."""

    __slots__ = (
        "_all_of",
        "_any_of",
        "_checks",
        "_completed",
        "_cost",
        "_default",
        "_default_weight",
        "_embedded",
        "_fills_in",
        "_has_rules",
        "_not",
        "_nullable",
        "_one_of",
        "_required",
        "_rules",
        "_type",
        "additional",
        "items",
        "list_type",
        "map_keys",
        "preserves",
        "properties",
        "raw",
    )

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        properties = raw.get("properties") or {}
        self._embedded = bool(raw.get("x-kubernetes-embedded-resource"))
        if self._embedded:
            properties = {**_EMBEDDED, **properties}
        self.properties: dict[str, Schema] = {name: Schema(item) for name, item in properties.items()}
        additional = raw.get("additionalProperties")
        self.additional: Schema | None = Schema(additional) if isinstance(additional, dict) else None
        items = raw.get("items")
        self.items: Schema | None = Schema(items) if isinstance(items, dict) else None
        self.list_type: str = raw.get("x-kubernetes-list-type", "atomic")
        """``atomic``, ``set`` or ``map``; for objects see :attr:`atomic`."""
        self.map_keys: tuple[str, ...] = tuple(raw.get("x-kubernetes-list-map-keys", ()))
        self.preserves = bool(raw.get("x-kubernetes-preserve-unknown-fields")) or additional is True
        self._type: str = "int-or-string" if raw.get("x-kubernetes-int-or-string") else raw.get("type", "")
        self._nullable = bool(raw.get("nullable"))
        self._required: tuple[str, ...] = tuple(raw.get("required", ()))
        self._default = raw.get("default", _MISSING)
        self._default_weight = weight(self._default)
        self._completed = tuple(
            (name, item) for name, item in self.properties.items() if item._default is not _MISSING or item._fills_in
        )
        self._fills_in: bool = bool(self._completed) or any(
            inside is not None and inside._fills_in for inside in (self.additional, self.items)
        )
        self._checks = checks_of(raw)
        self._any_of = tuple(map(Schema, raw.get("anyOf", ())))
        self._one_of = tuple(map(Schema, raw.get("oneOf", ())))
        self._all_of = tuple(map(Schema, raw.get("allOf", ())))
        self._not = Schema(raw["not"]) if isinstance(raw.get("not"), dict) else None
        self._rules: tuple[Rule, ...] = ()
        self._has_rules = False
        self._cost = 1 + (len(self._checks) + len(self._required)) // 4
        """Steps of judging one value, what is in it apart."""

    def with_rules(self, *, root: bool = True) -> Schema:
        """Itself, with the CEL rules of a schema that has been accepted compiled."""
        self._rules = rules_of(self.raw, root=root)
        inner = [*self.properties.values(), *(one for one in (self.additional, self.items) if one is not None)]
        for child in inner:
            child.with_rules(root=False)
        self._has_rules = bool(self._rules) or any(child._has_rules for child in inner)
        return self

    def judge_valid(self, value: Object, old: Any, causes: list[Cause], budget: Budget) -> None:
        """Judge an object by the rules, unless it has a form that rules cannot read."""
        if not self._has_rules:
            return
        if any(cause.reason in _BLOCKING for cause in causes):
            causes.append(errors.invalid_value("<nil>", None, _NOT_JUDGED))
        else:
            self.judge(value, old, "", causes, budget)

    def judge(self, value: Any, old: Any, path: str, causes: list[Cause], budget: Budget) -> None:
        """Append what the rules say of a value that fits its schema. Raises :class:`OutOfBudget`."""
        if not self._has_rules or value is old or value is None or len(causes) >= CAUSES_LIMIT:
            return
        earlier = _MISSING if old is None else old
        if self._rules:
            causes.extend(judge(self._rules, self, value, earlier, path, budget, _MISSING))
        if type(value) is dict:
            known = old if type(old) is dict else {}
            for name, item in value.items():
                child = self.properties.get(name) or self.additional
                if child is not None:
                    child.judge(item, known.get(name, _MISSING), f"{path}.{name}" if path else name, causes, budget)
        elif type(value) is list and self.items is not None and self.items._has_rules:
            before = self._keyed(old)
            for index, item in enumerate(value):
                known_item = before.get(self._key(item), _MISSING) if before else _MISSING
                self.items.judge(item, known_item, f"{path}[{index}]", causes, budget)

    def _keyed(self, items: Any) -> dict[Hashable, Any]:
        """The items of a list by their keys, where they have any."""
        if self.list_type != "map" or type(items) is not list:
            return {}
        return {self._key(item): item for item in items}

    def _key(self, item: Any) -> Hashable:
        return identity({name: item[name] for name in self.map_keys if name in item} if type(item) is dict else item)

    @property
    def atomic(self) -> bool:
        """Whether an object of this schema is owned as a whole (server-side apply)."""
        return self.raw.get("x-kubernetes-map-type") == "atomic"

    def child(self, name: str) -> Schema | None:
        """The schema of an object's member, None where it has none."""
        return self.properties.get(name) or self.additional

    def prune(self, value: Any, old: Any, path: str, unknown: list[str], *, nulls: bool = False) -> None:
        """Remove from ``value``, in place, the members that the schema does not name; their paths go to ``unknown``.

        Null goes where a field may not have it, unless ``nulls`` are kept; a whole number written as a fraction
        becomes an integer.
        """
        if value is old:
            return
        if type(value) is dict:
            members = old if type(old) is dict else {}
            for name in list(value):
                item = value[name]
                if item is members.get(name, _MISSING):
                    continue
                child = self.properties.get(name) or self.additional
                if child is not None and (item is None or type(item) is float):
                    if item is not None:
                        if item.is_integer() and abs(item) < _EXACT:
                            value[name] = int(item)
                    elif not child._nullable and not nulls and child._default is _MISSING:
                        del value[name]
                    continue
                here = f"{path}.{name}" if path else name
                if child is not None:
                    child.prune(item, members.get(name), here, unknown, nulls=nulls)
                elif not self.preserves:
                    unknown.append(here)
                    del value[name]
        elif type(value) is list and self.items is not None:
            earlier = old if type(old) is list else []
            for index, item in enumerate(value):
                if type(item) is dict or type(item) is list:
                    known = earlier[index] if index < len(earlier) else None
                    self.items.prune(item, known, f"{path}[{index}]", unknown, nulls=nulls)

    def default(self, value: Any, old: Any, budget: Budget) -> None:
        """Fill in defaults, in place. Raises :class:`OutOfBudget`."""
        if value is old or not self._fills_in:
            return
        budget.spend(1 + len(self._completed))
        if type(value) is dict:
            known = old if type(old) is dict else {}
            for name, child in self._completed:
                if child._default is not _MISSING and (
                    name not in value or (value[name] is None and not child._nullable)
                ):
                    budget.spend(child._default_weight)
                    value[name] = copy_value(child._default)
                if name in value:
                    child.default(value[name], known.get(name), budget)
            if self.additional is not None:
                for name, item in value.items():
                    if name not in self.properties:
                        self.additional.default(item, known.get(name), budget)
        elif type(value) is list and self.items is not None:
            earlier = old if type(old) is list else []
            for index, item in enumerate(value):
                self.items.default(item, earlier[index] if index < len(earlier) else None, budget)

    def validate(self, value: Any, old: Any, path: str, causes: list[Cause], budget: Budget) -> None:
        """Append what is wrong with ``value`` to ``causes``, up to the limit. Raises :class:`OutOfBudget`."""
        if value is old or len(causes) >= CAUSES_LIMIT:
            return
        budget.spend(self._cost, path)
        kind = type(value)
        if value is None:
            if self._type and not self._nullable:
                causes.append(_wrong_type(path, self._type, "null"))
            return
        if self._type and not self._fits(value, kind):
            causes.append(_wrong_type(path, self._type, _TYPES[kind]))
            if kind is float and self._type == "integer":
                causes.append(_composite(f"Checked value must be of type integer (default format) in {path}"))
            return
        for check in self._checks:
            cause = check(value, path, budget)
            if cause is not None:
                causes.append(cause)
        if kind is dict:
            self._validate_members(value, old if type(old) is dict else {}, path, causes, budget)
        elif kind is list:
            self._validate_items(value, old if type(old) is list else [], path, causes, budget)
        if self._any_of or self._one_of or self._all_of or self._not:
            self._validate_alternatives(value, path, causes, budget)

    def _fits(self, value: Any, kind: type) -> bool:
        wanted = self._type
        if kind is int:
            return wanted in ("integer", "number", "int-or-string")
        if kind is float:
            return wanted == "number" or (wanted == "integer" and value.is_integer())
        if kind is str:
            return wanted in ("string", "int-or-string")
        return wanted == _TYPES[kind]

    def _validate_members(self, value: Object, old: Object, path: str, causes: list[Cause], budget: Budget) -> None:
        prefix = f"{path}." if path else ""
        for name, item in value.items():
            if len(causes) >= CAUSES_LIMIT:
                return
            known = old.get(name, _MISSING)
            if item is known:
                continue
            child = self.properties.get(name) or self.additional
            if child is not None:
                child.validate(item, known, prefix + name, causes, budget)
        causes.extend(errors.required(prefix + name) for name in self._required if name not in value)
        if self._embedded:
            causes.extend(embedded_causes(value, path))

    def _validate_items(self, value: list[Any], old: list[Any], path: str, causes: list[Cause], budget: Budget) -> None:
        if self.items is None:
            return
        seen: set[Hashable] = set()
        for index, item in enumerate(value):
            if len(causes) >= CAUSES_LIMIT:
                return
            here = f"{path}[{index}]"
            self.items.validate(item, old[index] if index < len(old) else _MISSING, here, causes, budget)
            if self.list_type == "atomic":
                continue
            key = item
            if self.list_type == "map" and type(item) is dict:
                key = {name: item[name] for name in self.map_keys if name in item}
            if (known := identity(key)) in seen:
                causes.append(errors.duplicate(here, key))
            seen.add(known)

    def _validate_alternatives(self, value: Any, path: str, causes: list[Cause], budget: Budget) -> None:
        if self._any_of:
            failures = [self._failures(one, value, path, budget) for one in self._any_of]
            if all(failures):
                causes.append(_composite(f'"{path}" must validate at least one schema (anyOf)'))
                causes.extend(failures[0])
        if self._one_of:
            failures = [self._failures(one, value, path, budget) for one in self._one_of]
            valid = failures.count([])
            if valid != 1:
                found = f"Found {valid} valid alternatives" if valid else "Found none valid"
                causes.append(_composite(f'"{path}" must validate one and only one schema (oneOf). {found}'))
                if not valid:
                    causes.extend(failures[0])
        if self._all_of:
            failures = [self._failures(one, value, path, budget) for one in self._all_of]
            if any(failures):
                none = ". None validated" if all(failures) else ""
                causes.extend(cause for found in failures for cause in found)
                causes.append(_composite(f'"{path}" must validate all the schemas (allOf){none}'))
        if self._not is not None and not self._failures(self._not, value, path, budget):
            causes.append(_composite(f'"{path}" must not validate the schema (not)'))

    @staticmethod
    def _failures(schema: Schema, value: Any, path: str, budget: Budget) -> list[Cause]:
        budget.spend(_ALTERNATIVE, path)
        found: list[Cause] = []
        schema.validate(value, _MISSING, path, found, budget)
        return found


class LazySchema(Schema):
    """A schema that is compiled when it is first used: most built-in kinds never are."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name not in Schema.__slots__:
            raise AttributeError(name)
        Schema.__init__(self, self._make())
        return getattr(self, name)


def _wrong_type(path: str, wanted: str, actual: str) -> Cause:
    wanted = "integer,string" if wanted == "int-or-string" else wanted
    return errors.type_invalid(path, actual, f'{in_body(path)} must be of type {wanted}: "{actual}"')


def _composite(message: str) -> Cause:
    return errors.invalid_value("<nil>", "", message)
