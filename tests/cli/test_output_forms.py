"""``-o``, ``--watch`` and exit codes: what programs read of the commands, in its documented shape."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.main import COMMANDS, run
from harness.cli.shapes import DOCUMENTS
from harness.core.clock import ManualClock
from harness.core.history import History, Kind
from harness.reporting.trend_file import append
from tests.cli.command import Command, Start
from tests.cli.test_up import Platform
from tests.output_shapes import check_shape, output_reference

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("forms"), "--boards=virtual=2")
    try:
        platform.until("2 Connected")
        module = ROOT / "scenarios" / "modules" / "hello.wat"
        assert run(["deploy", str(module), "--to=all", f"--kubeconfig={platform.kubeconfig}"]) == 0
        yield platform
    finally:
        if platform.process.poll() is None:
            platform.end(signal.SIGTERM)


@pytest.fixture
def kubeconfig(platform: Platform) -> str:
    return f"--kubeconfig={platform.kubeconfig}"


def test_the_documented_shapes_are_those_of_the_code() -> None:
    stale = [path.name for path, text in output_reference.files().items() if path.read_text("utf-8") != text]
    assert not stale, "python docs/output_reference.py writes them"
    assert {path.name for path in (ROOT / "docs/reference/output").iterdir()} == {
        path.name for path in output_reference.files() if path.suffix == ".json"
    }


def test_the_documented_commands_are_those_of_the_code() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "command_reference.py"))
    assert page["PAGE"].read_text("utf-8") == page["text"](), "python docs/command_reference.py writes it"


@pytest.mark.parametrize("command", ["status", "devices", "apps", "apps hello"])
def test_resources_have_their_documented_shape(
    command: str, kubeconfig: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert run([*command.split(), "-o", form, kubeconfig]) == 0
        document = read(capsys.readouterr().out)
        check_shape("apps NAME" if command == "apps hello" else command, document)
        assert any(document.values())


@pytest.mark.parametrize("command", ["boards", "doctor"])
def test_what_is_here_has_its_documented_shape(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    check_shape(command, document)
    (rows,) = document.values()
    assert run([command, "-o", "name"]) == 0
    names = [line.partition("/")[2] for line in capsys.readouterr().out.splitlines()]
    assert names == [row["name"] for row in rows]


def test_judgements_have_their_documented_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = History(ManualClock(), tmp_path / "history.jsonl")
    for phase, change in (("Pending", "added"), ("Connected", "modified")):
        data = {"change": change, "name": "a", "status": {"phase": phase}}
        history.record(Kind.STATE, "Kubernetes", "", "Device", data, "a")
    history.close()
    assert run(["check", str(tmp_path), "--sequence=device-enrollment", "-o", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    check_shape("check", document)
    (row,) = document["histories"]
    assert not row["good"]
    assert row["violations"]
    assert [each["sequence"] for each in row["sequences"]] == ["device-enrollment"]
    assert run(["check", str(tmp_path), "-o", "name"]) == 1
    assert capsys.readouterr().out == f"{tmp_path / 'history.jsonl'}\n"


def make_run(reports: Path, name: str, outcome: str) -> None:
    test = reports / name / "test_a"
    test.mkdir(parents=True)
    result = {"name": "test_a", "outcome": outcome, "duration": 1.0, "message": "it broke", "blame": "product"}
    (test / "result.json").write_text(json.dumps(result))


def test_comparisons_and_trends_have_their_documented_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, "2026-11-30T02-00-00-000", "passed")
    make_run(tmp_path, "2026-11-30T03-00-00-000", "failed")
    reports = f"--reports={tmp_path}"
    assert run(["compare", "previous", "latest", "-o", "json", reports]) == 1
    document = json.loads(capsys.readouterr().out)
    check_shape("compare", document)
    assert [change["test"] for change in document["newlyFailing"]] == ["test_a"]
    assert run(["compare", "previous", "latest", "-o", "name", reports]) == 1
    assert capsys.readouterr().out == "test_a\n"
    append(tmp_path / "trend.jsonl", lambda _: {"run": "r-1", "passed": 2, "not_run": 1, "figures": {"x": 0.5}})
    assert run(["trend", "-o", "json", reports]) == 0
    document = json.loads(capsys.readouterr().out)
    check_shape("trend", document)
    assert document["runs"][0]["notRun"] == 1


def test_names_are_a_line_each(kubeconfig: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "-o", "name", kubeconfig]) == 0
    assert capsys.readouterr().out.splitlines() == ["device/virtual-1", "device/virtual-2"]


def test_a_pipe_gets_one_whole_line_a_row_without_colour(
    kubeconfig: str, platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert run(["devices", "-o", "wide", kubeconfig]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    headings = [
        "device",
        "phase",
        "type",
        "gateway",
        "last heartbeat",
        "health",
        "runtime",
        "connected since",
        "labels",
    ]
    assert re.split("  +", heading) == [*headings, "error"]
    assert len(lines) == 2
    assert all(len(line) > 100 and line == line.rstrip() for line in lines)
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["devices", "-o", "wide", kubeconfig]) == 0
    assert all(len(line) <= 60 for line in capsys.readouterr().out.splitlines())


def test_an_unknown_namespace_is_told(kubeconfig: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("status", "devices", "apps"):
        assert run([command, "-n", "wasmbedd", kubeconfig]) == 2
        error = capsys.readouterr().err
        assert "unknown namespace 'wasmbedd'" in error
        assert "did you mean 'wasmbed'?" in error


def kubectl(platform: Platform, *arguments: str) -> None:
    subprocess.run(["kubectl", f"--kubeconfig={platform.kubeconfig}", *arguments], check=True, capture_output=True)


def changes(command: Command) -> list[Any]:
    return [json.loads(line) for line in command.said.splitlines() if line.endswith("}")]


def test_a_watch_prints_each_change_as_it_comes(start: Start, platform: Platform, kubeconfig: str) -> None:
    watching = start("devices", "--watch", "--output=json", kubeconfig)
    watching.until('"virtual-2"')
    kubectl(platform, "label", "device", "virtual-1", "site=roof")
    watching.until('"site": "roof"')
    kubectl(platform, "label", "--overwrite", "device", "virtual-1", "site=cellar")
    watching.until('"site": "cellar"')
    assert watching.end(signal.SIGINT) == 0
    found = changes(watching)
    for change in found:
        check_shape("devices --watch", change)
    assert [change["type"] for change in found[:4]] == ["ADDED", "ADDED", "MODIFIED", "MODIFIED"]


def test_a_watched_table_has_a_row_for_each_change(
    start: Start, platform: Platform, kubeconfig: str, tmp_path: Path
) -> None:
    manifest = '{"apiVersion":"wasmbed.io/v1","kind":"Device","metadata":{"name":"pump-1","namespace":"wasmbed"},'
    manifest += '"spec":{"board":{"kind":"virtual"}}}'
    watching = start("devices", "--watch", kubeconfig)
    watching.until("virtual-2")
    (tmp_path / "device.json").write_text(manifest)
    kubectl(platform, "create", "-f", str(tmp_path / "device.json"))
    watching.until("pump-1     Pending")
    kubectl(platform, "delete", "device", "pump-1", "--wait=false")
    watching.until("pump-1     Deleted")
    assert watching.end(signal.SIGTERM) == 0


def test_watched_counts_and_applications_have_their_documented_shape(start: Start, kubeconfig: str) -> None:
    for command, words in (("status", '"applications"'), ("apps", '"hello"')):
        watching = start(command, "--watch", "-o", "json", kubeconfig)
        watching.until(f"{words}")
        assert watching.end(signal.SIGINT) == 0
        for change in changes(watching):
            check_shape(f"{command} --watch", change)


def test_a_watch_whose_cluster_ends_says_so(start: Start, tmp_path: Path) -> None:
    ending = Platform(tmp_path, "--boards=virtual=1")
    try:
        ending.until("1 Connected")
        watching = start("devices", "--watch", f"--kubeconfig={ending.kubeconfig}")
        watching.until("virtual-1")
    finally:
        ending.end(signal.SIGTERM)
    assert watching.end() == 3
    assert "the connection to the cluster was lost" in watching.said


# exit codes

SHOWING = [command for command in DOCUMENTS if command != "apps NAME"]


@pytest.mark.parametrize("command", SHOWING)
@pytest.mark.parametrize("mistake", ["--no-such-option", "-o xml", "a b c d"])
def test_a_mistake_in_what_is_to_be_shown_is_a_usage_error(
    command: str, mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*command.split(), *mistake.split()]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "Traceback" not in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bug_in_any_command_has_a_promised_exit_code(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, command, ("no_such_module", ""))
    assert run([command]) == 3


@pytest.mark.parametrize("command", ["status", "devices", "apps", "devices --watch", "monitor", "logs x", "stop x"])
def test_a_cluster_that_cannot_be_used_has_a_promised_exit_code(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    cluster = {"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}
    config = {
        "current-context": "a",
        "contexts": [context],
        "clusters": [cluster],
        "users": [{"name": "a", "user": {}}],
    }
    (tmp_path / "refusing").write_text(yaml.safe_dump(config))
    for file, code in (("absent", 2), ("refusing", 3)):
        assert run([*command.split(), f"--kubeconfig={tmp_path / file}"]) == code
        assert "->" in capsys.readouterr().err


# start

HEAVY = {"aiohttp", "kubernetes", "pydantic", "rich", "cryptography", "wasmtime", "uvloop"}


def imported(*arguments: str) -> set[str]:
    """The modules that a command imports."""
    program = (
        "import sys; from harness.cli.main import run; code = run(sys.argv[1:]); print(*sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("command", ["devices", "apps", "status"])
def test_a_list_imports_no_client_and_no_event_loop(command: str, form: str, kubeconfig: str) -> None:
    """They cost more processor time than everything else that the command does."""
    assert not imported(command, "-o", form, kubeconfig) & {*HEAVY, "asyncio"}


@pytest.mark.parametrize("command", [*COMMANDS, "platform status"])
def test_help_imports_nothing_heavy(command: str) -> None:
    assert not imported(*command.split(), "--help") & HEAVY
