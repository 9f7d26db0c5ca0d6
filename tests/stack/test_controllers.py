"""Controllers in a process of their own: started, killed, watched over; and what they can do there."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from harness.core.errors import ProductFailure, RigError, UsageError
from harness.stack import Stack
from harness.stack.backends import lacking
from harness.stack.controllers import ControllersProcess
from harness.stack.options import StackOptions
from harness.stack.surroundings import surroundings_of
from harness.wasmbed.pki.keys import write_file

MODULES = Path(__file__).parents[2] / "scenarios" / "modules"
OPTIONS = StackOptions(controllers="process", modules=MODULES)


def folders(tmp_path: Path, name: str = "") -> list[Path]:
    return list(tmp_path.glob(f"wasmbed-controllers-{name}*"))


async def test_they_are_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their log and their requests are in the record, and nothing of them stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with Stack(OPTIONS) as stack:
        controllers = stack.make_controllers("mine", lease_duration=2.0)
        assert isinstance(controllers, ControllersProcess)
        assert not controllers.running
        await controllers.start()
        await stack.controllers.stop()
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=60)
        assert controllers.leading
        (folder,) = folders(tmp_path, "mine")
        pid = controllers.pid
        assert pid is not None
        await controllers.kill()
        assert not controllers.running
        assert not controllers.leading
        assert folder not in folders(tmp_path)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        await controllers.start()
        late = await stack.boards.power_on(name="late")
        await stack.device(late).until(phase="Connected", within=60)
        assert controllers.leading
        lines = [event.data["text"] for event in stack.history.find("Console", source="ControllerManager")]
        assert lines.count("INFO mine leads") == 2
        assert {event.source for event in stack.history.find("PATCH Device")} >= {"DeviceController"}
        assert stack.history.find("PUT Lease", source="ControllerManager")
        assert [event.data for event in stack.history.find("kill controllers")] == [{"controllers": "mine"}]
        stack.judge()
    assert not folders(tmp_path)


async def test_controllers_that_end_by_themselves_are_the_products_fault() -> None:
    async with Stack(OPTIONS) as stack:
        assert isinstance(stack.controllers, ControllersProcess)
        assert stack.controllers.pid is not None
        os.kill(stack.controllers.pid, signal.SIGKILL)
        assert stack.controllers._program is not None
        await stack.controllers._program.ended
        with pytest.raises(ProductFailure, match=r"ended by itself: killed by SIGKILL; the end of its log"):
            stack.judge()


async def test_controllers_that_do_not_start_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with Stack(OPTIONS) as stack:

        async def give_wrong_access(path: Path) -> None:
            write_file(path, b"not a kubeconfig")

        monkeypatch.setattr(stack, "_give_controllers_access", give_wrong_access)
        controllers = stack.make_controllers("mine")
        with pytest.raises(
            RigError, match="controllers mine: ended at once, before it was ready: exit code 2; the end"
        ):
            await controllers.start()
        assert not folders(tmp_path, "mine")


async def test_their_requests_can_be_made_to_fail() -> None:
    async with Stack(OPTIONS) as stack:
        with stack.api_faults.failing(client="DeviceController", kind="Device", code=503) as fault:
            board = await stack.boards.power_on()
            await fault.met(2)
        await stack.device(board).until(phase="Connected", within=60)


@pytest.mark.parametrize(
    ("changes", "wanted", "why"),
    [
        ({}, "controllers-api-faults", None),
        ({"controllers": "process"}, "controllers-api-faults", None),
        ({"controllers": "process"}, "controllers-clock", "controllers in a process of their own have no {}"),
        (
            {"controllers": "process", "cluster": "embedded-process"},
            "controllers-api-faults",
            "controllers in a process of their own have no {}",
        ),
        ({}, "controllers-clock", None),
        ({}, "cluster-kill", "the API server of --cluster=embedded cannot be killed"),
        ({"cluster": "kubeconfig"}, "cluster-kill", "the API server of --cluster=kubeconfig cannot be killed"),
        ({"cluster": "embedded-process"}, "cluster-kill", None),
        ({"cluster": "apiserver"}, "cluster-kill", None),
    ],
)
def test_what_the_parts_can_do(changes: dict[str, str], wanted: str, why: str | None) -> None:
    assert lacking(StackOptions().replace(**changes), [wanted]) == (why and why.format(wanted))


def test_a_simulation_has_no_processes() -> None:
    with pytest.raises(UsageError, match="the controllers 'process' cannot be simulated"):
        surroundings_of(OPTIONS.replace(boards="sim"))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid value 'thread': must be one of reference, process"):
        StackOptions().replace(controllers="thread")
