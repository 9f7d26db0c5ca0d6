"""``wasmbed up`` and the commands that connect to it."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from harness.cli.cluster import opened
from harness.cli.ending import End
from harness.cli.main import run
from harness.cli.phases import Phases
from harness.cli.platform import _take_down
from harness.core.history import read_history
from harness.core.loop import new_runner
from harness.stack import Stack
from harness.wasmbed.resources.api import ApiError, ResourceApi
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from tests.cli.command import Command

MODULES = Path(__file__).parents[2] / "scenarios" / "modules"


class Platform(Command):
    """A running ``wasmbed up``."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.history = folder / "history"
        places = [f"--kubeconfig={self.kubeconfig}", f"--history={self.history}"]
        super().__init__("up", "--port=0", "--http-port=0", *places, *arguments)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("up"), "--boards=virtual=3")
    try:
        platform.until("3 Connected")
        yield platform
    finally:
        if platform.process.poll() is None:
            platform.end(signal.SIGTERM)


@pytest.fixture(autouse=True)
def kubeconfig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "platform" in request.fixturenames:
        monkeypatch.setenv("KUBECONFIG", str(request.getfixturevalue("platform").kubeconfig))


def test_up_prints_the_addresses(platform: Platform) -> None:
    for words in ("gateway   127.0.0.1:", "HTTP API  http://127.0.0.1:", f"export KUBECONFIG={platform.kubeconfig}"):
        assert words in platform.said


def test_status_and_devices_show_the_fleet(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 0
    output = capsys.readouterr().out
    assert "devices: 3 Connected" in output
    assert "Online" in output
    assert run(["devices", "--kubeconfig", str(platform.kubeconfig)]) == 0
    output = capsys.readouterr().out
    assert [f"virtual-{number}" in output for number in (1, 2, 3)] == [True] * 3
    assert run(["devices", "-n", "default"]) == 0
    assert "no devices in namespace default" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_kubectl_lists_connected_devices(platform: Platform) -> None:
    done = subprocess.run(["kubectl", "get", "devices", "-A"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("Connected") == 3


def test_logs_show_the_boards_console(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["logs", "virtual-1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("on virtual board virtual-1")
    assert any("enrollment: enrolled at gateway-1" in line for line in lines)
    assert run(["logs", "virtual-1", "--tail=1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert run(["logs", "virtual-7"]) == 2
    assert "virtual-1, virtual-2, virtual-3" in capsys.readouterr().err


def test_logs_follow_the_console(platform: Platform) -> None:
    following = Command("logs", "-f", "virtual-3")
    following.until("link: heartbeat answered")
    assert run(["deploy", str(MODULES / "hello.wat"), "--to", "virtual-3", "--name=followed"]) == 0
    following.until("app followed: running")
    assert following.end(signal.SIGINT) == 0


def test_following_ends_with_the_platform(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    platform.until("1 Connected")
    following = Command("logs", "-f", "virtual-1", f"--kubeconfig={platform.kubeconfig}")
    following.until("link: heartbeat answered")
    assert platform.end(signal.SIGTERM) == 0
    assert following.end() == 0, following.said


async def read_log(api: KubernetesApi, tail: int | None = None) -> bytes:
    async with api.log(DEVICE, "virtual-1", tail=tail) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_the_log_is_a_subresource(platform: Platform) -> None:
    api = await KubernetesApi.open("wasmbed", kubeconfig=platform.kubeconfig, name="User")
    try:
        assert b"on virtual board virtual-1" in await read_log(api)
        assert await read_log(api, tail=0) == b""
        with pytest.raises(ApiError, match="tailLines: Invalid value: -1: must be greater than or equal to 0"):
            await read_log(api, tail=-1)
    finally:
        await api.close()


def test_the_monitor_prints_every_phase(platform: Platform) -> None:
    watching = Command("monitor")
    watching.until("device virtual-3: Connected")
    assert run(["deploy", str(MODULES / "idle.wat"), "--to", "virtual-3", "--name=watched"]) == 0
    watching.until("application watched: Running")
    assert "gateway gateway-1: Online" in watching.said
    assert watching.end(signal.SIGINT) == 0


def test_an_application_is_deployed_listed_redeployed_and_stopped(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["deploy", str(MODULES / "hello.wat"), "--to", "all"]) == 0
    assert "application hello: Running, running on 3 of 3 devices" in capsys.readouterr().out
    assert run(["deploy", str(MODULES / "idle.wat"), "--to", "virtual-1", "--name", "hello", "--fuel=1000"]) == 0
    assert "application hello: Running, running on 1 of 1 devices" in capsys.readouterr().out
    assert run(["stop", "hello"]) == 0
    assert "application hello stopped" in capsys.readouterr().out
    assert run(["apps"]) == 0
    assert "Stopped" in capsys.readouterr().out
    assert run(["deploy", str(MODULES / "idle.wat"), "--to", "virtual-1", "--wait=0", "--name=soon"]) == 0
    assert "application soon accepted" in capsys.readouterr().out


def test_one_application_is_shown_on_each_of_its_devices(
    platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["deploy", str(MODULES / "hello.wat"), "--to", "virtual-1,virtual-3", "--name=shown"]) == 0
    assert run(["deploy", str(MODULES / "trap.wat"), "--to", "virtual-2", "--name=broken"]) == 1
    capsys.readouterr()
    assert run(["apps", "shown"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"^shown +Running +2/2 ", output, re.MULTILINE)
    shown = re.findall(r"^(virtual-\d) +running +greeting: hello from a module", output, re.MULTILINE)
    assert shown == ["virtual-1", "virtual-3"]
    assert run(["apps", "broken"]) == 0
    assert re.search(r"^virtual-2 +error +TRAP: ", capsys.readouterr().out, re.MULTILINE)
    assert run(["apps", "shwon"]) == 2
    error = "namespace wasmbed: unknown application 'shwon'\n  -> did you mean 'shown'? known applications: "
    assert error in capsys.readouterr().err
    assert run(["apps", "shown", "-n", "default"]) == 2
    assert "known applications: none; see --namespace" in capsys.readouterr().err


def test_a_failing_module_is_a_product_failure(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", str(MODULES / "trap.wat"), "--to", "virtual-2"]) == 1
    captured = capsys.readouterr()
    assert "application trap: Error" in captured.out
    assert "virtual-2: TRAP" in captured.err


def test_a_device_that_does_not_answer_is_named(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    """A device that is registered and never connects."""
    ghost = {"apiVersion": DEVICE.api_version, "kind": DEVICE.kind, "metadata": {"name": "ghost"}}
    ghost["spec"] = {"publicKey": "AAAA", "deviceType": "mcu", "capabilities": ["wasm", "tls", "cbor"]}

    async def through_api(work: Callable[[ResourceApi], Awaitable[object]]) -> None:
        async with opened(platform.kubeconfig, "wasmbed") as api:
            await work(api)

    with new_runner() as runner:
        runner.run(through_api(lambda api: api.create(DEVICE, ghost)))
        assert run(["deploy", str(MODULES / "idle.wat"), "--to", "ghost", "--wait=0.5", "--name=lonely"]) == 1
        runner.run(through_api(lambda api: api.delete(DEVICE, "ghost")))
    error = capsys.readouterr().err
    assert "application lonely: is " in error
    assert "running on 0 of " in error


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("site=nowhere", "no device has these labels"),
        ("pump", "unknown device pump"),
        ("virtul-2", "did you mean 'virtual-2'? existing devices: virtual-1"),
        ("site==", "invalid choice of devices"),
    ],
)
def test_a_deployment_without_matching_devices_is_refused(
    platform: Platform, capsys: pytest.CaptureFixture[str], to: str, words: str
) -> None:
    assert run(["deploy", str(MODULES / "idle.wat"), "--to", to, "--name=nobody"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--wait=-1", "--memory=-5", "--fuel=0"])
def test_invalid_numbers_are_refused(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert run(["deploy", str(MODULES / "idle.wat"), "--to", "all", option]) == 2
    assert option.split("=")[0] in capsys.readouterr().err


def test_unknown_names_are_usage_errors(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stop", "nobody"]) == 2
    assert "unknown application 'nobody'" in capsys.readouterr().err
    assert run(["deploy", str(MODULES / "idle.wat"), "--to", "virtual-1", "--name=Not_A_Name"]) == 2
    assert "Not_A_Name" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "other", "what"), [("port", "http-port", "TLS"), ("http-port", "port", "HTTP")])
def test_a_port_in_use_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, other: str, what: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["up", f"--{option}={port}", f"--{other}=0", "--kubeconfig", str(tmp_path / "k")]) == 3
    error = capsys.readouterr().err
    assert f"--{option}: cannot listen for {what} at 127.0.0.1:{port}" in error
    assert f"--{option}=N" in error


def test_all_ports_in_use_are_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [one.getsockname()[1], other.getsockname()[1]]
        given = [f"--port={ports[0]}", f"--http-port={ports[1]}", f"--kubeconfig={tmp_path / 'k'}"]
        assert run(["up", *given]) == 3
    error = capsys.readouterr().err
    assert f"cannot listen at 127.0.0.1:{ports[0]} and 127.0.0.1:{ports[1]}" in error
    assert "--port=0 --http-port=0" in error


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--http-port=0"], "--http-port"),
        (["--port=0", "--beat=1"], "--port and --beat"),
        (["--heartbeat=1"], "--heartbeat"),
        (["--boards=virtual"], "--boards"),
    ],
)
def test_options_of_the_platform_are_refused_without_one(
    given: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "--only=cluster", *given]) == 2
    assert f"--only cluster: {named}: without a platform there is nothing to set" in capsys.readouterr().err


def test_no_boards_have_no_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--boards=none=2"]) == 2
    assert "none stands alone and has no count" in capsys.readouterr().err


def test_the_kubeconfig_of_an_existing_cluster_is_read_and_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mine"
    given = ["up", "--cluster=kubeconfig", f"--kubeconfig={place}", "--port=0", "--http-port=0"]
    assert run(given) == 2
    assert str(place) in capsys.readouterr().err
    assert not place.exists()


def test_the_platform_runs_in_a_namespace_of_choice(tmp_path: Path) -> None:
    platform = Platform(tmp_path, "--namespace=team-a")
    platform.until("1 Connected")
    assert "namespace: team-a" in platform.kubeconfig.read_text()
    assert platform.end(signal.SIGINT) == 0


@pytest.mark.parametrize("name", ["Team", "a.b", "../x", "", "-a", "a" * 64])
def test_an_invalid_namespace_is_a_usage_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", f"--namespace={name}"]) == 2
    assert f"--namespace: {name!r} is not a valid name of a namespace" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--boards=toaster"], ["--heartbeat=soon"]])
def test_up_refuses_invalid_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", *arguments]) == 2
    assert "->" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--port", "--http-port"])
def test_an_invalid_port_is_a_usage_error(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", f"{option}=65536"]) == 2
    assert f"'{option}': 65536 is not in the range" in capsys.readouterr().err


def up_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["up", "--port=0", "--http-port=0", f"--kubeconfig={place}"]) == 2
    return capsys.readouterr().err


def test_a_kubeconfig_in_an_absent_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "no" / "such" / "kubeconfig"
    assert f"the folder {place.parent} does not exist" in up_refused(place, capsys)
    assert not (tmp_path / "no").exists()


def test_a_kubeconfig_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / ("k" * 300)
    error = up_refused(place, capsys)
    assert str(place) in error
    assert "cannot be written" in error


def test_another_tools_kubeconfig_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "config"
    place.write_text("current-context: production\n")
    assert "not from wasmbed up" in up_refused(place, capsys)
    assert place.read_text() == "current-context: production\n"


def test_the_kubeconfig_of_a_running_platform_is_not_overwritten(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    written = platform.kubeconfig.read_bytes()
    assert "belongs to a running platform" in up_refused(platform.kubeconfig, capsys)
    assert platform.kubeconfig.read_bytes() == written


def test_the_kubeconfig_of_a_dead_platform_is_replaced_and_removed(tmp_path: Path) -> None:
    crashed = Platform(tmp_path)
    crashed.until("1 Connected")
    crashed.end(signal.SIGKILL)
    left = crashed.kubeconfig.read_bytes()
    platform = Platform(tmp_path)
    platform.until("1 Connected")
    assert platform.kubeconfig.read_bytes() != left
    assert platform.end(signal.SIGTERM) == 0
    assert f"note: {platform.kubeconfig} is from a platform that has ended" in platform.said
    assert not platform.kubeconfig.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_platform_gracefully(tmp_path: Path, number: signal.Signals) -> None:
    platform = Platform(tmp_path)
    platform.until("1 Connected")
    assert platform.end(number) == 0
    assert platform.said.endswith("stopping\nstopped\n")
    assert not platform.kubeconfig.exists()
    events, trouble = read_history(platform.history / "history.jsonl")
    assert not trouble
    assert "Offline" in [(event.data.get("status") or {}).get("phase") for event in events if event.name == "Gateway"]


def test_connecting_boards_do_not_delay_the_end(tmp_path: Path) -> None:
    platform = Platform(tmp_path, "--boards=virtual=200")
    platform.until("export KUBECONFIG")
    assert platform.end(signal.SIGINT) == 0
    *_, stopping, stopped = platform.said.splitlines()
    assert stopped == "stopped"
    assert stopping.startswith("stopping immediately: ")
    assert stopping.endswith("boards were still connecting")
    assert "ENROLLMENT_FAILED" not in platform.said
    assert not read_history(platform.history / "history.jsonl")[1]


async def test_a_second_signal_stops_immediately(capsys: pytest.CaptureFixture[str]) -> None:
    """A second signal during the graceful stop ends it, with the exit code for an interruption."""
    stack, phases = Stack(), Phases()
    await stack.start()
    phases.follow(stack)
    await stack.device(await stack.boards.power_on()).until(phase="Connected", within=50)
    end = End()
    os.kill(os.getpid(), signal.SIGINT)
    await end.stop_requested
    os.kill(os.getpid(), signal.SIGINT)
    await end.stop_now
    assert await _take_down(stack, end, phases) == 130
    assert not stack.gateway.running
    assert capsys.readouterr().out == "stopping\nstopping immediately\nstopped\n"


def test_an_api_server_that_ends_is_reported_and_ends_the_platform(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    platform.until("1 Connected")
    (server,) = Path(f"/proc/{platform.process.pid}/task/{platform.process.pid}/children").read_text().split()
    os.kill(int(server), signal.SIGKILL)
    platform.until("the Kubernetes API server ended by itself (killed by SIGKILL)")
    assert platform.end() == 3
    assert not platform.kubeconfig.exists()


def test_a_platform_with_a_state_folder_goes_on_after_kill_9(tmp_path: Path) -> None:
    """Boards are the same devices, applications run on, and the kubeconfig of before is the one of after."""
    state = f"--state={tmp_path / 'state'}"
    crashed = Platform(tmp_path, "--boards=virtual=2", state)
    crashed.until("2 Connected")
    kubeconfig = crashed.kubeconfig.read_bytes()
    here = f"--kubeconfig={crashed.kubeconfig}"
    assert run(["deploy", str(MODULES / "idle.wat"), "--to", "virtual-1", "--name=kept", here]) == 0
    before = device_ids(crashed)
    crashed.end(signal.SIGKILL)

    platform = Platform(tmp_path, "--boards=virtual=2", state)
    platform.until("2 Connected")
    assert platform.kubeconfig.read_bytes() == kubeconfig
    assert device_ids(platform) == before
    watching = Command("monitor", here)
    watching.until("application kept: Running")
    watching.end(signal.SIGINT)
    assert platform.end(signal.SIGTERM) == 0


def device_ids(platform: Platform) -> dict[str, str]:
    async def listed() -> dict[str, str]:
        async with opened(platform.kubeconfig, "wasmbed") as api:
            devices = (await api.list(DEVICE)).items
        return {device["metadata"]["name"]: device["status"]["deviceId"] for device in devices}

    with new_runner() as runner:
        return runner.run(listed())


def test_a_second_platform_on_a_state_folder_is_refused(tmp_path: Path) -> None:
    state = f"--state={tmp_path / 'state'}"
    (tmp_path / "second").mkdir()
    first = Platform(tmp_path, state, "--boards=none")
    first.until("running")
    second = Platform(tmp_path / "second", state, "--boards=none")
    assert second.end() == 3
    assert f"in use by another wasmbed (process {first.process.pid})" in second.said
    assert f"kill {first.process.pid}" in second.said
    assert first.end(signal.SIGTERM) == 0


def test_a_state_folder_is_for_clusters_without_a_store_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    refused = Platform(tmp_path, f"--state={tmp_path}")
    assert refused.end() == 2
    assert "holds files, but not the state of a cluster" in refused.said
    refused = Platform(tmp_path, f"--state={tmp_path / 'state'}", "--cluster=apiserver")
    assert refused.end() == 2
    assert "a cluster of kind apiserver keeps its state itself" in refused.said
