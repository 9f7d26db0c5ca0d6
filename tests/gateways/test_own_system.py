"""A system whose resource types are its own is judged as any other: judges and waits see the documents' form."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import run
from harness.clusters.embedded import EmbeddedCluster
from harness.core.errors import ProductFailure, UsageError
from harness.core.history import History, Kind
from harness.stack import Stack
from harness.stack.backends import lacking
from harness.stack.options import StackOptions
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import DEVICE
from tests.gateways.commands import described
from tests.gateways.go_gateway import with_go_gateway
from tests.gateways.own_system import GROUP, write_form, write_system
from tests.processes import PYTEST

THING = Resource(GROUP, "v1beta1", "things", "Thing")


@pytest.fixture
def process(tmp_path: Path) -> StackOptions:
    """The same gateway as a program."""
    write_system(tmp_path)
    return described(tmp_path, 'kind = "process"\nsystem = "system.toml"\n')


@pytest.fixture
def reference(tmp_path: Path) -> StackOptions:
    """The reference gateway on that system's resources."""
    write_system(tmp_path)
    return described(tmp_path, 'kind = "reference"\nsystem = "system.toml"\n')


@pytest.mark.parametrize(
    ("kind", "cluster"), [("reference", "embedded"), ("reference", "embedded-process"), ("process", "embedded")]
)
async def test_this_projects_gateway_works_with_its_resources(
    kind: str, cluster: str, request: pytest.FixtureRequest
) -> None:
    options: StackOptions = request.getfixturevalue(kind)
    async with Stack(options.replace(cluster=cluster)) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running")
        stored = await stack.cluster.client("Test").get(THING, device.name)
        assert stored["status"]["state"] == "online"
        assert "phase" not in stored["status"]
        assert stored["status"]["identity"]["uuid"] == device.status.device_id
        assert [each["metadata"]["name"] for each in (await stack.api.list(DEVICE)).items] == [device.name]
        stack.history.follows("application-deployment")
        await board.power_off()
        await stack.device(board).until(phase="Disconnected")
        stack.history.follows("device-enrollment")
        assert stack.history.find("MODIFIED Device", target="DeviceController", about=board.name)
        stack.judge()
        assert own_words(stack.history) == []


async def test_a_foreign_gateway_that_writes_them_is_judged(tmp_path: Path) -> None:
    """It has the names from a file of its own; its requests and watch events are in the history as the documents'."""
    write_system(tmp_path)
    options = with_go_gateway(tmp_path, "-form", str(write_form(tmp_path)), system="system.toml")
    async with Stack(options) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        assert stack.history.phases(board.name) == ["Pending", "Enrolling", "Enrolled", "Connected"]
        written = stack.history.find("PATCH Device", source="Gateway", about=board.name, subresource="status")
        assert "Connected" in [event.data["status"].get("phase") for event in written]
        assert stack.history.find("ADDED Device", target="Gateway", about=board.name)
        with stack.api_faults.failing("patch_status", client="Gateway", kind="Device", times=1) as fault:
            await board.power_off()
            await fault.reached.wait()
        stack.history.follows("device-enrollment")
        stack.judge()
        assert own_words(stack.history) == []


async def test_its_planted_defect_is_blamed_on_it(tmp_path: Path) -> None:
    write_system(tmp_path)
    options = with_go_gateway(tmp_path, "-form", str(write_form(tmp_path)), "-optimistic", system="system.toml")
    async with Stack(options) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        with pytest.raises(ProductFailure, match=r"x seen +Gateway->>Device: EnrollmentResponse") as caught:
            stack.history.follows("device-enrollment")
        assert caught.value.party == "gateway"


def own_words(history: History) -> list[str]:
    """The events that have a word of the system's own form, except the definitions that the harness installs."""
    told = [event for event in history if event.kind in (Kind.MESSAGE, Kind.STATE) and event.source != "Harness"]
    words = re.compile(r"\b(Thing|Program|Hub|things|joining|joined|online|offline|identity|chip)\b")
    return [event.to_json() for event in told if words.search(event.to_json())]


async def test_commands_show_its_resources(
    reference: StackOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the gateway's name they read through the same translation; without it they find nothing."""
    monkeypatch.chdir(tmp_path)
    async with Stack(reference) as stack:
        board = await stack.boards.power_on(name="meter")
        assert isinstance(stack.cluster, EmbeddedCluster)
        stack.cluster.serve_logs({"meter": board.console}.get)
        await stack.device(board).until(phase="Connected")
        await (await stack.deploy("hello", to=board)).until(phase="Running")
        await stack.cluster.write_kubeconfig(tmp_path / "kubeconfig")
        at = ["--kubeconfig", str(tmp_path / "kubeconfig")]
        shown = {}
        for words in (["devices"], ["apps"], ["status"]):
            assert await asyncio.to_thread(run, [*words, *at, "--gateway=mine"]) == 0
            shown[words[0]] = capsys.readouterr().out
        assert re.search(r"meter +Connected", shown["devices"])
        assert re.search(r"hello-1 +Running +1/1", shown["apps"])
        assert re.search(r"gateway-1 +Online", shown["status"])
        logs = [sys.executable, "-P", "-m", "harness.cli", "logs", *at, "--gateway=mine"]
        told = await asyncio.to_thread(subprocess.run, [*logs, "meter"], capture_output=True, text=True, check=True)
        assert "connecting to" in told.stdout
        told = await asyncio.to_thread(subprocess.run, [*logs, "other"], capture_output=True, text=True, check=False)
        assert "existing devices: meter" in told.stderr
        assert await asyncio.to_thread(run, ["devices", *at]) == 0
        assert capsys.readouterr().out == "no devices in namespace wasmbed\n"


async def test_types_that_the_cluster_lacks_are_told(reference: StackOptions, tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text(f'[resources]\ngroup = "{GROUP}"\n', "utf-8")
    with pytest.raises(UsageError, match=r"no devices.iot.example.org of version v1\n  -> .* definitions"):
        await Stack(reference).start()


def test_scenarios_run_on_it_as_they_are(reference: StackOptions, tmp_path: Path) -> None:
    """One that asks for what the system lacks is left out with one line."""
    options = [f"--gateway={reference.gateway}", f"--gateway-file={reference.gateway_file}", f"--reports={tmp_path}"]
    chosen = ["scenarios/test_enrollment.py", "-k", "with_a_certificate or token_serves", "-q", "-rs"]
    done = subprocess.run([*PYTEST, *chosen, *options], capture_output=True, text=True, timeout=120, check=False)
    assert "1 passed, 1 skipped" in done.stdout, done.stdout
    assert "the system of --gateway=mine has no gateway-pairing" in done.stdout


def test_a_feature_that_it_lacks_is_left_out(reference: StackOptions) -> None:
    assert lacking(reference, ["gateway-kill"]) is None
    assert (
        lacking(reference, ["gateway-kill", "gateway-pairing"]) == "the system of --gateway=mine has no gateway-pairing"
    )
