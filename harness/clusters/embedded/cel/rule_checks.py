"""The rules that a definition's rules have to keep, in the words of apiextensions-apiserver."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.cel.environment import BadExpression
from harness.clusters.embedded.cel.typing import prepared, uses
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object

__all__ = ["check_rules"]

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_KEYWORD = "x-kubernetes-validations"


def check_rules(schema: Object, field: str, causes: list[Cause], *, root: bool = True, loose: str = "") -> None:
    """Append the faults of all rules in a schema; ``loose`` is the list above whose items have no earlier value."""
    for index, rule in enumerate(schema.get(_KEYWORD) or ()):
        _check(rule, schema, f"{field}.{_KEYWORD}[{index}]", causes, root=root, loose=loose)
    for name, child in (schema.get("properties") or {}).items():
        check_rules(child, f"{field}.properties[{name}]", causes, root=False, loose=loose)
    if isinstance(child := schema.get("additionalProperties"), dict):
        check_rules(child, f"{field}.additionalProperties", causes, root=False, loose=loose)
    if isinstance(child := schema.get("items"), dict):
        keyed = schema.get("x-kubernetes-list-type") == "map"
        check_rules(child, f"{field}.items", causes, root=False, loose=loose if keyed else loose or field)


def _check(rule: Any, schema: Object, field: str, causes: list[Cause], *, root: bool, loose: str) -> None:
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
    _check_expressions(rule, schema, field, causes, root=root, loose=loose)


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
        causes.append(errors.invalid_value(where, shown, f"compilation failed: {error}"))
    if expression := rule.get("messageExpression"):
        where = f"{field}.messageExpression"
        try:
            _, kind = prepared(expression, schema, root=root)
            if kind not in ("string", "dyn"):
                causes.append(errors.invalid_value(where, shown, "messageExpression must evaluate to a string"))
        except BadExpression as error:
            detail = f"messageExpression compilation failed: {error}"
            causes.append(errors.invalid_value(where, shown, detail))


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
