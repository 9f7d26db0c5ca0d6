"""The two forms of a resource: each translation keeps everything, and the inverse gives it back."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from harness.clusters.gate import read_request
from harness.clusters.mapping import ResourceForm, ResourceMapping
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE
from harness.wasmbed.resources.phases import is_legal

PROGRAM = Resource("iot.example.org", "v1beta1", "programs", "Program")
FORM = ResourceForm(
    APPLICATION,
    PROGRAM,
    (
        (("status", "phase"), ("status", "life", "state")),
        (("status", "error"), ("status", "phase")),
        (("status", "statistics"), ("status", "stats")),
        (("status", "statistics", "target"), ("status", "wanted")),
        (("status", "deviceStatuses"), ("status", "things")),
        (("status", "deviceStatuses", "*", "state"), ("status", "things", "*", "is")),
        (("status", "conditions", "*", "type"), ("status", "conditions", "*", "name")),
        (("spec", "wasmRef"), ("status", "module")),
    ),
    {"Running": "Stopped", "Stopped": "Running"},
)
OURS: dict[str, Any] = {
    "apiVersion": "wasmbed.io/v1",
    "kind": "Application",
    "metadata": {"name": "a", "labels": {"phase": "Running"}},
    "spec": {"wasmRef": "abc", "name": "Running"},
    "status": {
        "phase": "Running",
        "error": None,
        "statistics": {"target": 2, "running": 1},
        "deviceStatuses": {"d1": {"state": "running", "code": "X"}, "d2": {"state": "failed"}},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Slow"}],
    },
}
OWN: dict[str, Any] = {
    "apiVersion": "iot.example.org/v1beta1",
    "kind": "Program",
    "metadata": {"name": "a", "labels": {"phase": "Running"}},
    "spec": {"name": "Running"},
    "status": {
        "life": {"state": "Stopped"},
        "phase": None,
        "stats": {"running": 1},
        "wanted": 2,
        "things": {"d1": {"is": "running", "code": "X"}, "d2": {"is": "failed"}},
        "conditions": [{"name": "Ready", "status": "True"}, {"name": "Slow"}],
        "module": "abc",
    },
}


def test_an_object_has_two_forms() -> None:
    given = deepcopy(OURS)
    assert FORM.to_own(given) == OWN
    assert given == OURS
    given = deepcopy(OWN)
    assert FORM.to_documents(given) == OURS
    assert given == OWN


@pytest.mark.parametrize("patch", [{}, {"status": {}}, {"status": {"phase": None}}, {"metadata": {"name": "a"}}])
def test_a_patch_stays_a_patch(patch: dict[str, Any]) -> None:
    assert FORM.to_documents(FORM.to_own(patch)) == patch


def test_a_field_of_the_system_is_not_taken_for_the_documents_of_that_name() -> None:
    own = {"status": {"things": {"d1": {"is": "failed", "state": "blue"}}, "statistics": "many", "more": 1}}
    assert FORM.to_documents(own) == {"status": {"deviceStatuses": {"d1": {"state": "failed"}}, "more": 1}}


def test_a_phase_of_the_documents_is_not_one_of_the_system() -> None:
    """A gateway that writes the documents' name of a phase has not said that phase."""
    form = ResourceForm(DEVICE, DEVICE, (), {"Connected": "online"})
    phases = {own: form.to_documents({"status": {"phase": own}})["status"]["phase"] for own in ("online", "Connected")}
    assert phases == {"online": "Connected", "Connected": "?Connected"}
    assert not is_legal(DEVICE, "Enrolled", phases["Connected"])


def test_a_json_patch_has_the_documents_paths_and_phases() -> None:
    operations = [
        {"op": "replace", "path": "/status/life/state", "value": "Running"},
        {"op": "add", "path": "/status/things/d1/is", "value": "running"},
        {"op": "move", "from": "/status/stats/running", "path": "/status/wanted"},
        {"op": "add", "path": "/status", "value": {"life": {"state": "Stopped"}}},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "/status/life/state", "value": ["Stopped"]},
        "remove",
    ]
    assert FORM.operations_to_documents(operations) == [
        {"op": "replace", "path": "/status/phase", "value": "Stopped"},
        {"op": "add", "path": "/status/deviceStatuses/d1/state", "value": "running"},
        {"op": "move", "from": "/status/statistics/running", "path": "/status/statistics/target"},
        {"op": "add", "path": "/status", "value": {"phase": "Running"}},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "/status/phase", "value": ["Stopped"]},
        "remove",
    ]


def test_a_field_selector_has_the_systems_names() -> None:
    assert FORM.field_selector("") == ""
    assert FORM.field_selector("metadata.name=a,status.phase!=Running") == "metadata.name=a,status.life.state!=Stopped"
    assert FORM.field_selector("status.phase==Failed") == "status.life.state=Failed"


def test_requests_are_recorded_in_the_documents_form() -> None:
    mapping = ResourceMapping([FORM, ResourceForm(DEVICE, DEVICE)])
    assert [form.own for form in mapping.forms] == [PROGRAM]
    data = {"code": 200, "namespace": "n", "name": "a", "subresource": "status", "status": {"wanted": 1}}
    told = mapping.recorded("PATCH Program", data, "")
    assert told == ("PATCH Application", {**data, "status": {"statistics": {"target": 1}}}, "a")
    other = ("POST Secret", {"name": "s"}, "")
    assert mapping.recorded(*other) == other


def test_a_gate_learns_of_types_that_the_platform_does_not_know() -> None:
    asked = read_request("PATCH", "/apis/iot.example.org/v1beta1/namespaces/n/programs/a/status", {})
    assert asked is not None
    found = ResourceMapping([FORM]).form_at(asked.resource)
    assert found is FORM
    assert (asked.verb, asked.name) == ("patch_status", "a")
    assert read_request("GET", "/apis/iot.example.org/v1beta1", {}) is None
