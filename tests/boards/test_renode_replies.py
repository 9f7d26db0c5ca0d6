"""Replies of real Renodes are read: failures are recognised, and values are extracted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.boards.renode.replies import Log, read_reply

FOLDER = Path(__file__).parent / "renode_replies"


def cases(name: str) -> list[tuple[str, str, str]]:
    """Read the cases of a file: command, the monitor's output, and the expected result."""
    parts = re.split(r"^>>> ", (FOLDER / f"{name}.txt").read_text("utf-8"), flags=re.MULTILINE)[1:]
    found = []
    for part in parts:
        command, _, rest = part.partition("\n")
        printed, _, read = rest.partition("=== ")
        found.append((command, printed, read.rstrip("\n")))
    return found


@pytest.mark.parametrize(("command", "printed", "read"), cases("bad"))
@pytest.mark.parametrize("answers", [False, True])
def test_a_failed_command_is_recognised(command: str, printed: str, read: str, answers: bool) -> None:
    if answers and command.startswith("Load "):
        pytest.skip("a command that has nothing to say")
    reply = read_reply(printed, answers=answers)
    assert reply.failure is not None
    assert reply.failure.splitlines()[0] == read.splitlines()[0]


@pytest.mark.parametrize(("command", "printed", "read"), cases("good"))
def test_a_successful_command_is_recognised(command: str, printed: str, read: str) -> None:
    reply = read_reply(printed, answers=bool(read))
    assert reply.failure is None
    assert reply.value == read


def test_output_of_a_silent_command_is_a_failure() -> None:
    assert read_reply("(b0) Save @x\nsomething new in Renode 2\n", answers=False).failure == "something new in Renode 2"
    assert read_reply("(b0) sysbus.cpu Name\nsomething new\n", answers=True).failure is None


def test_the_place_of_an_error_in_a_platform_is_kept() -> None:
    printed = next(printed for command, printed, _ in cases("bad") if "broken.repl" in command)
    assert "At broken.repl:3:6:" in (read_reply(printed, answers=False).failure or "")


def test_help_before_an_error_is_left_out() -> None:
    printed = next(printed for command, printed, _ in cases("bad") if "usart99" in command)
    assert read_reply(printed, answers=False).failure == "Parameters did not match the signature"


def test_errors_of_the_log_are_kept_apart() -> None:
    printed = (
        "(b0) start\nStarting emulation...\n"
        "02:11:44.1655 [ERROR] cpu: PC does not lay in memory or PC and SP are equal to zero. CPU was halted.\n"
        "02:11:44.1666 [WARNING] cpu: Patching PC 0x0 for Thumb mode.\n"
    )
    reply = read_reply(printed, answers=True)
    assert reply.failure is None
    assert reply.errors == ("cpu: PC does not lay in memory or PC and SP are equal to zero. CPU was halted.",)


def test_the_log_is_read_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    assert log.errors() == ()
    log.path.write_text("06:46:54.1424 [ERROR] cpu: halted\n06:46:54.1425 [WARNING] cpu: hm\nwithout a time\n")
    assert log.errors() == ("cpu: halted",)
    assert log.errors() == ()
    with log.path.open("a") as file:
        file.write("06:46:55.0000 [ERROR] bus: no\n")
    assert log.errors() == ("bus: no",)
