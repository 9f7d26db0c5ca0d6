"""Bodies in YAML: JSON's values and nothing more, whatever they are made to stand for."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.yaml_reader import read_yaml

WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
YAML = "application/yaml"
LAUGHS = b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
"""Aliases of aliases: with more of them, a short text stands for a huge value."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 'y', \"z\"]\n", {"a": 1, "b": ["x", "y", "z"]}),
        ("# nothing\n", None),
        ("a: {}\nb: []\nc:\nd: ~\n", {"a": {}, "b": [], "c": None, "d": None}),
        ("a: [yes, No, on, OFF, true, False]", {"a": [True, False, True, False, True, False]}),
        ("a: [0x10, 0b11, 017, 1_000, -5, +3, 0]", {"a": [16, 3, 15, 1000, -5, 3, 0]}),
        ("a: [1.5, -2.0e+3, 1., .5]", {"a": [1.5, -2000.0, 1.0, 0.5]}),
        ("a: '1'\nb: !!str 1\nc: ! 1\nd: \"true\"", {"a": "1", "b": "1", "c": "1", "d": "true"}),
        (
            "when: 2020-01-01\nat: 2001-12-14t21:59:43.10-05:00",
            {"when": "2020-01-01", "at": "2001-12-14t21:59:43.10-05:00"},
        ),
        ("a: 190:20:30", {"a": "190:20:30"}),
        ("a: |\n  one\n  two\nb: >-\n  one\n  two\n", {"a": "one\ntwo\n", "b": "one two"}),
        ("&a a: &b b", {"a": "b"}),
        ("--- {a: b}\n...\n", {"a": "b"}),
        ("- - - x", [[["x"]]]),
        ("plain", "plain"),
        ("--- a\n--- b\n", "a"),
        (
            "a: !!binary aGk=\nb: !!set {x}\nc: !mine d\ne: !mine [f]",
            {"a": "hi", "b": {"x": None}, "c": "d", "e": ["f"]},
        ),
        ("a: !!python/object:os.system x", {"a": "x"}),
        ("%TAG !e! tag:x\n---\na: !e!f b", {"a": "b"}),
    ],
)
def test_what_is_read(text, value):
    assert read_yaml(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LAUGHS, "*a: aliases and merge keys are not read"),
        (b"a: &a {x: 1}\nb:\n  <<: *a\n", "<<: aliases"),
        (b"".join(b"%%TAG !e%d! tag:x\n" % number for number in range(17)) + b"---\na: b", "more than 16 %TAG"),
        (b"[" * 101, "exceeded max depth of 100"),
        (b"- " * 101 + b"x", "exceeded max depth"),
        (b"a: 1" + b"_" * 100 + b".", "is too long for a number"),
        (b"a: 0x" + b"f" * 100, "is too long for a number"),
        (b"a: 11111111111111111111111", "64-bit"),
        (b"a: .inf", "could not convert"),
        (b"a: [", "did not find expected node content"),
        (b"? [a]\n: b", "invalid map key"),
        (b"null: x", "key must be str"),
        (b"a: !!binary aaa", "padding"),
        (b"a: \xff", "can't decode"),
        (b"a: \x01", "not allowed"),
    ],
    ids=range(15),
)
async def test_what_is_refused(api, text, why):
    code, reason, status = await api.refused("POST", WIDGETS, text, YAML)
    assert (code, reason) == (400, "BadRequest")
    assert status["message"].startswith("the object provided is unrecognized (must be of type Widget): yaml: ")
    assert why in status["message"]


def test_a_number_in_sixties_is_not_computed():
    assert read_yaml(b"a: 1" + b":20" * 30)["a"].startswith("1:20:20")


async def test_a_body_of_more_values_than_one_request_may_have_is_too_large(api):
    code, reason, _ = await api.refused("POST", WIDGETS, b"[" + b"1," * 1_500_000 + b"1]#", YAML)
    assert (code, reason) == (413, "RequestEntityTooLarge")
    code, reason, _ = await api.refused(
        "PATCH", f"{WIDGETS}/one?fieldManager=a", LAUGHS, "application/apply-patch+yaml"
    )
    assert (code, reason) == (400, "BadRequest")
