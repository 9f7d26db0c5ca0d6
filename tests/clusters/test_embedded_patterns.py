"""Patterns of schemas: what Go's regexp takes, refuses and matches is taken, refused in its words, and matched.

Every row was answered by Go 1.26, with which Kubernetes judges them.
"""

from __future__ import annotations

import copy

import pytest
import yaml

from harness.clusters.embedded.patterns import BadPattern, compile_pattern

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CASE = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: p1s.lab.example}
spec:
  group: lab.example
  scope: Namespaced
  names: {plural: p1s, singular: p1, kind: P1}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              v: {type: string, pattern: '^(?i)(abort|warn)?$'}
"""

DURATION = r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"
MATCHED = [
    ("^(?i)(abort|warn)?$", ["ABORT", "warn", ""], ["abort!", "ABORT\n"]),
    (DURATION, ["0", "1h30m", "", "5ms"], ["1 h", "h", "1m1h"]),
    (r"(^0|([0-9]*[.])?[0-9]+((K|M|G|T|E|P)i?)?B)$", ["0", "1.5GiB", "12B"], ["1.5", "GB"]),
    (r"^\p{L}+$", ["Ωmega", "ß"], ["a1", "", "٣"]),
    (r"^\p{Greek}\P{Lu}$", ["Ωa", "Ω1"], ["aΩ", "ΩA"]),
    (r"^\d+$", ["12"], ["٣"]),
    (r"^\w$", ["a", "_", "9"], ["é", "ß"]),
    (r"^\s$", [" ", "\n", "\t"], ["\v", "\u00a0"]),
    (r"(?i)^k$", ["k", "K", "\u212a"], ["q"]),
    (r"^[[:alpha:]]+$", ["abc"], ["é", "a1", "[:alpha:]"]),
    (r"^[[:^digit:][:space:]]$", ["a", " "], ["1"]),
    (r"^\Qa.b\E$", ["a.b"], ["axb"]),
    (r"^\Q(*", ["(*"], ["x(*"]),
    (r"^a\z", ["a"], ["a\n", "ab"]),
    (r"\Aa$", ["a"], ["a\n", "ba"]),
    ("(?m)^a$", ["b\na", "a\nb"], ["ab"]),
    ("^.$", ["é", "😀"], ["\n", ""]),
    ("(?s)^.$", ["\n"], ["ab"]),
    ("(?U)^a+$", ["aaa"], ["b"]),
    (r"^(?P<year>\d{4})-(?<month>\d\d)$", ["2026-11"], ["26-11"]),
    (r"^\x41\x{e9}\101$", ["AéA"], ["A"]),
    ("^x{,5}$", ["x{,5}"], ["xx"]),
    (r"^[\pL\pN]{1,253}$", ["a1", "é"], ["", "-"]),
    (r"\bfoo\b", ["a foo b", "foo"], ["foobar"]),
    ("a", ["bab"], ["b"]),
    ("", ["", "x"], []),
]
REFUSED = [
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("a(?!b)", "invalid or unsupported Perl syntax: `(?!`"),
    ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
    ("(?<!a)b", "invalid named capture: `(?<!a)b`"),
    ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
    ("(?#x)", "invalid or unsupported Perl syntax: `(?#`"),
    (r"(a)\1", r"invalid escape sequence: `\1`"),
    (r"(?P<n>a)(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
    ("(?P<>a)", "invalid named capture: `(?P<>`"),
    (r"a\Z", r"invalid escape sequence: `\Z`"),
    (r"\u00e9", r"invalid escape sequence: `\u`"),
    (r"\C", r"invalid escape sequence: `\C`"),
    (r"[\b]", r"invalid escape sequence: `\b`"),
    (r"\pX", r"invalid character class range: `\pX`"),
    ("[z-a]", "invalid character class range: `z-a`"),
    ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ("[a", "missing closing ]: `[a`"),
    ("(a", "missing closing ): `(a`"),
    ("a)", "unexpected ): `a)`"),
    ("*a", "missing argument to repetition operator: `*`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a++", "invalid nested repetition operator: `++`"),
    ("a{1001}", "invalid repeat count: `{1001}`"),
    ("a{2,1}", "invalid repeat count: `{2,1}`"),
    ("a\\", "trailing backslash at end of expression: ``"),
    ("(?x) a", "invalid or unsupported Perl syntax: `(?x`"),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), MATCHED, ids=[row[0] or "empty" for row in MATCHED])
def test_a_pattern_finds_what_go_finds(pattern, yes, no):
    compiled = compile_pattern(pattern)
    assert [text for text in (*yes, *no) if compiled.found_in(text)] == yes


@pytest.mark.parametrize(("pattern", "why"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_go_refuses_is_refused_in_its_words(pattern, why):
    with pytest.raises(BadPattern) as caught:
        compile_pattern(pattern)
    assert str(caught.value) == f"error parsing regexp: {why}"


async def test_a_definition_of_the_prometheus_operator_is_taken(api):
    await api("POST", DEFINITIONS, yaml.safe_load(CASE))
    about = {"apiVersion": "lab.example/v1", "kind": "P1"}
    path = "/apis/lab.example/v1/namespaces/default/p1s"
    await api("POST", path, {**about, "metadata": {"name": "a"}, "spec": {"v": "ABORT"}})
    code, _, status = await api.refused("POST", path, {**about, "metadata": {"name": "b"}, "spec": {"v": "stop"}})
    assert code == 422
    assert status["message"] == (
        'P1.lab.example "b" is invalid: spec.v: Invalid value: "stop": '
        "spec.v in body should match '^(?i)(abort|warn)?$'"
    )


async def test_a_definition_whose_pattern_looks_ahead_is_refused(api):
    wanted = copy.deepcopy(api.definition())
    schema = wanted["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["note"]["pattern"] = "^(?!x)"
    wanted["metadata"]["name"], wanted["spec"]["names"]["plural"] = "wodgets.example.org", "wodgets"
    _, reason, status = await api.refused("POST", DEFINITIONS, wanted)
    assert reason == "Invalid"
    (cause,) = status["details"]["causes"]
    assert cause["field"] == ("spec.validation.openAPIV3Schema.properties[spec].properties[note].pattern")
    assert cause["message"] == (
        'Invalid value: "^(?!x)": must be a valid regular expression, but isn\'t: '
        "error parsing regexp: invalid or unsupported Perl syntax: `(?!`"
    )
