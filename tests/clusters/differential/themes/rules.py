"""CEL rules: definitions whose rules are wrong, and objects that rules judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.clusters.differential.requests import (
    DEFINITIONS,
    OBJECTS,
    Request,
    Theme,
    custom,
    definition,
    patch,
    post,
    prepare,
)

_STRING = {"type": "string", "maxLength": 100}
_INTEGER = {"type": "integer"}
_LIST = {"type": "array", "maxItems": 10, "items": _STRING}


def _judged(name: str, schema: Any, *rules: Any) -> Request:
    """A definition whose ``spec`` has this schema and these rules."""
    spec = {**schema, "x-kubernetes-validations": [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]}
    return post(name, f"{DEFINITIONS}?dryRun=All", definition({"type": "object", "properties": {"spec": spec}}))


_SPEC = {
    "type": "object",
    "properties": {"min": _INTEGER, "max": _INTEGER, "name": _STRING, "list": _LIST, "class": _STRING},
}
_NESTED = {"type": "array", "maxItems": 10, "items": {"type": "array", "maxItems": 10, "items": _LIST}}
_LONG_LIST = {"type": "array", "maxItems": 64, "items": _STRING}
_OBJECTS = {
    "type": "array",
    "maxItems": 64,
    "items": {"type": "object", "required": ["name", "port"], "properties": {"name": _STRING, "port": _INTEGER}},
}
_REFUSED = [
    _judged("rule that does not parse", _SPEC, "self.min <"),
    _judged("rule of an unknown field", _SPEC, "self.other == 1"),
    _judged("rule that is not a condition", _SPEC, "self.min"),
    _judged("rule that compares types", _SPEC, "self.min == self.name"),
    _judged("rule with unknown function", _SPEC, "self.name.shout()"),
    _judged("rule with unknown variable", _SPEC, "object.min > 1"),
    _judged("empty rule", _SPEC, {"rule": ""}),
    _judged("rule missing", _SPEC, {"message": "a"}),
    _judged("empty message", _SPEC, {"rule": "true", "message": " "}),
    _judged("message over two lines", _SPEC, {"rule": "true", "message": "a\nb"}),
    _judged("rule over two lines without message", _SPEC, {"rule": "true &&\ntrue"}),
    _judged("rule over two lines", _SPEC, {"rule": "true &&\ntrue", "message": "a"}),
    _judged("unknown reason", _SPEC, {"rule": "true", "reason": "FieldValueOdd"}),
    _judged("field path that is unknown", _SPEC, {"rule": "true", "fieldPath": ".other"}),
    _judged("field path without dot", _SPEC, {"rule": "true", "fieldPath": "min"}),
    _judged("field path into a list", _SPEC, {"rule": "true", "fieldPath": ".list[0]"}),
    _judged("field path", _SPEC, {"rule": "true", "fieldPath": ".min"}),
    _judged("message expression that does not parse", _SPEC, {"rule": "true", "messageExpression": "'a' +"}),
    _judged("message expression that is a number", _SPEC, {"rule": "true", "messageExpression": "1"}),
    _judged("message expression", _SPEC, {"rule": "true", "messageExpression": "'a' + self.name"}),
    _judged("optional old self without it", _SPEC, {"rule": "true", "optionalOldSelf": True}),
    _judged("optional old self", _SPEC, {"rule": "!oldSelf.hasValue() || true", "optionalOldSelf": True}),
    _judged("optional old self false", _SPEC, {"rule": "self == oldSelf", "optionalOldSelf": False}),
    _judged("old self in an atomic list", {"type": "array", "maxItems": 3, "items": {
        "type": "string", "maxLength": 3, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}),
    _judged("old self in a keyed list", {"type": "array", "maxItems": 3, "x-kubernetes-list-type": "map",
                                         "x-kubernetes-list-map-keys": ["name"], "items": {
        "type": "object", "required": ["name"], "properties": {"name": _STRING},
        "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}),
    _judged("rule in anyOf", {"type": "object", "anyOf": [{"x-kubernetes-validations": [{"rule": "true"}]}]}),
    _judged("rule on a type that preserves", {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "has(self.a)"),
    _judged("rule too costly", {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            "self.all(a, a.all(b, b.contains('x')))"),
    _judged("rule over a list without limit", {"type": "array", "items": {"type": "string"}},
            "self.all(a, self.all(b, a == b || a != b))"),
    _judged("cheap rule on each item", {"type": "array", "items": {
        "type": "string", "x-kubernetes-validations": [{"rule": "self != ''"}]}}),
    _judged("nested all", _NESTED, "self.all(a, a.all(b, b.all(c, c != 'x')))"),
    _judged("nested all and exists_one", _NESTED, "self.all(a, a.exists_one(b, b.exists(c, c == 'x')))"),
    _judged("every item is there once", _LONG_LIST, "self.all(a, self.exists_one(b, b == a))"),
    _judged("every item of a list of objects is there once", _OBJECTS,
            "self.all(a, self.exists_one(b, a.name == b.name && a.port == b.port))"),
    _judged("every filtered item", _OBJECTS, "self.filter(a, a.name.startsWith('x')).map(a, a.port).all(p, p < 10)"),
    _judged("every item of a long list is there once", {**_LONG_LIST, "maxItems": 5000},
            "self.all(a, self.exists_one(b, b == a))"),
    _judged("a rule near the limit", {**_LONG_LIST, "maxItems": 400}, "self.all(a, self.exists_one(b, b == a))"),
    _judged("a rule over the limit", {**_LONG_LIST, "maxItems": 1000}, "self.all(a, self.exists_one(b, b == a))"),
    _judged("choices near the limit", {**_LONG_LIST, "maxItems": 700},
            "self.all(a, self.all(b, a == 'x' ? b == 'y' : b == 'z'))"),
    _judged("conditions near the limit", {**_LONG_LIST, "maxItems": 600},
            "self.all(a, self.all(b, a != 'x' || b != 'y' || a.startsWith('z')))"),
    _judged("exists_one three deep", {**_LONG_LIST, "maxItems": 50},
            "self.all(a, self.exists_one(b, self.exists_one(c, c == a && c == b)))"),
    _judged("objects near the limit", {**_OBJECTS, "maxItems": 300},
            "self.all(a, self.exists_one(b, a.name == b.name && a.port == b.port))"),
    _judged("patterns near the limit", {**_LONG_LIST, "maxItems": 2000},
            "self.all(a, a.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))"),
    _judged("a long list in a long list", {**_LONG_LIST, "maxItems": 20_000}, "self.all(a, a in self)"),
    _judged("sets.contains", _SPEC, "sets.contains(self.list, ['a'])"),
    _judged("sets.equivalent and intersects", _SPEC,
            "sets.equivalent(self.list, ['a']) || sets.intersects(['a'], self.list)"),
    _judged("sets of other types", _SPEC, "sets.contains(self.list, [1])"),
    _judged("transformList", _SPEC, "self.list.transformList(i, v, v).size() > 1"),
    _judged("transformList with a filter", _SPEC, "self.list.transformList(i, v, i > 0, v).size() > 1"),
    _judged("transformMap", _SPEC, "self.list.transformMap(i, v, v)[0] == 'a'"),
    _judged("all with two variables", _SPEC, "self.list.all(i, v, i < 3 && v != '')"),
    _judged("exists with two variables", _SPEC, "self.list.exists(i, v, i < 3 && v != '')"),
    _judged("existsOne with two variables", _SPEC, "self.list.existsOne(i, v, i < 3 && v != '')"),
    _judged("a bound variable", _SPEC, "cel.bind(a, self.min, a < 3)"),
    _judged("a bound variable that is unknown", _SPEC, "cel.bind(a, b, true)"),
    _judged("a bound variable with an unknown field", _SPEC, "cel.bind(a, self, a.other == 1)"),
    _judged("an unknown variable in a macro", _SPEC, "self.list.all(a, b == a)"),
    _judged("isSorted of a map", _SPEC, "{'a': 1}.isSorted()"),
    _judged("isSorted of a text", _SPEC, "self.name.isSorted()"),
    _judged("isSorted of lists", _SPEC, "[[1], [2]].isSorted()"),
    _judged("sum of texts", _SPEC, "self.list.sum() == 'a'"),
    _judged("sum of conditions", _SPEC, "[true, false].sum() == 1"),
    _judged("sum of numbers", _SPEC, "[1, 2].sum() == 3"),
    _judged("min of texts", _SPEC, "self.list.min() == 'a'"),
    _judged("indexOf of a list", _SPEC, "self.list.indexOf('a') == 0"),
    _judged("pattern that does not parse", _SPEC, "self.name.matches('(')"),
    _judged("pattern of find that does not parse", _SPEC, "self.name.find('[') == 'a'"),
    _judged("pattern that RE2 does not know", _SPEC, "self.name.matches('(?=a)')"),
    _judged("duration that does not parse", _SPEC, "duration('1 hour') < duration('2h')"),
    _judged("timestamp that does not parse", _SPEC, "timestamp('yesterday') < timestamp('2020-01-01T00:00:00Z')"),
    _judged("quantity that does not parse", _SPEC, "quantity('many').isInteger()"),
    _judged("URL that does not parse", _SPEC, "url('nowhere').getHost() == 'a'"),
    _judged("address that does not parse", _SPEC, "ip('nowhere').family() == 4"),
    _judged("network that does not parse", _SPEC, "cidr('nowhere').prefixLength() == 4"),
    _judged("version that does not parse", _SPEC, "semver('a').major() == 4"),
    replace(
        _judged("format by its name", _SPEC, "format.named('nothing').hasValue()"),
        stays="a format is called by its function, as in format.dns1123Label(), not looked up",
    ),
    _judged("reserved word", _SPEC, "has(self.__class__) || true"),
    _judged("field that cannot be named", {"type": "object", "properties": {"a-b": _STRING}}, "self.a__dash__b == 'a'"),
    _judged("duplicate rule", _SPEC, "self.min < 1", "self.min < 1"),
    _judged("metadata in a rule of spec", _SPEC, "self.metadata.name == 'a'"),
    post("rule at the root", f"{DEFINITIONS}?dryRun=All", definition({"type": "object", "x-kubernetes-validations": [
        {"rule": "self.metadata.name.startsWith('a')"}]})),
    post("rule on labels", f"{DEFINITIONS}?dryRun=All", definition({"type": "object", "x-kubernetes-validations": [
        {"rule": "has(self.metadata.labels)"}]})),
]  # fmt: skip


def _ruled(schema: dict[str, Any], *rules: Any) -> dict[str, Any]:
    return {**schema, "x-kubernetes-validations": [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]}


_KEYED = {
    "type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
    "items": _ruled({"type": "object", "required": ["name"], "properties": {"name": _STRING, "size": _INTEGER}},
                    {"rule": "self.size >= oldSelf.size", "message": "size may not shrink"}),
}  # fmt: skip
_FIELDS: dict[str, Any] = {
    "range": _ruled(
        {"type": "object", "properties": {"min": _INTEGER, "max": _INTEGER}},
        {"rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": "min may not exceed max",
         "fieldPath": ".min", "reason": "FieldValueForbidden"},
    ),
    "plain": _ruled(_STRING, "self != 'bad'"),
    "fixed": _ruled(_STRING, {"rule": "self == oldSelf", "message": "fixed is immutable"}),
    "once": _ruled(_STRING, {"rule": "!oldSelf.hasValue() || oldSelf.value() == self", "optionalOldSelf": True,
                             "message": "once is immutable"}),
    "spoken": _ruled(_INTEGER, {"rule": "self < 10", "messageExpression": "self > 20 ? 'far too large' : 'too large'"}),
    "mute": _ruled(_INTEGER, {"rule": "self < 10", "messageExpression": "string(self / 0)", "message": "below 10"}),
    "needed": _ruled(
        {"type": "object", "properties": {"a": _STRING}},
        {"rule": "has(self.a)", "reason": "FieldValueRequired", "fieldPath": ".a", "message": "a is needed"},
    ),
    "twice": _ruled(_STRING, {"rule": "self != 'x'", "reason": "FieldValueDuplicate", "message": "x is there"}),
    "keyed": _KEYED,
    "list": _ruled(_LIST, "self.all(x, x.startsWith('a'))", "self.size() < 4", "self.isSorted()"),
    "total": _ruled({"type": "array", "maxItems": 5, "items": _INTEGER}, "self.sum() < 10", "self.min() >= 0"),
    "url": _ruled(_STRING, "isURL(self) && url(self).getScheme() == 'https'"),
    "quantity": _ruled(_STRING, "isQuantity(self) && quantity(self).isLessThan(quantity('1Gi'))"),
    "found": _ruled(_STRING, "self.find('[0-9]+') == '42'"),
    "address": _ruled(_STRING, "isIP(self) && ip(self).family() == 4"),
    "network": _ruled(_STRING, "isCIDR(self) && cidr(self).containsIP('10.0.0.1')"),
    "label": _ruled(_STRING, "!format.dns1123Label().validate(self).hasValue()"),
    "version": _ruled(_STRING, "isSemver(self) && semver(self).isGreaterThan(semver('1.0.0'))"),
    "words": _ruled(_STRING, "self.lowerAscii().split(' ').size() == 2 && self.trim() == self"),
    "texts": _ruled(_STRING, "self.replace('a', 'b').substring(1, 3) == 'bc' && self.indexOf('c') == 2"),
    "match": _ruled(_STRING, "self.matches('^[a-z]+$')"),
    "time": _ruled({"type": "string", "format": "date-time"}, "self > timestamp('2020-01-01T00:00:00Z')"),
    "span": _ruled({"type": "string", "format": "duration"}, "self < duration('1h')"),
    "ratio": _ruled({"type": "number"}, "self < 1.5"),
    "port": _ruled({"x-kubernetes-int-or-string": True}, "type(self) == int ? self > 0 : self == 'http'"),
    "map": _ruled({"type": "object", "maxProperties": 5, "additionalProperties": _INTEGER},
                  "self.all(k, self[k] > 0)", "!('x' in self)"),
    "fault": _ruled({"type": "array", "maxItems": 5, "items": _INTEGER}, "self[3] == 1"),
    "choice": _ruled({"type": "object", "properties": {"a": _STRING, "b": _STRING}},
                     "[has(self.a), has(self.b)].exists_one(x, x)"),
    "maybe": _ruled({"type": "object", "properties": {"a": _STRING}}, "self.?a.orValue('z') == 'z'"),
    "unique": _ruled({"type": "array", "maxItems": 5, "x-kubernetes-list-type": "set", "items": _STRING},
                     "self + ['a'] == ['a', 'b'] || self == ['b', 'a']"),
    "sets": _ruled(_LIST, "sets.contains(['a', 'b'], self)", "!sets.equivalent(self, ['a', 'b'])"),
    "places": _ruled(_LIST, "self.all(i, v, i < 2 || v == 'x')"),
    "size": _ruled(_STRING, "isQuantity(self) && quantity(self).isInteger()"),
    "class": _ruled({"type": "object", "properties": {"namespace": _STRING, "a-b": _STRING}},
                    "!has(self.__namespace__) || self.__namespace__ != 'x'", "!has(self.a__dash__b)"),
}  # fmt: skip
_SCHEMA = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": _FIELDS}},
    "x-kubernetes-validations": [
        {"rule": "self.metadata.name != 'refused'", "message": "the name is refused"},
        {"rule": "!has(self.spec) || !has(self.spec.plain) || !self.metadata.name.startsWith('no-')"},
    ],
}


def _thing(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


def _made(name: str, **spec: Any) -> Request:
    return post(name, f"{OBJECTS}?dryRun=All", _thing("one", **spec))


_CREATED = [
    *(_made(f"{field} {value!r}"[:60], **{field: value}) for field, value in (
        ("range", {"min": 1, "max": 2}), ("range", {"min": 3, "max": 2}), ("range", {}),
        ("plain", "good"), ("plain", "bad"), ("fixed", "a"), ("once", "a"),
        ("spoken", 9), ("spoken", 12), ("mute", 12), ("needed", {"a": "b"}), ("needed", {}),
        ("twice", "x"), ("keyed", [{"name": "a", "size": 1}]), ("list", ["a", "ab"]), ("list", ["b"]),
        ("list", ["ab", "a"]), ("list", ["a", "a", "a", "a"]), ("total", [1, 2]), ("total", [9, 9]), ("total", [-1]),
        ("url", "https://example.org/a"), ("url", "http://example.org"), ("url", "nowhere"),
        ("quantity", "500Mi"), ("quantity", "2Gi"), ("quantity", "many"), ("found", "a42b"), ("found", "a7"),
        ("address", "10.0.0.1"), ("address", "::1"), ("network", "10.0.0.0/8"), ("network", "192.168.0.0/16"),
        ("label", "a-b"), ("label", "A_B"), ("version", "1.2.3"), ("version", "0.9.0"), ("words", "A B"),
        ("words", "A C"), ("texts", "abc"), ("texts", "abd"), ("match", "abc"), ("match", "ABC"),
        ("time", "2020-06-01T00:00:00Z"), ("time", "2019-06-01T00:00:00Z"), ("span", "30m"), ("span", "90m"),
        ("ratio", 1.25), ("ratio", 2), ("port", 80), ("port", "http"), ("port", "other"), ("port", 0),
        ("map", {"a": 1}), ("map", {"a": 0}), ("map", {"x": 1}), ("fault", [1]), ("fault", [1, 1, 1, 1]),
        ("choice", {"a": "1"}), ("choice", {"a": "1", "b": "2"}), ("choice", {}), ("maybe", {}), ("maybe", {"a": "y"}),
        ("unique", ["b", "a"]), ("unique", ["c"]),
        ("sets", ["a"]), ("sets", ["c"]), ("sets", ["b", "a", "a"]), ("places", ["a", "b", "x"]),
        ("places", ["a", "b", "c"]), ("places", ["b"]),
        *(("size", text) for text in ("1", "1k", "1.5", "9223372036854775807", "9223372036854775808", "1e18", "1e19",
                                      "9999999999E", "1Ei", "8Ei", "0.001k", "1e999999", "1e-999999")),
        ("class", {"namespace": "x"}), ("class", {"a-b": "x"}), ("class", {}),
    )),
    _made("two rules fail", plain="bad", spoken=12),
    _made("a rule and a type fail", plain="bad", spoken="a"),
    _made("a rule and a bound fail", plain="bad", list=["a"] * 11),
    post("rule at the root fails", f"{OBJECTS}?dryRun=All", _thing("refused")),
    post("rule at the root about two parts", f"{OBJECTS}?dryRun=All", _thing("no-plain", plain="a")),
]  # fmt: skip
_ONE = f"{OBJECTS}/one"
_CHANGED = [
    *prepare(post("create", OBJECTS, _thing("one", fixed="a", once="a", keyed=[{"name": "a", "size": 2}]))),
    patch("immutable field stays", _ONE, {"spec": {"fixed": "a", "plain": "b"}}),
    patch("immutable field changes", _ONE, {"spec": {"fixed": "b"}}),
    patch("immutable field with optional old self changes", _ONE, {"spec": {"once": "b"}}),
    patch("item shrinks", _ONE, {"spec": {"keyed": [{"name": "a", "size": 1}]}}),
    patch("item is added and one grows", _ONE,
          {"spec": {"keyed": [{"name": "b", "size": 1}, {"name": "a", "size": 3}]}}),
    patch("immutable field goes", _ONE, {"spec": {"fixed": None}}),
    patch("immutable field comes back", _ONE, {"spec": {"fixed": "c"}}),
    patch("message from an expression", _ONE, {"spec": {"spoken": 11}}),
]  # fmt: skip

THEMES = [
    Theme("rules", "CEL rules: definitions", _REFUSED),
    Theme("ruled-objects", "CEL rules: objects", [*custom(definition(_SCHEMA)), *_CREATED, *_CHANGED]),
]
