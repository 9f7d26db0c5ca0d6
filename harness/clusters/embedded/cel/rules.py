"""The rules of one schema, compiled once, and what they say of a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.cel.environment import BadExpression, EvaluationError, evaluate
from harness.clusters.embedded.cel.typing import escaped, prepared, uses
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object, weight

__all__ = ["Rule", "judge", "rules_of"]

_STEPS = 50
"""Of the budget, for evaluating a rule; the size of its value comes on top."""
_MESSAGE_LIMIT = 5 << 10
_MISSING: Any = object()
_SHOWN: dict[type, str] = {dict: "object", list: "array"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    text: str
    evaluated: str
    message: str
    expression: str
    reason: str
    path: str
    transition: bool
    """Whether it is about a change, and so only judged where there is an earlier value."""


def rules_of(schema: Mapping[str, Any], *, root: bool) -> tuple[Rule, ...]:
    """The rules of a schema that a definition has been accepted with."""
    return tuple(_rule(raw, dict(schema), root=root) for raw in schema.get("x-kubernetes-validations") or ())


def _rule(raw: Object, schema: Object, *, root: bool) -> Rule:
    text, _ = prepared(raw["rule"], schema, root=root)
    transition, optional = uses(raw["rule"], "oldSelf"), bool(raw.get("optionalOldSelf"))
    if optional:
        text = f"[hasOldSelf ? optional.of(oldSelf) : optional.none()].map(oldSelf, {text}\n)[0]"
    expression = raw.get("messageExpression", "")
    return Rule(
        text=raw["rule"],
        evaluated=text,
        message=raw.get("message", "").strip(),
        expression=prepared(expression, schema, root=root)[0] if expression else "",
        reason=raw.get("reason", "") or "FieldValueInvalid",
        path=raw.get("fieldPath", ""),
        transition=transition and not optional,
    )


def judge(
    rules: Sequence[Rule], schema: Any, value: Any, old: Any, path: str, budget: Budget, missing: Any
) -> list[Cause]:
    """Return the rules' faults of a value; ``old`` is ``missing`` where there was none. Raises :class:`OutOfBudget`."""
    path = path or "<nil>"
    budget.spend(_STEPS * len(rules) + weight(value), path)
    data = {"self": _value(value, schema)}
    if old is not missing:
        data |= {"oldSelf": _value(old, schema), "hasOldSelf": True}
    else:
        data |= {"oldSelf": None, "hasOldSelf": False}
    causes = []
    for rule in rules:
        if rule.transition and old is missing:
            continue
        try:
            holds, problem = evaluate(rule.evaluated, data), ""
        except (EvaluationError, BadExpression) as error:
            holds, problem = False, str(error)
        if problem:
            text = f"{problem} evaluating rule: {rule.message or rule.text.strip()}"
            causes.append(errors.invalid_value(path, _shown(value), text))
        elif holds is not True:
            causes.append(_failed(rule, value, path, data))
    return causes


def _failed(rule: Rule, value: Any, path: str, data: Object) -> Cause:
    message = rule.message or _default_message(rule)
    if rule.expression:
        try:
            said = evaluate(rule.expression, data)
        except (EvaluationError, BadExpression):
            said = ""
        if isinstance(said, str) and said.strip() and "\n" not in said and len(said) <= _MESSAGE_LIMIT:
            message = said.strip()
    where = path + rule.path
    match rule.reason:
        case "FieldValueRequired":
            return errors.required(where, message)
        case "FieldValueForbidden":
            return errors.forbidden_field(where, message)
        case "FieldValueDuplicate":
            return errors.duplicate(where, _shown(value))
    if type(value) in _SHOWN:
        return Cause("FieldValueInvalid", where, f"Invalid value: {message}")
    return errors.invalid_value(where, value, message)


def _default_message(rule: Rule) -> str:
    return f"failed rule: {rule.text.strip()}"


def _shown(value: Any) -> Any:
    return _SHOWN.get(type(value), value)


def _value(value: Any, schema: Any) -> Any:
    """A JSON value as expressions see it: fields by names that they can write, and numbers as the schema has them."""
    if type(value) is dict:
        seen = {}
        for name, item in value.items():
            child = schema.properties.get(name)
            key = escaped(name) if child is not None else name
            child = child or schema.additional
            if key is not None and (child is not None or not schema.properties):
                seen[key] = _value(item, child) if child is not None else item
        return seen
    if type(value) is list:
        return [_value(item, schema.items) for item in value] if schema.items is not None else value
    if type(value) is int and schema.raw.get("type") == "number":
        return float(value)
    return value
