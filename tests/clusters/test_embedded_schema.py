"""Structural schemas: what they prune, fill in and refuse, in whose words; and JSON values copied and shared."""

from __future__ import annotations

import copy
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.formats import FORMATS
from harness.clusters.embedded.patches import merge_patch
from harness.clusters.embedded.patterns import compile_pattern
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import NESTING_LIMIT, copy_value, drop_nulls, is_too_deep, lookup, same, share

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("abc", max_size=1), JSON, max_size=3)


def text(value):
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@given(JSON)
def test_a_copy_is_equal_and_shares_nothing(value):
    copied = copy_value(value)
    assert text(copied) == text(value)
    if isinstance(copied, dict | list):
        assert copied is not value


@given(JSON, JSON)
def test_sharing_keeps_the_value_and_knows_what_is_equal(new, old):
    before_new, before_old = text(new), text(old)
    shared = share(copy.deepcopy(new), old)
    assert text(shared) == before_new
    assert text(old) == before_old
    assert (shared is old) == (before_new == before_old) or not isinstance(new, dict | list)
    assert same(new, old) == (before_new == before_old)


@given(JSON)
def test_sharing_with_an_equal_value_is_that_value(value):
    if isinstance(value, dict | list):
        assert share(copy.deepcopy(value), value) is value


def test_sharing_keeps_the_parts_that_did_not_change():
    old = {"a": {"x": [1, {"y": 2}]}, "b": {"z": 1}}
    new = share({"a": {"x": [1, {"y": 2}]}, "b": {"z": True}, "c": 1}, old)
    assert new["a"] is old["a"]
    assert new["b"] == {"z": True}
    assert share([1, {"a": 1}], [1, {"a": 1}, 2]) == [1, {"a": 1}]


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_does_what_the_rfc_says(value, patch):
    def reference(target, change):  # RFC 7386, section 2
        if not isinstance(change, dict):
            return change
        target = dict(target) if isinstance(target, dict) else {}
        for name, item in change.items():
            if item is None:
                target.pop(name, None)
            else:
                target[name] = reference(target.get(name), item)
        return target

    before = text(value)
    assert text(merge_patch(value, copy.deepcopy(patch))) == text(reference(value, patch))
    assert text(value) == before


def test_nesting_has_a_limit():
    value = 1
    for _ in range(NESTING_LIMIT):
        value = {"a": 2, "b": value}
    assert not is_too_deep(value)
    assert is_too_deep([value])


def test_values_that_json_has_no_form_for_are_refused():
    class Word(str):
        pass

    assert copy_value({"a": (1, Word("x"))}) == {"a": [1, "x"]}
    with pytest.raises(TypeError, match="no form for set"):
        copy_value({"a": {1}})
    with pytest.raises(TypeError, match="keys are strings"):
        copy_value({1: 2})
    assert lookup({"a": {"b": 1}}, ("a", "b", "c")) is None
    value = {"a": None, "b": [{"c": None, "d": 1}]}
    drop_nulls(value, None)
    assert value == {"b": [{"d": 1}]}


def judge(schema, value):
    causes = []
    Schema(schema).validate(value, object(), "spec", causes, Budget())
    return [(cause.reason.removeprefix("FieldValue"), str(cause)) for cause in causes]


@pytest.mark.parametrize(
    ("schema", "value", "reason", "message"),
    [
        (
            {"type": "integer"},
            "x",
            "TypeInvalid",
            'spec: Invalid value: "string": spec in body must be of type integer: "string"',
        ),
        (
            {"type": "integer"},
            True,
            "TypeInvalid",
            'spec: Invalid value: "boolean": spec in body must be of type integer: "boolean"',
        ),
        (
            {"type": "string"},
            None,
            "TypeInvalid",
            'spec: Invalid value: "null": spec in body must be of type string: "null"',
        ),
        (
            {"x-kubernetes-int-or-string": True},
            [],
            "TypeInvalid",
            'spec: Invalid value: "array": spec in body must be of type integer,string: "array"',
        ),
        ({"type": "object", "required": ["a"]}, {}, "Required", "spec.a: Required value"),
        (
            {"type": "string", "enum": ["a", "b"]},
            "c",
            "NotSupported",
            'spec: Unsupported value: "c": supported values: "a", "b"',
        ),
        (
            {"type": "integer", "enum": [1, 2]},
            3,
            "NotSupported",
            'spec: Unsupported value: 3: supported values: "1", "2"',
        ),
        (
            {"type": "boolean", "enum": [True]},
            False,
            "NotSupported",
            'spec: Unsupported value: false: supported values: "true"',
        ),
        (
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "enum": [{"a": 1}]},
            {"a": 2},
            "NotSupported",
            'spec: Unsupported value: {"a":2}: supported values: "{\\"a\\":1}"',
        ),
        (
            {"type": "string", "pattern": "^a$"},
            "b",
            "Invalid",
            "spec: Invalid value: \"b\": spec in body should match '^a$'",
        ),
        (
            {"type": "string", "minLength": 2},
            "b",
            "Invalid",
            'spec: Invalid value: "b": spec in body should be at least 2 chars long',
        ),
        ({"type": "string", "maxLength": 1}, "bb", "TooLong", "spec: Too long: may not be more than 1 byte"),
        (
            {"type": "string", "format": "date-time"},
            "x",
            "TypeInvalid",
            'spec: Invalid value: "x": spec in body must be of type date-time: "x"',
        ),
        (
            {"type": "integer", "format": "int32"},
            1 << 40,
            "Invalid",
            '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec',
        ),
        (
            {"type": "integer", "minimum": 1},
            0,
            "Invalid",
            "spec: Invalid value: 0: spec in body should be greater than or equal to 1",
        ),
        (
            {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
            1,
            "Invalid",
            "spec: Invalid value: 1: spec in body should be greater than 1",
        ),
        (
            {"type": "integer", "maximum": 1},
            2,
            "Invalid",
            "spec: Invalid value: 2: spec in body should be less than or equal to 1",
        ),
        (
            {"type": "number", "maximum": 1, "exclusiveMaximum": True},
            1.0,
            "Invalid",
            "spec: Invalid value: 1.0: spec in body should be less than 1",
        ),
        (
            {"type": "integer", "multipleOf": 3},
            4,
            "Invalid",
            "spec: Invalid value: 4: spec in body should be a multiple of 3",
        ),
        (
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            [],
            "Invalid",
            "spec: Invalid value: 0: spec in body should have at least 1 items",
        ),
        (
            {"type": "array", "maxItems": 1, "items": {"type": "string"}},
            ["a", "b"],
            "TooMany",
            "spec: Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "object", "minProperties": 1},
            {},
            "Invalid",
            "spec: Invalid value: 0: spec in body should have at least 1 properties",
        ),
        (
            {"type": "object", "maxProperties": 2},
            {"a": 1, "b": 1, "c": 1},
            "TooMany",
            "spec: Too many: 3: must have at most 2 items",
        ),
        (
            {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            ["a", "a"],
            "Duplicate",
            'spec[1]: Duplicate value: "a"',
        ),
        (
            {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object"},
            },
            [{"k": 1}, {"k": 1, "z": 2}],
            "Duplicate",
            'spec[1]: Duplicate value: {"k":1}',
        ),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"a": "x"},
            "TypeInvalid",
            'spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"',
        ),
        (
            {"type": "object", "not": {"required": ["a"]}},
            {"a": 1},
            "Invalid",
            '<nil>: Invalid value: "": "spec" must not validate the schema (not)',
        ),
        (
            {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": 1, "b": 1},
            "Invalid",
            '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). '
            "Found 2 valid alternatives",
        ),
    ],
)
def test_one_thing_is_wrong(schema, value, reason, message):
    assert judge(schema, value) == [(reason, message)]


def test_a_fraction_is_not_an_integer():
    assert judge({"type": "integer"}, 1.5) == [
        ("TypeInvalid", 'spec: Invalid value: "number": spec in body must be of type integer: "number"'),
        ("Invalid", '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec'),
    ]


def test_alternatives_that_all_fail_say_why():
    either = [{"required": ["a"]}, {"required": ["b"]}]
    assert judge({"type": "object", "oneOf": either}, {}) == [
        ("Invalid", '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid'),
        ("Required", "spec.a: Required value"),
    ]
    assert judge({"type": "object", "anyOf": either}, {}) == [
        ("Invalid", '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)'),
        ("Required", "spec.a: Required value"),
    ]
    assert judge({"type": "object", "allOf": either}, {"a": 1}) == [
        ("Required", "spec.b: Required value"),
        ("Invalid", '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf)'),
    ]
    assert judge({"type": "object", "anyOf": either, "oneOf": either, "allOf": either[:1]}, {"a": 1}) == []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 2.0),
        ({"type": "number"}, 2),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "80%"),
        ({"x-kubernetes-preserve-unknown-fields": True}, None),
        ({"type": "array"}, [1, "a"]),
        ({"type": "string", "format": "no-such-format"}, "x"),
    ],
)
def test_nothing_is_wrong(schema, value):
    assert judge(schema, value) == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("byte", "aGk=", "aGk"),
        ("cidr", "10.0.0.0/8", "10.0.0.0/99"),
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-02-29T23:59:59.5+02:00", "2024-02-30T00:00:00Z"),
        ("date-time", "2024-02-29T23:59:59Z", "2024-02-29T23:59:59"),
        ("duration", "1h30m", "soon"),
        ("int32", -5, 1 << 31),
        ("int64", 1 << 62, 1 << 63),
        ("ipv4", "1.2.3.4", "1.2.3.400"),
        ("ipv6", "::1", "1.2.3.4"),
        ("uuid", "a860971b-d05a-4525-9bf5-ffd9887d1d51", "a860971b"),
    ],
)
def test_formats(name, good, bad):
    assert FORMATS[name](good)
    assert not FORMATS[name](bad)
    assert FORMATS[name]([])


def test_a_dollar_is_the_end_of_the_text():
    assert compile_pattern("^a$").found_in("a")
    assert not compile_pattern("^a$").found_in("a\n")
    assert compile_pattern(r"^\$[$]$").found_in("$$")


def test_pruning_and_defaults():
    schema = Schema(
        {
            "type": "object",
            "properties": {
                "kept": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"a": {"type": "object"}},
                },
                "inner": {"type": "object", "default": {}, "properties": {"n": {"type": "integer", "default": 3}}},
                "none": {"type": "string", "nullable": True, "default": "x"},
                "some": {"type": "string", "default": "y"},
                "list": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"d": {"type": "integer", "default": 1}}},
                },
                "map": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "properties": {"d": {"type": "integer", "default": 1}}},
                },
                "object": {"x-kubernetes-embedded-resource": True, "type": "object"},
            },
        }
    )
    value = {
        "kept": {"x": 1, "a": {"gone": 1}},
        "none": None,
        "some": None,
        "list": [{"gone": 1}],
        "map": {"k": {}},
        "gone": 1,
        "object": {"kind": "X", "metadata": {"name": "n"}, "gone": 1},
    }
    unknown = []
    schema.prune(value, None, "", unknown)
    schema.default(value, None, Budget())
    assert unknown == ["kept.a.gone", "list[0].gone", "gone", "object.gone"]
    assert value == {
        "kept": {"x": 1, "a": {}},
        "inner": {"n": 3},
        "none": None,
        "some": "y",
        "list": [{"d": 1}],
        "map": {"k": {"d": 1}},
        "object": {"kind": "X", "metadata": {"name": "n"}},
    }


def test_what_did_not_change_is_not_judged_again():
    schema = Schema({"type": "object", "properties": {"a": {"type": "object"}, "n": {"type": "integer"}}})
    old = {"a": {"left": "over"}, "n": 1}
    new = {"a": old["a"], "n": 2}
    unknown, causes = [], []
    schema.prune(new, old, "", unknown)
    schema.default(new, old, Budget())
    schema.validate(new, old, "", causes, Budget())
    assert (unknown, causes, new["a"]) == ([], [], {"left": "over"})


def test_numbers_without_end_do_not_pass_as_json():
    assert math.isinf(copy_value(math.inf))
    assert orjson.dumps(copy_value(math.inf)) == b"null"
