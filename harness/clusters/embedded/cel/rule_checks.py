"""The rules that a definition's rules have to keep, in the words of apiextensions-apiserver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.cel.cost import EXPRESSION_LIMIT, SCHEMA_LIMIT, cardinality, excess, rule_cost
from harness.clusters.embedded.cel.environment import BadExpression, UnreadablePattern
from harness.clusters.embedded.cel.typing import prepared, uses
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object

__all__ = ["check_rules"]

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_KEYWORD = "x-kubernetes-validations"
_SHOWN, _MINOR = 4, 1000
"""The costliest rules are named, but none below this cost."""


def check_rules(schema: Object, field: str, causes: list[Cause]) -> None:
    """Append the faults of all rules in a schema."""
    found = [_Found(rule, part, where, times, loose) for part, where, times, loose in _parts(schema, field, 1.0, "")
             for rule in _rules(part, where)]  # fmt: skip
    costs: dict[str, float] = {}
    for one in found:
        before = len(causes)
        _check(one, causes, root=one.schema is schema)
        if len(causes) == before:
            _estimate(one, costs, causes)
    total = sum(costs.values())
    if total > SCHEMA_LIMIT:
        dearest = sorted(costs, key=lambda where: costs[where], reverse=True)[:_SHOWN]
        detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        causes.extend(errors.forbidden_field(where, detail) for where in dearest if costs[where] > _MINOR)
        detail = f"{_KEYWORD} estimated rule cost total for entire OpenAPIv3 schema {excess(total, SCHEMA_LIMIT)}"
        causes.append(errors.forbidden_field(field, detail))


@dataclass(frozen=True, slots=True)
class _Found:
    """A rule, where it is, how many values of an object it can be about, and the list whose items change places."""

    rule: tuple[str, Object]
    schema: Object
    field: str
    times: float
    loose: str


def _rules(schema: Object, field: str) -> Iterator[tuple[str, Object]]:
    for index, rule in enumerate(schema.get(_KEYWORD) or ()):
        yield f"{field}.{_KEYWORD}[{index}]", rule


def _parts(schema: Object, field: str, times: float, loose: str) -> Iterator[tuple[Object, str, float, str]]:
    """A schema and all in it, with the number of values that an object can have there."""
    yield schema, field, times, loose
    for name, child in (schema.get("properties") or {}).items():
        yield from _parts(child, f"{field}.properties[{name}]", times, loose)
    inner = times * cardinality(schema)
    if isinstance(child := schema.get("additionalProperties"), dict):
        yield from _parts(child, f"{field}.additionalProperties", inner, loose)
    if isinstance(child := schema.get("items"), dict):
        keyed = schema.get("x-kubernetes-list-type") == "map"
        yield from _parts(child, f"{field}.items", inner, loose if keyed else loose or field)


def _estimate(found: _Found, costs: dict[str, float], causes: list[Cause]) -> None:
    place, rule = found.rule
    for member, name in (("rule", "rule"), ("messageExpression", "messageExpression")):
        if text := rule.get(member):
            cost = rule_cost(text, found.schema) * found.times
            costs[f"{place}.{member}"] = cost
            if cost > EXPRESSION_LIMIT:
                detail = f"estimated {name} cost {excess(cost, EXPRESSION_LIMIT)}"
                causes.append(errors.forbidden_field(f"{place}.{member}", detail))


def _check(found: _Found, causes: list[Cause], *, root: bool) -> None:
    (field, rule), schema = found.rule, found.schema
    text, message = rule.get("rule") or "", rule.get("message") or ""
    if not text.strip():
        causes.append(errors.required(f"{field}.rule", "rule is not specified"))
        return
    if message and not message.strip():
        causes.append(errors.invalid_value(f"{field}.message", message, "must be non-empty if specified"))
    elif "\n" in message:
        causes.append(errors.invalid_value(f"{field}.message", message, "must not contain line breaks"))
    elif "\n" in text.strip() and not message:
        detail = "message must be specified if rule contains line breaks"
        causes.append(errors.required(f"{field}.message", detail))
    if (reason := rule.get("reason")) and reason not in _REASONS:
        causes.append(errors.unsupported_value(f"{field}.reason", reason, _REASONS))
    if (path := rule.get("fieldPath")) and not _leads(path, schema):
        causes.append(errors.invalid_value(f"{field}.fieldPath", path, "must be a valid path"))
    _check_expressions(rule, schema, field, causes, root=root, loose=found.loose)


def _check_expressions(
    rule: Object, schema: Object, field: str, causes: list[Cause], *, root: bool, loose: str
) -> None:
    shown = {
        "Rule": rule["rule"], "Message": rule.get("message") or "",
        "MessageExpression": rule.get("messageExpression") or "", "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath") or "", "OptionalOldSelf": rule.get("optionalOldSelf"),
    }  # fmt: skip
    where = f"{field}.rule"
    try:
        _, kind = prepared(rule["rule"], schema, root=root)
        if kind not in ("bool", "dyn"):
            causes.append(errors.invalid_value(where, shown, "cel expression must evaluate to a bool"))
        old = uses(rule["rule"], "oldSelf")
        if rule.get("optionalOldSelf") is not None and not old:
            detail = "may not be set if oldSelf is not used in rule"
            causes.append(errors.invalid_value(f"{field}.optionalOldSelf", rule["optionalOldSelf"], detail))
        if old and loose:
            detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {loose}"
            causes.append(errors.invalid_value(where, rule["rule"], detail))
    except BadExpression as error:
        causes.append(errors.invalid_value(where, shown, f"{_step(error)}: {error}"))
    if expression := rule.get("messageExpression"):
        where = f"{field}.messageExpression"
        try:
            _, kind = prepared(expression, schema, root=root)
            if kind not in ("string", "dyn"):
                causes.append(errors.invalid_value(where, shown, "messageExpression must evaluate to a string"))
        except BadExpression as error:
            detail = f"messageExpression {_step(error)}: {error}"
            causes.append(errors.invalid_value(where, shown, detail))


def _step(error: BadExpression) -> str:
    return "program instantiation failed" if isinstance(error, UnreadablePattern) else "compilation failed"


def _leads(path: str, schema: Object) -> bool:
    """Whether a field path names a field of the schema."""
    if not path.startswith("."):
        return False
    place: Any = schema
    for name in path[1:].split("."):
        place = (place.get("properties") or {}).get(name) if isinstance(place, dict) else None
        if place is None:
            return False
    return True
