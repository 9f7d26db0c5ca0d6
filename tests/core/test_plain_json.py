"""Every value has a JSON form: values that JSON lacks become text, and nothing raises."""

import dataclasses
import enum
import json
import math
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.plain_json import compact, encode, plain


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("cannot be shown")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    raw: bytes


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"end": 1}
    for _ in range(levels):
        value = {"in": value}
    return value


def itself() -> dict[str, Any]:
    value: dict[str, Any] = {"all": []}
    value["all"].append(value)
    return value


VALUES: dict[str, tuple[Any, Any]] = {
    "2^64": (2**64, "18446744073709551616"),
    "2^53": (2**53, "9007199254740992"),
    "exact": (2**53 - 1, 2**53 - 1),
    "negative": (-(2**63), "-9223372036854775808"),
    "surrogate": ("a\udcffb", "a\\udcffb"),
    "surrogate key": ({"\ud800": 1}, {"\\ud800": 1}),
    "NaN": (math.nan, "nan"),
    "infinity": ([math.inf], ["inf"]),
    "bytes": (b"\xff\x00", "ff00"),
    "keys": ({1: "a", (2, 3): "b"}, {"1": "a", "(2, 3)": "b"}),
    "set": ({7}, [7]),
    "mapping": (MappingProxyType({"a": 2**70}), {"a": str(2**70)}),
    "object": (Colour, "<enum 'Colour'>"),
    "dataclass": (Point(2**64, b"\x01"), {"x": str(2**64), "raw": "01"}),
    "unprintable": (Unprintable(), "(Unprintable that cannot be shown: RuntimeError)"),
    "huge": (10**5000, "(int that cannot be shown: ValueError)"),
    "itself": (itself(), {"all": ["(contains itself)"]}),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_json_lacks_becomes_text(name: str) -> None:
    value, expected = VALUES[name]
    assert plain(value) == expected
    if name not in ("NaN", "infinity"):
        assert orjson.loads(encode({"value": value})) == {"value": expected}
    assert json.loads(compact({"value": value})).keys() == {"value"}


@pytest.mark.parametrize("levels", [300, 100_000])
def test_a_value_nested_too_deeply_ends_in_text(levels: int) -> None:
    value = nested(levels)
    found = orjson.loads(encode(value))
    json.loads(compact(value).encode("utf-8", "backslashreplace"))
    for _ in range(60):
        found = found["in"]
    while isinstance(found, dict):
        found = found["in"]
    assert isinstance(found, str)


def test_compact_json_is_read_back_unchanged() -> None:
    value = {"big": 2**64, "text": "\udcff", "list": [1.5, None, True]}
    assert json.loads(compact(value)) == value
    assert json.loads(compact({"x": math.nan, "big": 2**64})) == {"x": "nan", "big": "18446744073709551616"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_value_that_json_has_stays_unchanged(value: Any) -> None:
    if "inf" not in str(value):
        assert json.loads(encode(value)) == json.loads(json.dumps(value))
        assert json.loads(compact(value)) == value
