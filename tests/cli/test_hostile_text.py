"""Every command escapes text from devices, clusters, histories and runs for the terminal."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from harness.cli.main import run
from harness.cli.monitor import _Lines
from harness.cli.monitor_picture import Chosen, picture
from harness.core.history import Event, Kind
from harness.core.logs import get_log

HOSTILE = "X\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\x85\u2028\u200f\u202e\u2066\ufeff\rY"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
ESCAPED = "X\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\x7f\\x85\\u2028\\u200f\\u202e\\u2066\\ufeff\\rY"


def check(*outputs: str) -> None:
    """Assert that the hostile text was shown, and only escaped."""
    text = "".join(outputs)
    assert not RAW.findall(text), repr(text)
    shown = re.sub(r"\s", "", text).replace("\\r", "")  # a console's carriage return ends a line
    assert ESCAPED.replace("\\r", "") in shown, text


def test_the_check_finds_unescaped_text() -> None:
    assert set(RAW.findall(HOSTILE)) == set(HOSTILE) - set("XY]0;owned[2J31m")


# a cluster with hostile text


def made(kind: str, name: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "uid": name, "resourceVersion": "5", "generation": 1, "labels": {HOSTILE: HOSTILE}}
    return {"apiVersion": "wasmbed.io/v1", "kind": kind, "metadata": metadata, "spec": spec, "status": status}


OUTPUT = [{"topic": HOSTILE, "payload": HOSTILE}]
ENTRY = {"state": HOSTILE, "error": HOSTILE, "code": HOSTILE, "output": OUTPUT}
CONDITION = {"type": HOSTILE, "status": "False", "reason": HOSTILE, "message": HOSTILE}
OBJECTS = {
    "gateways": made("Gateway", HOSTILE, {"endpoint": HOSTILE}, {"phase": HOSTILE}),
    "devices": made(
        "Device", HOSTILE, {"deviceType": HOSTILE}, {"phase": HOSTILE, "gateway": HOSTILE, "error": HOSTILE}
    ),
    "applications": made(
        "Application",
        HOSTILE,
        {"name": HOSTILE},
        {
            "phase": "Error",
            "error": HOSTILE,
            "observedGeneration": 1,
            "statistics": {"target": 1},
            "deviceStatuses": {HOSTILE: ENTRY},
            "conditions": [CONDITION],
        },
    ),
}


class Server(ThreadingHTTPServer):
    """Commands end while an answer is on its way, which is nothing to report."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Hostile(BaseHTTPRequestHandler):
    """An API server whose every text is hostile."""

    protocol_version = "HTTP/1.1"
    refuses = False

    def log_message(self, *arguments: object) -> None: ...

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        parts = path.strip("/").split("/")
        kind = next(part for part in parts if part in OBJECTS)
        item = json.loads(json.dumps(OBJECTS[kind]))
        if name := re.search(r"metadata\.name%3D(\w+)", query):  # a request for one object by name
            item["metadata"]["name"] = name[1]
        if parts[-1] == "log":
            self.answer(HOSTILE.encode())
        elif "watch=true" in query:
            self.answer(json.dumps({"type": "ADDED", "object": item}).encode() + b"\n")
        elif parts[-1] == kind:
            listed = {"kind": "List", "metadata": {"resourceVersion": "5"}, "items": [item]}
            self.answer(json.dumps(listed).encode())
        else:
            self.answer(json.dumps(OBJECTS[kind]).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if Hostile.refuses:
            status = {"kind": "Status", "message": HOSTILE, "reason": HOSTILE}
            self.answer(json.dumps(status).encode(), code=403)
        else:
            self.answer(json.dumps(OBJECTS["applications"]).encode())

    do_PATCH = do_POST

    def answer(self, body: bytes, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    server = Server(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = tmp_path_factory.mktemp("hostile") / "kubeconfig"
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
        "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
    }
    path.write_text(yaml.safe_dump(config))
    yield path
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "2000")


MODULE = Path(__file__).parents[2] / "scenarios" / "modules" / "idle.wat"


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["devices"],
        ["apps"],
        ["apps", "x"],
        ["deploy", str(MODULE), "--to=all", "--wait=60"],
        ["deploy", str(MODULE), "--to=x=y"],
        ["deploy", str(MODULE), "--to=pump"],
        ["stop", "x", "--wait=0.5"],
        ["logs", "x"],
        ["logs", "-f", "x"],
    ],
    ids=" ".join,
)
def test_text_from_a_cluster_is_escaped(
    command: list[str], kubeconfig: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run([*command, f"--kubeconfig={kubeconfig}"])
    check(*capfd.readouterr())


def test_a_clusters_error_is_escaped(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Hostile, "refuses", True)
    assert run(["deploy", str(MODULE), "--to=all", f"--kubeconfig={kubeconfig}"]) == 3
    check(*capfd.readouterr())


def test_text_in_the_monitor_is_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    written = StringIO()
    console = Console(file=written, width=2000, highlight=False)
    gateway, device, application = OBJECTS.values()
    chosen = Chosen(HOSTILE, filter=HOSTILE, notice=HOSTILE)
    console.print(picture([gateway], [device], [application], 2000, 50, chosen, HOSTILE, HOSTILE))
    check(written.getvalue())
    chosen.console = HOSTILE
    chosen.lines.append(HOSTILE)
    console.print(picture([], [], [], 2000, 50, chosen))
    check(written.getvalue())
    _Lines().changed("Device", HOSTILE, None, device)
    check(*capfd.readouterr())


# records with hostile text


def event(number: int, kind: Kind, source: str, target: str, name: str, data: dict[str, Any], about: str) -> str:
    return Event(float(number), number, kind, source, target, name, data, about).to_json() + "\n"


def history(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    change = {"change": "added", "name": HOSTILE, "status": {"phase": HOSTILE}}
    lines = [
        event(0, Kind.STATE, "Kubernetes", "", "Device", change, HOSTILE),
        event(1, Kind.MESSAGE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE),
        event(2, Kind.MESSAGE, "Device", "Gateway", "TlsConnected", {"device": HOSTILE, "certificate": 1}, HOSTILE),
        event(3, Kind.MESSAGE, "Gateway", "Device", "Error", {"device": HOSTILE, "code": HOSTILE}, HOSTILE),
    ]
    (folder / "history.jsonl").write_text("".join(lines), encoding="utf-8", errors="surrogatepass")
    return folder / "history.jsonl"


def run_folder(reports: Path, name: str, outcome: str) -> Path:
    folder = reports / name
    history(folder / "test")
    result = {"test": f"test_{HOSTILE}", "outcome": outcome, "message": HOSTILE, "blame": HOSTILE, "duration": 1.0}
    (folder / "test" / "result.json").write_text(json.dumps(result))
    (folder / "index.html").write_text("")
    return folder


@pytest.mark.parametrize(
    "options", [[], ["--sequence=certificate-invalid"], ["--sequence=certificate-invalid", "--only=x"]]
)
def test_text_from_a_history_is_escaped(tmp_path: Path, options: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(history(tmp_path / HOSTILE)), *options]) == 1
    check(*capfd.readouterr())


def test_a_recorded_diagram_is_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = [
        event(number, Kind.MESSAGE, "Gateway", "Device", "Error", {"device": device, "code": HOSTILE}, device)
        for number, device in enumerate((HOSTILE, f"{HOSTILE}2", "quiet"))
    ]
    lines.append(event(3, Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {"device": "quiet"}, "quiet"))
    (tmp_path / "history.jsonl").write_text("".join(lines))
    assert run(["sequences", "record", str(tmp_path / "history.jsonl"), "--about=device"]) == 0
    output = capfd.readouterr().out
    assert not RAW.findall(output), repr(output)
    assert "owned" in output


def test_an_invalid_event_is_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "history.jsonl").write_text(json.dumps({"at": HOSTILE}) + "\n")
    assert run(["check", str(tmp_path / "history.jsonl")]) == 2
    output = "".join(capfd.readouterr())
    assert not RAW.findall(output), repr(output)
    assert "its 'at' is 'X" in output


def test_text_from_runs_is_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reports = tmp_path / "reports"
    run_folder(reports, "2026-01-01T00-00-00-000", "passed")
    run_folder(reports, "2026-01-02T00-00-00-000", "failed")
    for options in (["--test=test"], []):
        run(["compare", "previous", "latest", f"--reports={reports}", *options])
        output = "".join(capfd.readouterr())
        assert not RAW.findall(output), repr(output)
    check(output)
    row = {"run": HOSTILE, "boards": [HOSTILE], "flaky_tests": [HOSTILE], "figures": {HOSTILE: 1.0}, "passed": 1}
    (reports / "trend.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({HOSTILE: 1}) + "\n")
    assert run(["trend", f"--reports={reports}"]) == 0
    check(*capfd.readouterr())
    assert run(["trend", f"--reports={reports}", "--output=json"]) == 0
    output = capfd.readouterr().out
    assert not RAW.findall(output), repr(output)
    assert json.loads(output)["runs"][0]["boards"] == [HOSTILE]


def test_text_from_a_diagram_is_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inline = HOSTILE.replace("\r", "")
    file = tmp_path / "flow.md"
    file.write_text(f"# {inline}\n```mermaid\nsequenceDiagram\n  participant {inline}\n  what {inline}\n```\n")
    file.write_text(
        file.read_text() + f"# {inline}\n```mermaid\nsequenceDiagram\n  actor A as {inline}\n  A->>B: x\n```\n"
    )
    for option in ([], ["--json"]):
        assert run(["sequences", "parse", str(file), *option]) == 2
        output = "".join(capfd.readouterr())
        assert not RAW.findall(output), repr(output)
        assert "owned" in output


def test_text_from_a_recording_is_escaped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        facts = {"board": HOSTILE, "kind": HOSTILE, "program": HOSTILE, "link": 0, "image": HOSTILE}
        (tmp_path / number / "recording.json").write_text(json.dumps(facts))
    for arguments in ([str(tmp_path)], [str(tmp_path), "--board=x"], [str(tmp_path / "1")]):
        assert run(["replay", *arguments]) == 2
        check(*capfd.readouterr())


def test_names_of_removed_files_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reports = tmp_path / HOSTILE
    for day in ("1", "2"):
        run_folder(reports, f"2020-01-0{day}T00-00-00-000", "passed")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run(["clean", f"--reports={reports}", "--keep=1"]) == 0
    check(*capfd.readouterr())


# logs


def test_a_log_record_is_one_escaped_line(caplog: pytest.LogCaptureFixture) -> None:
    log = get_log("harness.test")
    handler = logging.StreamHandler(StringIO())
    log.addHandler(handler)
    try:
        log.warning("device %s: %s\nforged", HOSTILE, ValueError(HOSTILE))
        log.warning("%d devices", 3)
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception("failed for %s", HOSTILE)
    finally:
        log.removeHandler(handler)
    first, second, third, *trace = handler.stream.getvalue().splitlines()
    assert first == f"device {ESCAPED}: {ESCAPED}\\nforged"
    assert (second, third) == ("3 devices", f"failed for {ESCAPED}")
    assert trace[-1] == f"ValueError: {ESCAPED}"
    assert caplog.records[1].args == (3,), "what needs no escaping keeps its template"
