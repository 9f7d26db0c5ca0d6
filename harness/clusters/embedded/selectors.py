"""Label and field selectors: their text forms, and whether an object matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from harness.clusters.embedded.errors import bad_request
from harness.clusters.embedded.values import Object, lookup

__all__ = ["FieldSelector", "label_selector_of", "parse_field_selector", "parse_label_selector", "selector_text"]

Labels = Mapping[str, str]

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_REQUIREMENT = re.compile(
    rf"\s*(?:!\s*(?P<absent>{_KEY})"
    rf"|(?P<key>{_KEY})\s*(?:(?P<set>\s(?:in|notin))\s*\((?P<values>[^)]*)\)"
    rf"|(?P<operator>==|!=|=|>|<)\s*(?P<value>{_VALUE}))?)\s*(?:,|\Z)"
)
_INTEGER = re.compile(r"-?[0-9]{1,18}")


_SETS = {"In": "in", "NotIn": "notin"}


def parse_label_selector(text: str) -> Callable[[Labels], bool]:
    """The predicate of a label selector, ``a=b,c!=d,e in (f,g),h notin (i),j,!k``. Raises the 400 refusal.

    Its cost depends on how many labels an object has, not on how much a selector asks.
    """
    requirements = _Requirements()
    position = 0
    while position < len(text.rstrip()):
        match = _REQUIREMENT.match(text, position)
        if match is None or match.end() == position:
            raise bad_request(f"unable to parse requirement: <nil>: Invalid value: {text[position:]!r}: not a selector")
        position = match.end()
        requirements.add(match)
    return requirements.hold


class _Requirements:
    """The requirements of a label selector, by label."""

    def __init__(self) -> None:
        self._present: set[str] = set()
        self._absent: set[str] = set()
        self._among: dict[str, set[str]] = {}
        self._not_among: dict[str, set[str]] = {}
        self._above: dict[str, int] = {}
        self._below: dict[str, int] = {}

    def add(self, match: re.Match[str]) -> None:
        """One requirement more. Raises the 400 refusal."""
        key, operator, value = match["key"], (match["set"] or match["operator"] or "").strip(), match["value"]
        values = {item.strip() for item in match["values"].split(",")} if match["set"] else {value}
        if match["absent"]:
            self._absent.add(match["absent"])
        elif operator in ("in", "=", "=="):
            self._among[key] = self._among.get(key, values) & values
        elif operator in ("notin", "!="):
            self._not_among.setdefault(key, set()).update(values)
        elif operator == ">":
            limit = _limit(key, value)
            self._above[key] = max(limit, self._above.get(key, limit))
        elif operator == "<":
            limit = _limit(key, value)
            self._below[key] = min(limit, self._below.get(key, limit))
        else:
            self._present.add(key)

    def hold(self, labels: Labels) -> bool:
        """Whether an object with these labels meets them all."""
        return (
            max(map(len, (self._present, self._among, self._above, self._below))) <= len(labels)
            and all(key in labels for key in self._present)
            and not any(key in self._absent for key in labels)
            and all(labels.get(key) in values for key, values in self._among.items())
            and not any(value in self._not_among.get(key, ()) for key, value in labels.items())
            and all(_number(labels.get(key), limit) > limit for key, limit in self._above.items())
            and all(_number(labels.get(key), limit) < limit for key, limit in self._below.items())
        )


def label_selector_of(selector: Object) -> Callable[[Labels], bool]:
    """The predicate of a LabelSelector in an object; an empty one matches everything."""
    wanted = selector.get("matchLabels") or {}
    terms = [(one["key"], one["operator"], one.get("values") or ()) for one in selector.get("matchExpressions") or ()]

    def holds(labels: Labels) -> bool:
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            {
                "In": labels.get(key) in values,
                "NotIn": labels.get(key) not in values,
                "Exists": key in labels,
                "DoesNotExist": key not in labels,
            }.get(operator, False)
            for key, operator, values in terms
        )

    return holds


def selector_text(selector: Object | None) -> str:
    """A LabelSelector in an object as the text of a query; empty where it asks for nothing."""
    parts = {key: f"{key}={value}" for key, value in ((selector or {}).get("matchLabels") or {}).items()}
    for one in (selector or {}).get("matchExpressions") or ():
        key, operator = one["key"], one["operator"]
        text = {"Exists": key, "DoesNotExist": f"!{key}"}.get(operator)
        parts[key] = text or f"{key} {_SETS.get(operator, operator)} ({','.join(sorted(one.get('values') or ()))})"
    return ",".join(parts[key] for key in sorted(parts))


def _limit(key: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise bad_request(f"values[0][{key}]: Invalid value: {text!r}: for 'Gt', 'Lt' operators, must be an integer")
    return int(text)


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else otherwise


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
