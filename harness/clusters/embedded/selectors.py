"""Label and field selectors: their text forms, and whether an object matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from harness.clusters.embedded.errors import bad_request
from harness.clusters.embedded.values import Object, lookup

__all__ = ["FieldSelector", "parse_field_selector", "parse_label_selector"]

Labels = Mapping[str, str]

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_REQUIREMENT = re.compile(
    rf"\s*(?:!\s*(?P<absent>{_KEY})"
    rf"|(?P<key>{_KEY})\s*(?:(?P<set>\s(?:in|notin))\s*\((?P<values>[^)]*)\)"
    rf"|(?P<operator>==|!=|=|>|<)\s*(?P<value>{_VALUE}))?)\s*(?:,|\Z)"
)


def parse_label_selector(text: str) -> Callable[[Labels], bool]:
    """The predicate of a label selector, ``a=b,c!=d,e in (f,g),h notin (i),j,!k``. Raises the 400 refusal."""
    requirements: list[Callable[[Labels], bool]] = []
    position = 0
    while position < len(text.rstrip()):
        match = _REQUIREMENT.match(text, position)
        if match is None or match.end() == position:
            raise bad_request(f"unable to parse requirement: <nil>: Invalid value: {text[position:]!r}: not a selector")
        position = match.end()
        requirements.append(_requirement(match))
    return lambda labels: all(holds(labels) for holds in requirements)


def _requirement(match: re.Match[str]) -> Callable[[Labels], bool]:
    key, operator, value = match["key"], match["operator"], match["value"]
    if match["absent"]:
        absent = match["absent"]
        return lambda labels: absent not in labels
    if match["set"]:
        values = {item.strip() for item in match["values"].split(",")}
        if match["set"].strip() == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: labels.get(key) not in values
    if operator in ("=", "=="):
        return lambda labels: labels.get(key) == value
    if operator == "!=":
        return lambda labels: labels.get(key) != value
    if operator in (">", "<"):
        return _ordering(key, operator, value)
    return lambda labels: key in labels


def _ordering(key: str, operator: str, value: str) -> Callable[[Labels], bool]:
    if not value.lstrip("-").isdigit():
        raise bad_request(f"values[0][{key}]: Invalid value: {value!r}: for 'Gt', 'Lt' operators, must be an integer")
    limit = int(value)

    def holds(labels: Labels) -> bool:
        text = labels.get(key, "")
        if not text.lstrip("-").isdigit():
            return False
        return int(text) > limit if operator == ">" else int(text) < limit

    return holds


class FieldSelector:
    """A parsed field selector: terms of path, value, and whether they must be equal."""

    def __init__(self, terms: list[tuple[str, tuple[str, ...], str, bool]]) -> None:
        self._terms = [(path, value, equal) for _, path, value, equal in terms]
        exact = {label: value for label, _, value, equal in terms if equal}
        self.name = exact.get("metadata.name", "")
        """The one name that can match, or empty."""
        self.namespace = exact.get("metadata.namespace", "")

    def __call__(self, obj: Object) -> bool:
        return all((_text(lookup(obj, path)) == value) is equal for path, value, equal in self._terms)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def parse_field_selector(text: str, selectable: Mapping[str, tuple[str, ...]], custom: bool) -> FieldSelector:
    """The predicate of a field selector, ``a=b,c!=d``. Raises the 400 refusal for a field that cannot be selected."""
    terms = []
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        match = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part, re.DOTALL)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        label, operator, value = (item.strip() for item in match.groups())
        path = _COMMON.get(label) or selectable.get(label)
        if path is None:
            known = ", ".join(f'"{name}"' for name in (*_COMMON, *selectable))
            raise bad_request(
                f"field label not supported: {label}"
                if custom
                else f'"{label}" is not a known field selector: only {known}'
            )
        terms.append((label, path, re.sub(r"\\([\\,=])", r"\1", value), operator != "!="))
    return FieldSelector(terms)


_COMMON = {"metadata.name": ("metadata", "name"), "metadata.namespace": ("metadata", "namespace")}
