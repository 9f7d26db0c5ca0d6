"""Commands that act on a running platform: its boards, their consoles, and the cluster's objects."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cli.main import run
from tests.cli.command import HUNG, Command, Start, read_until
from tests.output_shapes import check_shape

MODULES = Path("scenarios/modules").resolve()
Said = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a platform for the tests of this file."""
    path = tmp_path_factory.mktemp("platform") / "kubeconfig"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(path))
        options = [
            "--boards=virtual=3",
            "--relay",
            "--port=0",
            "--http-port=0",
            "--heartbeat=1",
            f"--kubeconfig={path}",
        ]
        up = Command("up", "-d", *options)
        assert up.end() == 0, up.said
        yield path
        run(["down"])


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Said:
    """Runs a command; returns what it says, on both outputs."""

    def said(*arguments: str, code: int = 0) -> str:
        capfd.readouterr()
        assert run([*arguments]) == code, capfd.readouterr()
        captured = capfd.readouterr()
        return captured.out + captured.err

    return said


def test_power_of_boards(said: Said) -> None:
    assert said("power", "cut", "virtual-1") == "virtual-1: off, cut\n"
    assert said("wait", "device/virtual-1", "--for", "phase=Disconnected") == "device/virtual-1: phase=Disconnected\n"
    assert "the board is off" in said("power", "reset", "virtual-1", code=2)
    assert sorted(said("power", "on", "--all").splitlines()) == [f"virtual-{n}: on" for n in (1, 2, 3)]
    said("wait", "device/virtual-1", "--for", "phase=Connected")
    assert said("power", "reset", "virtual-1", "virtual-1") == "virtual-1: reset\n"
    said("power", "off", "virtual-2")
    boards = {each["name"]: each["power"] for each in json.loads(said("ps", "-o", "json"))["boards"]}
    assert boards == {"virtual-1": "on", "virtual-2": "off", "virtual-3": "on"}
    said("power", "on", "virtual-2")


def test_links_of_boards(said: Said) -> None:
    assert said("link", "cut", "virtual-3") == "virtual-3: link cut\n"
    said("wait", "device/virtual-3", "--for", "phase=Disconnected")
    said("link", "restore", "virtual-3")
    said("wait", "device/virtual-3", "--for", "phase=Connected")
    assert said("link", "delay", "virtual-3", "--by=50ms") == "virtual-3: link delayed by 0.05 s\n"
    said("link", "restore", "--all")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["power", "cut", "virtual-1", "virtul-2"], "did you mean 'virtual-2'? the boards are: virtual-1, virtual-2"),
        (["power", "cut"], "name boards, or all with --all"),
        (["power", "cut", "virtual-1", "--all"], "name boards, or all with --all"),
        (["link", "delay", "virtual-1"], "write --by 200ms"),
        (["link", "cut", "virtual-1", "--by=1s"], "write --by 200ms"),
        (["link", "delay", "virtual-1", "--by=soon"], "invalid duration 'soon'"),
        (["logs"], "name boards, or all with --all"),
        (["logs", "virtual-1", "--since=x"], "invalid duration 'x'"),
        (["logs", "virtual-1", "--grep=("], "is not a regular expression"),
        (["logs", "virtual-1", "virtul-2"], "did you mean 'virtual-2'"),
        (["console", "nobody"], "no console of this board"),
        (["wait", "pump-1", "--for=delete"], "write device/NAME"),
        (["wait", "divice/x", "--for=delete"], "did you mean 'device'"),
        (["wait", "device/virtual-1", "--for=phase"], "write phase=Connected"),
        (["wait", "device/virtual-1", "--for=create", "--timeout=x"], "write 30s or 5m"),
        (["delete", "device/virtul-2"], "did you mean 'virtual-2'"),
        (["sensor", "virtual-1", "0", "warm"], "'warm' is not a value"),
        (["sensor", "virtual-1", "0", "nan"], "does not fit a sensor"),
        (["sensor", "virtual-1", "0", "nothing.csv"], "cannot be read"),
        (["sensor", "virtul-1", "0", "1"], "did you mean 'virtual-1'"),
        (["gpio"], "name boards, or all with --all"),
        (["publications", "blonk"], "unknown application 'blonk'"),
        (["build", "nothing.c"], "cannot be read"),
        (["ps", "--kubeconfig="], "names no file"),
        (["power", "on", "--all", "--kubeconfig=nowhere"], "start it: wasmbed up -d"),
    ],
)
def test_mistakes_of_a_first_day(said: Said, arguments: list[str], words: str) -> None:
    answer = said(*arguments, code=2)
    assert words in answer
    assert "error: " in answer
    assert "\n  -> " in answer
    assert {each["power"] for each in json.loads(said("ps", "-o", "json"))["boards"]} == {"on"}


def test_the_consoles_of_several_boards(said: Said) -> None:
    lines = said("logs", "--all", "--tail=1").splitlines()
    assert [line.partition(" | ")[0] for line in lines] == ["virtual-1", "virtual-2", "virtual-3"]
    found = said("logs", "virtual-1", "--grep=identity", "--times", "--since=1h").splitlines()
    assert found
    for line in found:
        at, _, rest = line.partition(" ")
        assert at[10:11] == "T"
        assert "identity: " in rest
    assert said("logs", "virtual-1", "--tail=0") == ""


def test_several_consoles_are_followed(said: Said, start: Start) -> None:
    following = start("logs", "-f", "virtual-1", "virtual-2", "--tail=1", "--times")
    for board in ("virtual-1", "virtual-2"):
        following.until(f"{board} | ")
    for board in ("virtual-2", "virtual-1"):
        said("power", "off", board)
        following.until("] power: off")
        said("power", "on", board)
        following.said = ""
    assert following.end(signal.SIGINT) == 0


def test_a_wait_that_is_in_vain_is_a_failure(said: Said) -> None:
    said("wait", "device/virtual-1", "--for=phase=Connected")
    answer = said("wait", "device/virtual-1", "device/pump-9", "--for=phase=Failed", "--timeout=100ms", code=1)
    assert "not phase=Failed within 0.1 s: device/pump-9 is not there; device/virtual-1 is Connected" in answer
    assert said("wait", "device/virtual-1", "--for=create") == "device/virtual-1: create\n"
    assert said("wait", "device/virtual-1", "--for=condition=Enrolled") == "device/virtual-1: condition=Enrolled\n"


def test_publications_and_deletion(said: Said, start: Start) -> None:
    said("deploy", str(MODULES / "thermometer.wat"), "--to=virtual-1,virtual-2")
    following = start("publications", "thermometer", "-f", "-o", "json")
    for device in ("virtual-1", "virtual-2"):
        following.until(f'"device": "{device}"')
    assert following.end(signal.SIGINT) == 0
    first = json.loads(following.said.splitlines()[0])
    check_shape("publications --follow", first)
    assert (first["topic"], first["payload"]) == ("temperature", "00004c2c")
    shown = json.loads(said("publications", "thermometer", "-o", "json", "--device=virtual-2"))
    check_shape("publications", shown)
    assert {each["device"] for each in shown["publications"]} == {"virtual-2"}
    assert (
        said("delete", "app/thermometer")
        == "application/thermometer is to be deleted\napplication/thermometer: deleted\n"
    )
    assert "nothing" not in said("apps")


def test_sensors_and_pins(said: Said, start: Start, tmp_path: Path) -> None:
    assert said("sensor", "virtual-3", "0", "-3.5") == "virtual-3: sensor 0 reads -3.5\n"
    said("deploy", str(MODULES / "thermometer.wat"), "--to=virtual-3", "--name=cold")
    following = start("publications", "cold", "-f", "-o", "json")
    following.until('"payload": "fffff254"')
    assert following.end(signal.SIGINT) == 0
    series = tmp_path / "day.csv"
    series.write_text("seconds,value\n0,20\n0.05,21.5\n")
    assert said("sensor", "virtual-3", "1", str(series)).splitlines() == [
        "virtual-3: sensor 1 reads 20", "virtual-3: sensor 1 reads 21.5", f"{series}: all 2 values were set",
    ]  # fmt: skip
    assert said("sensor", "virtual-3", "0", "free") == "virtual-3: sensor 0 reads what the board makes\n"
    document = json.loads(said("gpio", "--all", "-o", "json"))
    check_shape("gpio", document)
    assert [each["name"] for each in document["boards"]] == ["virtual-1", "virtual-2", "virtual-3"]
    assert "virtual-3" in said("gpio", "virtual-3")
    for line in ("1,2,3", "0,x", "1,1\n0,1", "0,9e9"):
        series.write_text(f"0,1\n{line}\n")
        assert f"{series}:" in said("sensor", "virtual-3", "1", str(series), code=2)
    said("delete", "application/cold")


def test_build_is_compile(said: Said, tmp_path: Path) -> None:
    (tmp_path / "app.wat").write_text('(module (memory (export "memory") 1) (func (export "run")))')
    assert said("build", str(tmp_path / "app.wat")).startswith("compiled")
    assert (tmp_path / "app.wasm").read_bytes()[:4] == b"\0asm"


def test_a_console_has_keys_on_a_terminal(said: Said, kubeconfig: Path) -> None:
    """They act on the board; the terminal is as before at the end."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "harness.cli", "console", "virtual-1"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process, open(ours, "r+b", 0) as keys:
        try:
            read_until(keys.fileno(), "q leave")
            keys.write(b"?x")
            read_until(keys.fileno(), "virtual-1: off, cut")
            keys.write(b"ro")
            read_until(keys.fileno(), "the board is off", "virtual-1: on")
            keys.write(b"\x1d")
            assert process.wait(HUNG) == 0
        finally:
            process.kill()
        assert termios.tcgetattr(theirs) == before
    os.close(theirs)


def test_a_console_without_a_terminal_follows(start: Start) -> None:
    following = start("console", "virtual-1")
    following.until("link: ")
    assert following.end(signal.SIGINT) == 0
