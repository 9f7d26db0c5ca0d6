"""Views, manifests, timestamps, conditions, and deployment requests."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.conditions import find_condition, with_condition
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.resources.timestamps import format_timestamp, parse_timestamp
from harness.wasmbed.resources.views import Application, Device, Gateway

MODULE = b"\0asm\1\0\0\0"


def test_a_view_reads_camel_case_with_defaults() -> None:
    device = Device(
        {
            "metadata": {"name": "edge-1", "uid": "u", "resourceVersion": "7", "generation": 2, "labels": {"a": "b"}},
            "spec": {"deviceType": "mcu", "capabilities": ["wasm"]},
            "status": {"wasmRuntime": "ready", "lastHeartbeat": None, "deviceMetrics": {"uptime_ms": 5}},
        }
    )
    assert (device.name, device.uid, device.resource_version, device.generation) == ("edge-1", "u", "7", 2)
    assert device.labels == {"a": "b"}
    assert not device.deleting
    assert device.spec.device_type == "mcu"
    assert device.spec.capabilities == ["wasm"]
    assert device.spec.largest_module is None
    assert device.status.wasm_runtime == "ready"
    assert device.status.phase == "Pending"
    assert device.status.last_heartbeat is None
    assert device.status.device_metrics == {"uptime_ms": 5}


def test_an_empty_object_has_a_view() -> None:
    assert Gateway({}).status.connected_devices == 0
    assert Device({}).labels == {}
    assert Application({}).spec.config.entry == "run"
    assert Application({}).finalizers == ()


def test_views_compare_by_what_they_wrap() -> None:
    assert Device({"spec": {}}) == Device({"spec": {}})
    assert Device({}) != Gateway({})
    assert "deviceType" in repr(Device({"spec": {"deviceType": "mcu"}}))


def test_the_status_of_each_device_is_a_view() -> None:
    raw = {"edge-1": {"state": "running", "generation": 3, "deployment": {"session": "s", "attempts": 2}}}
    entries = Application({"status": {"deviceStatuses": raw}}).status.device_statuses
    assert list(entries) == ["edge-1"]
    assert len(entries) == 1
    assert entries["edge-1"].state == "running"
    assert entries["edge-1"].deployment.attempts == 2
    with pytest.raises(KeyError):
        entries["edge-2"]


@pytest.mark.parametrize(
    ("targets", "meant"),
    [
        ({"device_names": ["edge-1"]}, True),
        ({"device_names": ["edge-2"]}, False),
        ({"match_labels": {"site": "lab"}}, True),
        ({"match_labels": {"site": "lab", "floor": "2"}}, False),
        ({"all_devices": True}, True),
    ],
)
def test_targets_know_their_devices(targets, meant) -> None:
    device = Device(
        manifests.device("edge-1", public_key=b"0", device_type="mcu", labels={"site": "lab", "floor": "1"})
    )
    application = Application(manifests.application("blink", module=MODULE, **targets))
    assert application.spec.target_devices.matches(device) is meant


def test_manifests_leave_out_what_was_not_given() -> None:
    device = manifests.device("edge-1", public_key=b"\x30", device_type="mcu", capabilities=["wasm", "tls", "wasm"])
    assert device["spec"] == {"publicKey": "MA==", "deviceType": "mcu", "capabilities": ["wasm", "tls"]}
    assert "labels" not in device["metadata"]
    application = manifests.application("blink", reference="0" * 64, all_devices=True, config={"fuel": 5})
    assert application["spec"] == {
        "wasmRef": "0" * 64,
        "targetDevices": {"allDevices": True},
        "config": {"fuel": 5},
    }
    assert manifests.gateway("gateway-1", endpoint="127.0.0.1:8081", capacity=3)["spec"]["capacity"] == 3


@given(st.floats(min_value=0, max_value=4e9))
def test_timestamps_keep_microseconds(moment) -> None:
    text = format_timestamp(moment)
    assert text.endswith("Z")
    assert len(text) == len("2026-11-21T02:40:00.000000Z")
    assert parse_timestamp(text) == pytest.approx(moment, abs=2e-6)


def test_timestamps_sort_as_text() -> None:
    moments = [0.0, 0.5, 1.0, 999_999_999.999999, 1_700_000_000.0]
    assert sorted(map(format_timestamp, moments)) == list(map(format_timestamp, moments))


def test_other_forms_of_timestamps_are_read() -> None:
    assert parse_timestamp("2023-11-14T22:13:20Z") == 1_700_000_000
    assert parse_timestamp("2023-11-14T23:13:20+01:00") == 1_700_000_000
    with pytest.raises(ValueError, match="without a zone"):
        parse_timestamp("2023-11-14T22:13:20")


def test_a_condition_keeps_the_time_of_its_last_transition() -> None:
    first = with_condition(None, "Ready", True, "Up", now=100.0, generation=1)
    second = with_condition(first, "Ready", True, "StillUp", "fine", now=200.0)
    third = with_condition(second, "Ready", None, "Silent", now=300.0)
    assert [c["lastTransitionTime"] for (c,) in (first, second, third)] == [
        format_timestamp(100.0),
        format_timestamp(100.0),
        format_timestamp(300.0),
    ]
    assert third[0]["status"] == "Unknown"
    assert first[0]["observedGeneration"] == 1


def test_a_condition_leaves_the_others_in_place() -> None:
    conditions = with_condition(with_condition([], "A", True, "X", now=1), "B", False, "Y", now=1)
    changed = with_condition(conditions, "A", False, "Z", now=2)
    assert [condition["type"] for condition in changed] == ["A", "B"]
    assert changed[1] == conditions[1]
    assert find_condition(conditions, "A")["status"] == "True"
    assert find_condition(None, "A") is None


REQUEST = DeploymentRequest(
    module=MODULE, memory=65536, fuel=10, wall_time=20, name="Blink", args=("a",), env={"K": "v"}, generation=4
)


def test_a_decoded_deployment_request_equals_the_encoded_one() -> None:
    assert DeploymentRequest.from_json(json.loads(json.dumps(REQUEST.to_json()))) == REQUEST


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"wasmBytes": None}, "wasmBytes"),
        ({"wasmBytes": "%"}, "wasmBytes"),
        ({"wasmBytes": b64encode(b"other").decode()}, "sha256"),
        ({"limits": []}, "limits"),
        ({"limits": {"memory": 1, "fuel": 1}}, "wallTime"),
        ({"limits": {"memory": True, "fuel": 1, "wallTime": 1}}, "memory"),
        ({"limits": {"memory": -1, "fuel": 1, "wallTime": 1}}, "limits"),
        ({"entry": 5}, "entry"),
        ({"args": [1]}, "args"),
        ({"env": {"K": 1}}, "env"),
        ({"generation": "4"}, "generation"),
    ],
)
def test_an_invalid_deployment_request_names_the_field(change, named) -> None:
    with pytest.raises(ValueError, match=named):
        DeploymentRequest.from_json({**REQUEST.to_json(), **change})


def test_a_deployment_request_is_an_object() -> None:
    with pytest.raises(ValueError, match="must be an object"):
        DeploymentRequest.from_json([])
    with pytest.raises(ValueError, match="limits: missing"):
        DeploymentRequest.from_json({})
