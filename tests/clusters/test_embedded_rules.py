"""CEL rules of custom resources: what a definition may say, and what its objects are refused for."""

from __future__ import annotations

from typing import Any

import pytest

from harness.clusters.embedded.cel.cost import rule_cost
from harness.clusters.embedded.cel.environment import BadExpression, EvaluationError, evaluate
from harness.clusters.embedded.cel.typing import escaped, prepared
from harness.clusters.embedded.patches import MERGE_PATCH

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.org/v1/namespaces/default/things"
STRING, INTEGER = {"type": "string", "maxLength": 50}, {"type": "integer"}


DATA = {"self": None, "oldSelf": None, "hasOldSelf": False}


def things(**fields: Any) -> dict[str, Any]:
    """A definition of Things whose ``spec`` has these fields."""
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def thing(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec}


def ruled(schema: dict[str, Any], rule: str, **more: Any) -> dict[str, Any]:
    return {**schema, "x-kubernetes-validations": [{"rule": rule, **more}]}


async def faults(api: Any, definition: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields and messages that a definition is refused for."""
    code, _, status = await api.refused("POST", DEFINITIONS, definition)
    assert code == 422
    return [
        (cause["field"].rpartition("]")[2] or cause["field"], cause["message"]) for cause in status["details"]["causes"]
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("self.min <", "Syntax error"),
        ("self.other == 1", "<input>:1:5: undefined field 'other'\n | self.other == 1\n | ....^"),
        ("self.min == self.name", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.name.shout()", "undeclared reference to 'shout'"),
        ("object.min > 1", "<input>:1:1: undeclared reference to 'object'"),
        ("self.min", "cel expression must evaluate to a bool"),
        ("", "rule is not specified"),
    ],
)
async def test_rules_that_a_definition_is_refused_for(api, rule, message):
    spec = {"type": "object", "properties": {"min": INTEGER, "name": STRING}}
    ((field, said),) = await faults(api, things(box=ruled(spec, rule)))
    assert field == ".rule"
    assert message in said


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"message": " "}, ".message", "must be non-empty if specified"),
        ({"message": "a\nb"}, ".message", "must not contain line breaks"),
        ({"reason": "Odd"}, ".reason", 'Unsupported value: "Odd"'),
        ({"fieldPath": ".other"}, ".fieldPath", "must be a valid path"),
        ({"messageExpression": "1"}, ".messageExpression", "messageExpression must evaluate to a string"),
        ({"optionalOldSelf": True}, ".optionalOldSelf", "may not be set if oldSelf is not used in rule"),
    ],
)
async def test_what_a_rule_says_beside_its_expression(api, more, field, message):
    ((found, said),) = await faults(
        api, things(box=ruled({"type": "object", "properties": {"a": STRING}}, "true", **more))
    )
    assert found == field
    assert message in said


async def test_a_costly_rule_is_refused(api):
    endless = {"type": "array", "items": {"type": "string"}}
    found = await faults(api, things(box=ruled(endless, "self.all(a, self.all(b, a == b))")))
    assert any("estimated rule cost exceeds budget by factor of more than 100x" in said for _, said in found)
    await api(
        "POST", DEFINITIONS, things(box=ruled({**endless, "maxItems": 10, "items": STRING}, "self.all(a, a != '')"))
    )
    assert rule_cost("self == 'a'", STRING) < 100 < rule_cost("self.all(a, a != '')", endless)


async def test_objects_are_judged(api):
    await api(
        "POST",
        DEFINITIONS,
        things(
            range=ruled(
                {"type": "object", "properties": {"min": INTEGER, "max": INTEGER}},
                "self.min <= self.max",
                message="min may not exceed max",
                fieldPath=".min",
                reason="FieldValueForbidden",
            ),
            said=ruled(INTEGER, "self < 10", messageExpression="self > 20 ? 'far too large' : 'too large'"),
            name=ruled(STRING, "self != 'bad'"),
            time=ruled({"type": "string", "format": "date-time"}, "self > timestamp('2020-01-01T00:00:00Z')"),
            ratio=ruled({"type": "number"}, "self < 1.5"),
        ),
    )
    good = {"range": {"min": 1, "max": 2}, "said": 9, "name": "a", "time": "2020-06-01T00:00:00Z", "ratio": 1}
    await api("POST", f"{THINGS}?dryRun=All", thing(**good))
    for change, expected in (
        ({"range": {"min": 3, "max": 2}}, "spec.range.min: Forbidden: min may not exceed max"),
        ({"range": {"min": 3}}, "no such key: max evaluating rule: min may not exceed max"),
        ({"said": 11}, "spec.said: Invalid value: 11: too large"),
        ({"said": 21}, "spec.said: Invalid value: 21: far too large"),
        ({"name": "bad"}, "spec.name: Invalid value: \"bad\": failed rule: self != 'bad'"),
        ({"time": "2019-06-01T00:00:00Z"}, "failed rule: self > timestamp"),
        ({"ratio": 2}, "failed rule: self < 1.5"),
        ({"name": 1}, "some validation rules were not checked because the object was invalid"),
    ):
        code, _, status = await api.refused("POST", THINGS, thing(**{**good, **change}))
        assert code == 422
        assert expected in status["message"]


async def test_changes_are_judged(api):
    keyed = {
        "type": "array",
        "maxItems": 5,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": ruled(
            {"type": "object", "required": ["name"], "properties": {"name": STRING, "size": INTEGER}},
            "self.size >= oldSelf.size",
        ),
    }
    once = ruled(STRING, "!oldSelf.hasValue() || oldSelf.value() == self", optionalOldSelf=True)
    await api("POST", DEFINITIONS, things(fixed=ruled(STRING, "self == oldSelf"), once=once, keyed=keyed, free=STRING))
    await api("POST", THINGS, thing(fixed="a", once="a", keyed=[{"name": "a", "size": 2}]))
    one = f"{THINGS}/one"
    for spec in ({"fixed": "b"}, {"once": "b"}, {"keyed": [{"name": "a", "size": 1}]}):
        assert (await api.refused("PATCH", one, {"spec": spec}, MERGE_PATCH))[0] == 422
    grown = [{"name": "b", "size": 1}, {"name": "a", "size": 3}]
    for spec in ({"free": "x"}, {"fixed": "a"}, {"keyed": grown}, {"fixed": None}, {"fixed": "c"}):
        await api("PATCH", one, {"spec": spec}, MERGE_PATCH)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("self.sum() < 10 && self.min() >= 0 && self.max() < 9", [1, 2], [9, 9]),
        ("self.isSorted()", ["a", "b"], ["b", "a"]),
        ("self.find('[0-9]+') == '42'", "a42b", "a7"),
        ("self.findAll('[0-9]').size() == 2", "1a2", "1"),
        (
            "isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() == 'a:1'",
            "https://a:1/b",
            "http://a:1",
        ),
        ("isQuantity(self) && quantity(self).isLessThan(quantity('1Gi'))", "500Mi", "2Gi"),
        ("quantity(self).compareTo(quantity('1k')) == 0", "1000", "1Ki"),
        ("isIP(self) && ip(self).family() == 4", "10.0.0.1", "::1"),
        ("isCIDR(self) && cidr(self).containsIP('10.0.0.1')", "10.0.0.0/8", "192.168.0.0/16"),
        ("!format.dns1123Label().validate(self).hasValue()", "a-b", "A_B"),
        ("isSemver(self) && semver(self).isGreaterThan(semver('1.0.0'))", "1.2.3", "1.0.0-rc.1"),
        ("self.substring(1, 3) == 'bc' && self.indexOf('c') == 2 && self.charAt(0) == 'a'", "abc", "acb"),
        ("self.lowerAscii().split(' ').join('-') == 'a-b'", "A B", "A C"),
        ("self.replace('a', 'b').upperAscii() == 'BB' && self.trim() == self", "ab", " ab"),
        ("'%s is %d' .format([self, 2]) == 'a is 2'", "a", "b"),
        ("self.?a.orValue('z') == 'z'", {}, {"a": "y"}),
        ("duration(self) < duration('1h')", "30m", "90m"),
        ("type(self) == int ? self > 0 : self == 'http'", 80, "other"),
    ],
)
def test_the_functions_of_kubernetes(rule, good, bad):
    text, _ = prepared(rule, {}, root=False)
    assert evaluate(text, {"self": good}) is True
    assert evaluate(text, {"self": bad}) is not True


def test_evaluation_has_a_bound():
    with pytest.raises(EvaluationError, match="cost exceeds limit"):
        evaluate("self.all(a, self.all(b, a == b))", {"self": ["a"] * 2000})
    with pytest.raises(BadExpression, match="characters"):
        evaluate("1 == 1 || " * 10_000 + "true", {})


def test_names_that_expressions_can_write():
    assert [escaped(name) for name in ("a", "a-b", "a.b", "a/b", "a__b", "in", "ä")] == [
        "a", "a__dash__b", "a__dot__b", "a__slash__b", "a__underscores__b", "__in__", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[5, 6].all(i, v, v == i + 5)", True),
        ("{'a': 1}.exists(k, v, k == 'a' && v == 1)", True),
        ("[1, 1].existsOne(i, v, v == 1)", False),
        ("['a', 'b'].transformList(i, v, i > 0, v + string(i)) == ['b1']", True),
        ("{'a': 1}.transformList(k, v, k) == ['a']", True),
        ("{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2) == {'b': 4}", True),
        ("['a', 'b'].transformMapEntry(i, v, {v: i}) == {'a': 0, 'b': 1}", True),
        ("[[1, 2], [3]].all(i, l, l.all(j, v, v == i * 2 + j + 1))", True),
        ("'a.all(i, v, x)' == \"a.all(i, v, x)\" && [1].all(i, v, v != i) // .all(i, v, false)", True),
        ("[1, 2].all(v, v > 0)", True),
    ],
)
def test_macros_over_two_variables(expression, value):
    assert evaluate(expression, DATA) == value


def test_times_are_found_inside_macros_over_two_variables():
    time = {"type": "string", "format": "date-time"}
    schema = {"type": "object", "properties": {"a": time, "b": time}}
    text, _ = prepared("[1].all(i, v, self.a < self.b)", schema, root=False)
    times = {"a": "2020-01-01T00:00:00Z", "b": "2020-01-01T00:00:00.5Z"}
    assert evaluate(text, {**DATA, "self": times}) is True


def test_patterns_are_searched_for_in_linear_time():
    assert evaluate("self.find('(a+)+$')", {**DATA, "self": "a" * 5000 + "b"}) == ""
    assert evaluate("self.findAll('(a|aa)+') == ['aa', 'aa']", {**DATA, "self": "aab" * 2}) is True
