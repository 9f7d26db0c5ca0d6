"""JSON as Go reads it: lone surrogates and bytes that are not UTF-8, and the words for what is not JSON."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.go_json import BadJson, read_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\ud800x"', "\ufffdx"),
        (rb'"\udc00\ud800"', "\ufffd\ufffd"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"\ud800\\udc00"', "\ufffd\\udc00"),
        (b'"a\xffb"', "a\ufffdb"),
        (rb'{"\ud800": [1, null]}', {"\ufffd": [1, None]}),
    ],
)
def test_what_no_text_can_have_is_replaced(text, value):
    assert read_json(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a"', "unexpected end of JSON input"),
        (b'{"a":tru', "unexpected end of JSON input"),
        (b"-", "unexpected end of JSON input"),
        (b"-a", "invalid character 'a' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1ex", "invalid character 'x' in exponent of numeric literal"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        (b"{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
        (b'"\n"', r"invalid character '\n' in string literal"),
        (b'"\x00"', r"invalid character '\x00' in string literal"),
        (b"[" * 20_000, "invalid character '[' exceeded max depth"),
        (b"[" * 9_000 + b"]" * 9_000, "exceeded max depth"),
        (b'["' + b"x" * 300_000, "the text is not JSON"),
    ],
    ids=range(16),
)
def test_what_is_not_json_has_gos_words(text, problem):
    with pytest.raises(BadJson) as refused:
        read_json(text)
    assert str(refused.value).startswith(problem)
