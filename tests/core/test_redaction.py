"""Secrets in the data of events are replaced by marks, and equal secrets have equal marks."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from harness.core.redaction import LAST_APPLIED, Redaction

SESAME = b64encode(b"sesame").decode()


@pytest.fixture
def redaction() -> Redaction:
    return Redaction(b"a key")


def test_a_mark_is_the_same_for_the_same_secret_and_key(redaction: Redaction) -> None:
    assert redaction.mark("sesame") == redaction.mark(b"sesame") == Redaction(b"a key").mark("sesame")
    assert len({redaction.mark("sesame"), redaction.mark("other"), Redaction(b"b").mark("sesame")}) == 3
    assert redaction.mark("") == ""
    assert redaction.mark("\udc80").startswith("(secret ")


def test_a_token_has_the_same_mark_in_an_enrollment_and_in_its_secret(redaction: Redaction) -> None:
    """The Secret holds it in base64, the message on the link as text."""
    mark = redaction.mark("sesame")
    assert redaction.redact("EnrollmentRequest", {"pairingToken": "sesame", "device": "d"}) == {
        "pairingToken": mark,
        "device": "d",
    }
    data = {"data": {"token": SESAME, "odd": "?"}, "stringData": {"token": "sesame"}, "name": "pairing-d"}
    assert redaction.redact("POST Secret", data) == {
        "data": {"token": mark, "odd": redaction.mark("?")},
        "stringData": {"token": mark},
        "name": "pairing-d",
    }


def operation(path: str, value: Any) -> dict[str, Any]:
    return {"operations": [{"op": "add", "path": path, "value": value}]}


@pytest.mark.parametrize(
    ("path", "value", "redacted"),
    [
        ("/data/token", SESAME, "MARK"),
        ("/data", {"token": SESAME, "a": None}, {"token": "MARK", "a": None}),
        ("/stringData", {"token": "sesame"}, {"token": "MARK"}),
        (
            "",
            {"kind": "Secret", "stringData": {"token": "sesame"}},
            {"kind": "Secret", "stringData": {"token": "MARK"}},
        ),
        ("/data", SESAME, "MARK"),
        ("/data/token/deeper", "sesame", "MARK"),
        ("/data/token", ["sesame"], ["MARK"]),
        ("/metadata/labels/a", "b", "b"),
        (
            "/metadata/annotations/" + LAST_APPLIED.replace("/", "~1"),
            '{"stringData":{"token":"sesame"}}',
            '{"stringData":{"token":"MARK"}}',
        ),
        ("/metadata/annotations", {LAST_APPLIED: "not json sesame"}, {LAST_APPLIED: "OTHER"}),
    ],
)
def test_a_json_patch_of_a_secret_is_redacted(redaction: Redaction, path: str, value: Any, redacted: Any) -> None:
    found = redaction.redact("PATCH Secret", operation(path, value))
    marks = {"MARK": redaction.mark("sesame"), "OTHER": redaction.mark("not json sesame")}
    expected = json.dumps(operation(path, redacted))
    for word, mark in marks.items():
        expected = expected.replace(word, mark)
    assert found == json.loads(expected)


def test_operations_without_a_value_stay_and_other_items_become_marks(redaction: Redaction) -> None:
    remove, copy = {"op": "remove", "path": "/data/a"}, {"op": "copy", "from": "/data/a", "path": "/x"}
    found = redaction.redact("PATCH Secret", {"operations": [remove, "sesame", copy, ["sesame"]]})
    assert found["operations"] == [remove, redaction.mark("sesame"), copy, [redaction.mark("sesame")]]


def test_the_last_applied_annotation_is_redacted_inside(redaction: Redaction) -> None:
    applied = json.dumps({"kind": "Secret", "data": {"token": SESAME}, "metadata": {"name": "s"}})
    found = redaction.redact("PATCH Secret", {"metadata": {"annotations": {LAST_APPLIED: applied, "a": "b"}}})
    annotations = found["metadata"]["annotations"]
    assert annotations["a"] == "b"
    assert json.loads(annotations[LAST_APPLIED])["data"] == {"token": redaction.mark("sesame")}
    long = {"metadata": {"annotations": {LAST_APPLIED: {"size": 5000, "sha256": "00ff"}}}}
    shortened = redaction.redact("PATCH Secret", long)["metadata"]["annotations"][LAST_APPLIED]
    assert shortened == {"size": redaction.mark("5000"), "sha256": redaction.mark("00ff")}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("POST TokenReview", {"spec": {"token": "sesame", "audiences": ["a"]}}),
        ("POST ServiceAccount", {"status": {"token": "sesame"}, "subresource": "token"}),
        ("POST TokenRequest", {"status": {"token": "sesame"}}),
        (
            "PATCH Application",
            {"spec": {"config": {"env": {"API_TOKEN": "sesame", "DB_PASSWORD": "x", "MODE": "fast"}}}},
        ),
        ("Deploy", {"environment": {"apikey": "sesame", "MODE": "fast"}}),
        ("DeployApplication", {"wanted": {"environment": {"apikey": "sesame"}}, "token": "other"}),
    ],
)
def test_other_secret_fields_are_redacted(redaction: Redaction, name: str, data: dict[str, Any]) -> None:
    text = json.dumps(redaction.redact(name, data))
    assert "sesame" not in text
    assert redaction.mark("sesame") in text


def test_every_environment_variable_may_be_a_secret(redaction: Redaction) -> None:
    found = redaction.redact("Deploy", {"environment": {"DSN": "postgres://user:sesame@host", "MODE": "fast"}})
    assert found["environment"] == {
        "DSN": redaction.mark("postgres://user:sesame@host"),
        "MODE": redaction.mark("fast"),
    }


def test_all_other_data_stays_unchanged(redaction: Redaction) -> None:
    for name, data in (
        ("POST ConfigMap", {"data": {"token": "sesame"}}),
        ("Heartbeat", {"status": "ok", "metrics": {"a": 1}}),
        ("PATCH Application", {"spec": {"config": {"env": None}}}),
        ("PATCH Device", {"metadata": {"annotations": {LAST_APPLIED: "{}"}}, "spec": None}),
        ("PATCH Secret", {"data": None, "metadata": None}),
    ):
        assert redaction.redact(name, data) == data
