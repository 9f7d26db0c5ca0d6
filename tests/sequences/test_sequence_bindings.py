"""Labels, fields and the binding table: what an arrow means, and what is wrong with one that means nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.sequences import catalogue, judge, load, load_text
from harness.sequences.bindings import PARTICIPANTS, Subject, bind, event_types
from harness.sequences.labels import Label, duration, read_label


@pytest.mark.parametrize(
    "text",
    [
        "Heartbeat",
        "PATCH Device (status.phase = Connected)",
        'PATCH Device (status.error = "Connection lost, or so", status.phase != Failed)',
        "Error (code = DUPLICATE_DEVICE | GATEWAY_FULL, retryAfter)",
        "PATCH Device (status.lastHeartbeat = null, no status.phase)",
        "DeploymentResult (ok = true, metrics.fuel_used = 30)",
        'TlsConnected (certificate.serial = "123")',
    ],
)
def test_a_label_is_written_as_it_is_read(text: str) -> None:
    label = read_label(text)
    assert read_label(str(label)) == label


def test_only_the_first_line_of_a_label_counts() -> None:
    assert read_label("Heartbeat<br/>every 30 s (or so)") == Label("Heartbeat")
    assert read_label("PATCH Device (status.error = #quot;a#59; b#quot;)").conditions[0].values == ("a; b",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid label"),
        ("Error (code", "invalid label"),
        ("Error (code) now", "invalid label"),
        ("Error ()", "invalid condition"),
        ("Error (code =)", "invalid condition"),
        ("Error (no code = X)", "invalid condition"),
        ("Error (code > 3)", "invalid condition"),
        ("Error (code, , message)", "invalid condition"),
    ],
)
def test_a_label_that_says_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_label(text)


@pytest.mark.parametrize(
    ("condition", "data", "holds"),
    [
        ("a = 1", {"a": 1}, True),
        ("a = 1", {"a": "1"}, False),
        ('a = "1"', {"a": "1"}, True),
        ("a = true", {"a": True}, True),
        ("a = true", {"a": 1}, False),
        ("a = 1", {"a": True}, False),
        ("a = null", {"a": None}, True),
        ("a = null", {}, False),
        ("a = x | y", {"a": "y"}, True),
        ("a != x | y", {"a": "y"}, False),
        ("a != x", {"a": "z"}, True),
        ("a != x", {}, False),
        ("a = x", {"a": ["w", "x"]}, True),
        ("a", {"a": 0}, True),
        ("a", {"a": None}, False),
        ("no a", {}, True),
        ("no a", {"a": None}, False),
        ("a.b = x", {"a": {"b": "x"}}, True),
        ("a.b = x", {"a": "x"}, False),
        ("no a.b", {"a": "x"}, True),
        ("a.{device}.b = x", {"a": {"board-1": {"b": "x"}}}, True),
        ("a.{device}.b = x", {"a": {"board-2": {"b": "x"}}}, False),
    ],
)
def test_when_a_condition_holds(condition: str, data: dict[str, object], holds: bool) -> None:
    (read,) = read_label(f"Event ({condition})").conditions
    assert read.holds(data, "board-1") is holds


@pytest.mark.parametrize(("text", "value"), [("30s", 30_000), ("1.5 min", 90_000), ("500ms", 500), ("2h", 7_200_000)])
def test_a_duration_is_milliseconds(text: str, value: float) -> None:
    assert duration(text) == value
    assert duration("soon") is None


def test_a_time_is_compared_in_the_fields_own_unit() -> None:
    _, label = bind("Gateway", "Device", read_label("EnrollmentResponse (heartbeatInterval = 30s)"))
    assert label.conditions[0].holds({"heartbeatInterval": 30_000}, "")


@pytest.mark.parametrize(
    ("source", "target", "text", "what", "do"),
    [
        ("Gatway", "Device", "Error", "unknown participant 'Gatway'", "did you mean Gateway"),
        ("Gateway", "Device", "EnrolmentResponse", "no event called", "did you mean EnrollmentResponse?"),
        ("Device", "Gateway", "EnrollmentResponse", "no event called", "EnrollmentResponse goes Gateway->>Device"),
        ("Device", "Dds", "Anything", "no event called", "there are no events in this direction"),
        ("Gateway", "Device", "Error (cod = X)", "no field 'cod'", "did you mean code"),
        ("Device", "Gateway", "Heartbeat (metrics.a.b)", "no field 'metrics.a.b'", "did you mean"),
        ("Gateway", "Device", "Error (code = CERTIFICAT_INVALID)", "is never", "did you mean CERTIFICATE_INVALID"),
        ("Gateway", "Kubernetes", "PATCH Device (status.phase = Conected)", "is never 'Conected'", "Connected"),
        ("Device", "Gateway", "DeploymentResult (ok = yes)", "'ok' is never 'yes'", "false or true"),
        ("Gateway", "Device", "EnrollmentResponse (heartbeatInterval = soon)", "is a time", "30s"),
        ("Gateway", "Device", "Deploy (name = 30s)", "", ""),
        ("User", "Kubernetes", "POST Application (spec.config.memoryLimt = 1)", "no field", "spec.config.memoryLimit"),
        (
            *("Gateway", "Kubernetes", "PATCH Application (status.deviceStatuses.{device}.stat = running)"),
            *("no field", "status.deviceStatuses.*.state"),
        ),
        ("User", "Kubernetes", "POST Secret (metadata.labels.anything = x)", "", ""),
    ],
)
def test_what_does_not_bind_is_told_with_a_suggestion(source: str, target: str, text: str, what: str, do: str) -> None:
    if not what:
        assert bind(source, target, read_label(text))
        return
    with pytest.raises(UsageError) as error:
        bind(source, target, read_label(text))
    assert what in error.value.what
    assert do in (error.value.do or "")


def test_the_table_knows_every_frame_request_and_watch() -> None:
    table = event_types()
    assert ("Device", "Gateway", "EnrollmentRequest") in table
    assert ("Gateway", "Device", "ModuleChunk") in table
    assert ("DeviceController", "Kubernetes", "PATCH Device") in table
    assert ("Kubernetes", "ApplicationController", "ADDED Application") in table
    assert table["Device", "Gateway", "RuntimeFault"].subject is Subject.APPLICATION
    assert table["Gateway", "Kubernetes", "PUT Lease"].subject is None
    assert {row.source for row in table.values()} | {row.target for row in table.values()} <= set(PARTICIPANTS)


def test_every_flow_of_the_project_loads_and_says_its_state() -> None:
    flows = {flow.name: flow for flow in catalogue().flows}
    assert {name for name, flow in flows.items() if flow.pending} == {"px4-communication"}
    assert "not built yet" in flows["px4-communication"].pending
    assert flows["device-enrollment"].subject is Subject.DEVICE
    assert flows["execution-on-device"].subject is Subject.APPLICATION
    assert flows["device-enrollment"].title == "Device enrollment with a certificate"


def test_a_sequence_is_found_by_name_file_and_folder(tmp_path: Path) -> None:
    file = tmp_path / "mine.mmd"
    file.write_text("sequenceDiagram\nDevice->>Gateway: Heartbeat\n")
    assert load("mine", tmp_path).name == load(file).name == load(str(file)).name == "mine"
    assert load("parts/closed").name == "closed"
    assert [flow.name for flow in catalogue(tmp_path).flows] == ["mine"]
    with pytest.raises(UsageError, match="there is no sequence 'device-enrolment'") as error:
        load("device-enrolment")
    assert "did you mean device-enrollment" in (error.value.do or "")
    with pytest.raises(UsageError, match="there is no sequence") as error:
        load("zzz", tmp_path)
    assert "application-deployment" in (error.value.do or "")
    assert "mine" in (error.value.do or "")
    (tmp_path / "latin.mmd").write_bytes(b"sequenceDiagram\nA->>B: \xe9")
    with pytest.raises(UsageError, match="not UTF-8"):
        load("latin", tmp_path)


def test_own_sequences_stand_beside_those_of_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "scenarios" / "sequences"
    own.mkdir(parents=True)
    (own / "pump.mmd").write_text("sequenceDiagram\nNote over Device,Gateway: ref device-enrollment\n")
    (own / "runtime-error.mmd").write_text("sequenceDiagram\nDevice->>Gateway: RuntimeFault\n")
    monkeypatch.chdir(tmp_path)
    flows = {flow.name: flow for flow in catalogue().flows}
    assert {"pump", "device-enrollment"} <= flows.keys()
    assert len(flows["pump"].arrows) == len(load("device-enrollment").arrows)
    assert len(flows["runtime-error"].arrows) == 1


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ("Device->>Gateway: Heartbeat\nDevice->>Gateway: Heartbeet", ":3:19", "no event called 'Heartbeet'"),
        ("Device->>Gateway: Heartbeat (", ":2:19", "invalid label"),
        ("  Device-xGateway: Heartbeat", ":2:3", "an arrow -x has no clear direction"),
        ("Device<<->>Gateway: Heartbeat", ":2:1", "an arrow <<->> has no clear direction"),
        ("Device->>Gatewy: Heartbeat", ":2:1", "unknown participant 'Gatewy'"),
        ("loop (often)\nDevice->>Gateway: Heartbeat\nend", ":2", "invalid number of turns of a loop"),
        ("loop (3..2)\nDevice->>Gateway: Heartbeat\nend", ":2", "invalid number of turns of a loop"),
        ("loop (0)\nDevice->>Gateway: Heartbeat\nend", ":2", "invalid number of turns of a loop"),
        ("Note over Device: within 5s\nDevice->>Gateway: Heartbeat", ":2", "before the first arrow"),
        ("Device->>Gateway: Heartbeat\nNote over Device: within a while", ":3", "invalid time limit"),
        ("Device->>Gateway: Heartbeat\nNote over Device: within 5s", ":3", "no arrow after it"),
        ("Note over Device: ref nowhere-to-be-found", ":2", "there is no sequence"),
        ("Device->>Gateway: Heartbeat\n" + "opt\n" * 70 + "end\n" * 70, ":63", "nested more than 60 deep"),
        ("Note over Device: nothing to judge", "", "no arrow to judge"),
    ],
)
def test_a_sequence_that_cannot_be_judged_does_not_load(body: str, place: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        load_text(f"sequenceDiagram\n{body}", "flow", file="flow.mmd")
    assert error.value.where == f"flow.mmd{place}"


def test_references_in_a_circle_are_told(tmp_path: Path) -> None:
    arrow = "Device->>Gateway: Heartbeat"
    for name, other in (("one", "two"), ("two", "three"), ("three", "one")):
        (tmp_path / f"{name}.mmd").write_text(f"sequenceDiagram\n{arrow}\nNote over Device: ref {other}\n")
    with pytest.raises(UsageError, match="in a circle: one -> two -> three -> one") as error:
        load("one", tmp_path)
    assert error.value.where == f"{tmp_path / 'three.mmd'}:3"
    (tmp_path / "self.mmd").write_text(f"sequenceDiagram\n{arrow}\nNote over Device: ref self\n")
    with pytest.raises(UsageError, match="in a circle: self -> self"):
        load("self", tmp_path)


def test_an_error_in_a_referred_diagram_names_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "part.mmd").write_text("sequenceDiagram\nDevice->>Gateway: Nothing\n")
    (tmp_path / "whole.mmd").write_text("sequenceDiagram\nNote over Device: ref part\n")
    with pytest.raises(UsageError, match="no event called 'Nothing'") as error:
        load("whole", tmp_path)
    assert error.value.where == f"{tmp_path / 'part.mmd'}:2:19"


def test_references_that_multiply_or_go_too_deep_are_refused(tmp_path: Path) -> None:
    text = "sequenceDiagram\nDevice->>Gateway: Heartbeat\n"
    for number in range(61):
        reference = f"Note over Device: ref twice-{number + 1}\n"
        (tmp_path / f"twice-{number}.mmd").write_text(text + (reference * 2 if number < 30 else ""))
        (tmp_path / f"deep-{number}.mmd").write_text(text + reference.replace("twice", "deep"))
    (tmp_path / "deep-61.mmd").write_text(text)
    with pytest.raises(UsageError, match="more than 50000 arrows, including those of its references"):
        load("twice-0", tmp_path)
    with pytest.raises(UsageError, match="nested more than 60 deep"):
        load("deep-0", tmp_path)
    assert len(load("deep-2", tmp_path).arrows) == 60


def test_a_flow_about_callers_has_only_events_that_name_one() -> None:
    asks = "sequenceDiagram\n  User->>ApiServer: compile\n"
    assert load_text(asks, "asks").subject is Subject.CALLER
    with pytest.raises(UsageError, match="POST Application from ApiServer to Kubernetes names no caller"):
        load_text(f"{asks}  ApiServer->>Kubernetes: POST Application\n", "makes")


def test_each_caller_has_a_flow_of_its_own(build: Any) -> None:
    text = "sequenceDiagram\n  User->>ApiServer: listDevices\n  ApiServer->>User: listDevices (code = 200)\n"
    lines = "User->>ApiServer: listDevices\nApiServer->>User: listDevices (code = 200)"
    one, other = build.history(lines, "one"), build.history(lines, "other")
    woven = [one[0], other[0], one[1], other[1]]
    events = [replace(event, n=number, at=number / 100) for number, event in enumerate(woven)]
    verdict = judge(load_text(text, "asks"), events)
    assert verdict.ok
    assert [each.instance.name for each in verdict.instances] == ["one", "other"]
