"""Structural schemas: pruning, defaulting and validation of objects (Kubernetes' OpenAPI v3 subset).

A schema is compiled once, when its CustomResourceDefinition is applied. All three passes take the stored object
along and leave alone every part that is that very part (see :mod:`.values`): it was judged when it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.formats import FORMATS, compile_pattern
from harness.clusters.embedded.values import Object, copy_value

__all__ = ["Schema"]

_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
_EMBEDDED: Mapping[str, Object] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_MISSING = object()

Check = Callable[[Any, str], "Cause | None"]


class Schema:
    """One node of a structural schema, compiled from its JSON form."""

    __slots__ = (
        "_all_of",
        "_any_of",
        "_checks",
        "_default",
        "_defaulted",
        "_not",
        "_nullable",
        "_one_of",
        "_preserve",
        "_required",
        "_type",
        "additional",
        "items",
        "list_type",
        "map_keys",
        "properties",
        "raw",
    )

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        properties = raw.get("properties") or {}
        if raw.get("x-kubernetes-embedded-resource"):
            properties = {**_EMBEDDED, **properties}
        self.properties: dict[str, Schema] = {name: Schema(item) for name, item in properties.items()}
        additional = raw.get("additionalProperties")
        self.additional: Schema | None = Schema(additional) if isinstance(additional, dict) else None
        items = raw.get("items")
        self.items: Schema | None = Schema(items) if isinstance(items, dict) else None
        self.list_type: str = raw.get("x-kubernetes-list-type", "atomic")
        """``atomic``, ``set`` or ``map``; for objects see :attr:`atomic`."""
        self.map_keys: tuple[str, ...] = tuple(raw.get("x-kubernetes-list-map-keys", ()))
        self._preserve = bool(raw.get("x-kubernetes-preserve-unknown-fields")) or additional is True
        self._type: str = "int-or-string" if raw.get("x-kubernetes-int-or-string") else raw.get("type", "")
        self._nullable = bool(raw.get("nullable"))
        self._required: tuple[str, ...] = tuple(raw.get("required", ()))
        self._default = raw.get("default", _MISSING)
        self._defaulted = tuple(
            name for name, item in self.properties.items() if item._default is not _MISSING and not item._nullable
        )
        self._checks = _checks(raw)
        self._any_of = tuple(map(Schema, raw.get("anyOf", ())))
        self._one_of = tuple(map(Schema, raw.get("oneOf", ())))
        self._all_of = tuple(map(Schema, raw.get("allOf", ())))
        self._not = Schema(raw["not"]) if isinstance(raw.get("not"), dict) else None

    @property
    def atomic(self) -> bool:
        """Whether an object of this schema is owned as a whole (server-side apply)."""
        return self.raw.get("x-kubernetes-map-type") == "atomic"

    def child(self, name: str) -> Schema | None:
        """The schema of an object's member, None where it has none."""
        return self.properties.get(name) or self.additional

    def prune(self, value: Any, old: Any, path: str, unknown: list[str]) -> None:
        """Remove from ``value``, in place, the members that the schema does not name; their paths go to ``unknown``."""
        if value is old:
            return
        if type(value) is dict:
            known = old if type(old) is dict else {}
            for name in list(value):
                child = self.properties.get(name) or self.additional
                here = f"{path}.{name}" if path else name
                if child is not None:
                    child.prune(value[name], known.get(name), here, unknown)
                elif not self._preserve:
                    unknown.append(here)
                    del value[name]
        elif type(value) is list and self.items is not None:
            earlier = old if type(old) is list else []
            for index, item in enumerate(value):
                self.items.prune(item, earlier[index] if index < len(earlier) else None, f"{path}[{index}]", unknown)

    def default(self, value: Any, old: Any) -> None:
        """Fill in defaults, in place."""
        if value is old:
            return
        if type(value) is dict:
            known = old if type(old) is dict else {}
            for name in self._defaulted:
                if value.get(name) is None:
                    value[name] = copy_value(self.properties[name]._default)
            for name, child in self.properties.items():
                if name not in value:
                    if child._default is not _MISSING:
                        value[name] = copy_value(child._default)
                    else:
                        continue
                item = value[name]
                if type(item) is dict or type(item) is list:
                    child.default(item, known.get(name))
            if self.additional is not None:
                for name, item in value.items():
                    if name not in self.properties:
                        self.additional.default(item, known.get(name))
        elif type(value) is list and self.items is not None:
            earlier = old if type(old) is list else []
            for index, item in enumerate(value):
                self.items.default(item, earlier[index] if index < len(earlier) else None)

    def validate(self, value: Any, old: Any, path: str, causes: list[Cause]) -> None:
        """Append what is wrong with ``value`` to ``causes``."""
        if value is old:
            return
        kind = type(value)
        if value is None:
            if self._type and not self._nullable:
                causes.append(_wrong_type(path, self._type, "null"))
            return
        if self._type and not self._fits(value, kind):
            causes.append(_wrong_type(path, self._type, _TYPES[kind]))
            return
        for check in self._checks:
            cause = check(value, path)
            if cause is not None:
                causes.append(cause)
        if kind is dict:
            self._validate_members(value, old if type(old) is dict else {}, path, causes)
        elif kind is list:
            self._validate_items(value, old if type(old) is list else [], path, causes)
        if self._any_of or self._one_of or self._all_of or self._not:
            self._validate_alternatives(value, path, causes)

    def _fits(self, value: Any, kind: type) -> bool:
        wanted = self._type
        if kind is int:
            return wanted in ("integer", "number", "int-or-string")
        if kind is float:
            return wanted == "number" or (wanted == "integer" and value.is_integer())
        if kind is str:
            return wanted in ("string", "int-or-string")
        return wanted == _TYPES[kind]

    def _validate_members(self, value: Object, old: Object, path: str, causes: list[Cause]) -> None:
        prefix = f"{path}." if path else ""
        for name, item in value.items():
            child = self.properties.get(name) or self.additional
            if child is not None:
                child.validate(item, old.get(name, _MISSING), prefix + name, causes)
        causes.extend(errors.required(prefix + name) for name in self._required if name not in value)

    def _validate_items(self, value: list[Any], old: list[Any], path: str, causes: list[Cause]) -> None:
        if self.items is None:
            return
        seen: list[Any] = []
        for index, item in enumerate(value):
            here = f"{path}[{index}]"
            self.items.validate(item, old[index] if index < len(old) else _MISSING, here, causes)
            if self.list_type == "atomic":
                continue
            key = item
            if self.list_type == "map" and type(item) is dict:
                key = {name: item[name] for name in self.map_keys if name in item}
            if key in seen:
                causes.append(errors.duplicate(here, key))
            seen.append(key)

    def _validate_alternatives(self, value: Any, path: str, causes: list[Cause]) -> None:
        if self._any_of:
            failures = [self._failures(one, value, path) for one in self._any_of]
            if all(failures):
                causes.append(_composite(f'"{path}" must validate at least one schema (anyOf)'))
                causes.extend(failures[0])
        if self._one_of:
            failures = [self._failures(one, value, path) for one in self._one_of]
            valid = failures.count([])
            if valid != 1:
                found = f"Found {valid} valid alternatives" if valid else "Found none valid"
                causes.append(_composite(f'"{path}" must validate one and only one schema (oneOf). {found}'))
                if not valid:
                    causes.extend(failures[0])
        if self._all_of:
            failures = [self._failures(one, value, path) for one in self._all_of]
            if any(failures):
                none = ". None validated" if all(failures) else ""
                causes.extend(cause for found in failures for cause in found)
                causes.append(_composite(f'"{path}" must validate all the schemas (allOf){none}'))
        if self._not is not None and not self._failures(self._not, value, path):
            causes.append(_composite(f'"{path}" must not validate the schema (not)'))

    @staticmethod
    def _failures(schema: Schema, value: Any, path: str) -> list[Cause]:
        found: list[Cause] = []
        schema.validate(value, _MISSING, path, found)
        return found


def _wrong_type(path: str, wanted: str, actual: str) -> Cause:
    wanted = "integer,string" if wanted == "int-or-string" else wanted
    return errors.type_invalid(path, actual, f'{_in(path)} must be of type {wanted}: "{actual}"')


def _composite(message: str) -> Cause:
    return errors.invalid_value("<nil>", "", message)


def _in(path: str) -> str:
    return f"{path} in body"


def _checks(raw: Mapping[str, Any]) -> tuple[Check, ...]:
    """The checks of one value by itself, in the order in which the API server applies them."""
    checks: list[Check] = []

    def limit(kinds: tuple[type, ...], fails: Callable[[Any], bool], detail: str) -> None:
        def check(value: Any, path: str) -> Cause | None:
            if type(value) in kinds and fails(value):
                return errors.invalid_value(path, value, f"{_in(path)} {detail}")
            return None

        checks.append(check)

    numbers = (int, float)
    if (low := raw.get("minLength")) is not None:
        limit((str,), lambda value: len(value) < low, f"should be at least {low} chars long")
    if (longest := raw.get("maxLength")) is not None:
        checks.append(
            lambda value, path: errors.too_long(path, longest) if type(value) is str and len(value) > longest else None
        )
    if pattern := raw.get("pattern"):
        search = compile_pattern(pattern).search
        limit((str,), lambda value: search(value) is None, f"should match '{pattern}'")
    if (fits := FORMATS.get(raw.get("format", ""))) is not None:
        checks.append(_format(raw["format"], fits))
    if (least := raw.get("minimum")) is not None:
        if raw.get("exclusiveMinimum"):
            limit(numbers, lambda value: value <= least, f"should be greater than {least}")
        else:
            limit(numbers, lambda value: value < least, f"should be greater than or equal to {least}")
    if (most := raw.get("maximum")) is not None:
        if raw.get("exclusiveMaximum"):
            limit(numbers, lambda value: value >= most, f"should be less than {most}")
        else:
            limit(numbers, lambda value: value > most, f"should be less than or equal to {most}")
    if factor := raw.get("multipleOf"):
        limit(numbers, lambda value: value % factor != 0, f"should be a multiple of {factor}")
    if (fewest := raw.get("minItems")) is not None:
        limit((list,), lambda value: len(value) < fewest, f"should have at least {fewest} items")
    if (at_least := raw.get("minProperties")) is not None:
        limit((dict,), lambda value: len(value) < at_least, f"should have at least {at_least} properties")
    if (most_items := raw.get("maxItems")) is not None:
        checks.append(_at_most(list, most_items))
    if (most_members := raw.get("maxProperties")) is not None:
        checks.append(_at_most(dict, most_members))
    if (allowed := raw.get("enum")) is not None:
        checks.append(_enumeration(allowed))
    return tuple(checks)


def _format(name: str, fits: Callable[[Any], bool]) -> Check:
    def check(value: Any, path: str) -> Cause | None:
        if fits(value):
            return None
        text = f': "{value}"' if type(value) is str else ""
        return errors.type_invalid(path, value, f"{_in(path)} must be of type {name}{text}")

    return check


def _at_most(kind: type[Sized], limit: int) -> Check:
    def check(value: Any, path: str) -> Cause | None:
        count = len(value) if isinstance(value, kind) else 0
        return errors.too_many(path, count, limit) if count > limit else None

    return check


def _enumeration(allowed: list[Any]) -> Check:
    typed = {(type(item), item) for item in allowed if not isinstance(item, dict | list)}
    whole = [item for item in allowed if isinstance(item, dict | list)]

    def check(value: Any, path: str) -> Cause | None:
        known = value in whole if isinstance(value, dict | list) else (type(value), value) in typed
        return None if known else errors.unsupported_value(path, value, allowed)

    return check
