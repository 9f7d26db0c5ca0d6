"""The generated commands for Renode's monitor: grammar, order, and values that cannot be expressed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.boards.platform import ROOT
from harness.boards.renode import requests as ask
from harness.boards.renode.platform import RenodePlatform, find_renode_platforms
from harness.boards.renode.script import beginning, commands, quoted_path
from harness.core.errors import UsageError

MACHINE = ask.Machine(
    "pump-1",
    "/boards/f4.repl",
    "/images/f4.elf",
    "sysbus.cpu",
    400,
    ask.Wire("sysbus.usart2", "/run/1.link"),
    ask.Wire("sysbus.usart3", "/run/1.console"),
    ((0x20000000, 0x20000), (0x10000000, 64)),
    ("sysbus.gpioPortA.UserButton Press",),
)
BOARDS = {name: kind for name, kind in find_renode_platforms().items() if kind.platform.refused is None}

GRAMMAR = (
    r'mach (create|set) "[-a-z0-9]+"',
    r"machine LoadPlatformDescription @\S+",
    r"machine Reset",
    r"sysbus(\.\w+)* PerformanceInMips \d+",
    r"sysbus(\.\w+)* IsHalted (true|false)",
    r"sysbus LoadELF @\S+",
    r"sysbus LoadBinary @\S+ 0x[0-9a-f]+",
    r"sysbus ReadBytes 0x[0-9a-f]+ \d+",
    r"sysbus ZeroRange <0x[0-9a-f]+ 0x[0-9a-f]+>",
    r'emulation CreateUartPtyTerminal "[-a-z0-9]+" "/\S+"',
    r"connector (Connect|Disconnect) sysbus(\.\w+)+ [-a-z0-9]+",
    r'emulation (SetGlobalQuantum|RunFor) "\d+\.\d{6}"',
    r"emulation GetTimeSourceInfo",
    r"(Save|Load) @\S+",
    r"logFile @\S+ true",
    r"logLevel \d",
)
"""The part of Renode's documented grammar that is used."""


def lines(request: ask.Request, *machines: ask.Machine) -> list[str]:
    return [
        command.text for command in commands(request, {machine.name: machine for machine in machines or (MACHINE,)})
    ]


def test_a_machine_is_made_in_the_documented_order() -> None:
    assert lines(ask.Create(MACHINE, 0.005)) == [
        'mach create "pump-1"',
        "machine LoadPlatformDescription @/boards/f4.repl",
        "sysbus.gpioPortA.UserButton Press",
        "sysbus.cpu PerformanceInMips 400",
        "sysbus LoadELF @/images/f4.elf",
        'emulation CreateUartPtyTerminal "pump-1-link" "/run/1.link"',
        "connector Connect sysbus.usart2 pump-1-link",
        'emulation CreateUartPtyTerminal "pump-1-console" "/run/1.console"',
        "connector Connect sysbus.usart3 pump-1-console",
        "sysbus.cpu IsHalted true",
        'emulation SetGlobalQuantum "0.005000"',
    ]


def test_power_means_empty_memory_and_a_running_processor() -> None:
    assert lines(ask.PowerOn("pump-1", "/run/1.blob", 0x080E0000)) == [
        'mach set "pump-1"',
        "sysbus ZeroRange <0x20000000 0x20000>",
        "sysbus ZeroRange <0x10000000 0x40>",
        "machine Reset",
        "sysbus LoadBinary @/run/1.blob 0x80e0000",
        "sysbus.cpu IsHalted false",
    ]
    assert lines(ask.PowerOff("pump-1")) == ['mach set "pump-1"', "sysbus.cpu IsHalted true"]


def test_a_boards_storage_is_read_and_written() -> None:
    assert lines(ask.Read("pump-1", 0x080F0000, 4096)) == ['mach set "pump-1"', "sysbus ReadBytes 0x80f0000 4096"]
    assert lines(ask.Write("pump-1", "/run/1.storage", 0x080F0000)) == [
        'mach set "pump-1"',
        "sysbus LoadBinary @/run/1.storage 0x80f0000",
    ]


def test_a_reset_leaves_memory_alone() -> None:
    assert lines(ask.Reset("pump-1")) == ['mach set "pump-1"', "machine Reset"]


def test_one_machine_is_held_not_all() -> None:
    assert lines(ask.Pause("pump-1")) == ['mach set "pump-1"', "sysbus.cpu IsHalted true"]
    assert lines(ask.Resume("pump-1")) == ['mach set "pump-1"', "sysbus.cpu IsHalted false"]


def test_terminals_are_connected_again_after_loading() -> None:
    assert lines(ask.Load("/run/1.save", (MACHINE,), ())) == [
        "Load @/run/1.save",
        'mach set "pump-1"',
        "connector Disconnect sysbus.usart2 pump-1-link",
        "connector Connect sysbus.usart2 pump-1-link",
        "connector Disconnect sysbus.usart3 pump-1-console",
        "connector Connect sysbus.usart3 pump-1-console",
    ]


@pytest.mark.parametrize(
    "request_",
    [
        ask.Create(MACHINE, 0.001),
        ask.PowerOn("pump-1", "/run/b", 0),
        ask.PowerOff("pump-1"),
        ask.Read("pump-1", 0x080F0000, 4096),
        ask.Write("pump-1", "/run/1.storage", 0x080F0000),
        ask.Reset("pump-1"),
        ask.Pause("pump-1"),
        ask.Resume("pump-1"),
        ask.RunFor(1.5),
        ask.Now(),
        ask.Save("/run/s"),
        ask.Load("/run/s", (MACHINE,), ("pump-1",)),
    ],
    ids=lambda request: type(request).__name__,
)
def test_every_line_keeps_to_the_grammar(request_: ask.Request) -> None:
    own = set(MACHINE.commands)
    for line in lines(request_):
        assert line in own or any(re.fullmatch(form, line) for form in GRAMMAR), line


def test_a_new_renode_gets_its_log_file() -> None:
    assert [command.text for command in beginning("/run/log")] == ["logFile @/run/log true", "logLevel 3"]


def test_a_callers_command_goes_to_its_machine() -> None:
    assert lines(ask.Execute("pump-1", " sysbus.cpu PC ")) == ['mach set "pump-1"', "sysbus.cpu PC"]
    for odd in ("", "  ", "pause\nquit"):
        with pytest.raises(UsageError, match="is not one line"):
            lines(ask.Execute("pump-1", odd))


@pytest.mark.parametrize("path", ["relative", "/with blank", '/quo"te', "/$variable", "/semi;colon", "/at@sign", ""])
def test_paths_that_the_monitor_cannot_read_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot read the path"):
        quoted_path(path)


@pytest.mark.parametrize("name", ["", "-pump", "Pump", 'pu"mp', "a b"])
def test_names_that_would_break_out_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name of a machine"):
        lines(ask.Create(ask.Machine(name, "/a", "/b", "sysbus.cpu", 1, MACHINE.link, MACHINE.console), 1))


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), 1e9])
def test_no_stretch_of_time(seconds: float) -> None:
    with pytest.raises(UsageError, match="is not a valid time"):
        lines(ask.RunFor(seconds))


def test_a_time_below_renodes_resolution_is_rounded_up() -> None:
    assert lines(ask.RunFor(1e-9)) == ['emulation RunFor "0.000001"']


@pytest.mark.parametrize("request_", [ask.Run(), ask.Stand()])
def test_requests_that_the_host_handles_have_no_commands(request_: ask.Request) -> None:
    with pytest.raises(ValueError, match="is not a monitor command"):
        lines(request_)


# the boards there are


@pytest.mark.parametrize("kind", BOARDS.values(), ids=BOARDS.keys())
def test_each_board_can_be_made(kind: RenodePlatform, tmp_path: Path) -> None:
    made = lines(
        ask.Create(
            kind.machine("board-1", tmp_path / "b.elf", tmp_path / "1.link", tmp_path / "1.console"), kind.quantum
        )
    )
    assert all(any(re.fullmatch(form, line) for form in GRAMMAR) for line in made)
    assert kind.description.exists()
    assert kind.link != kind.console


@pytest.mark.parametrize("kind", BOARDS.values(), ids=BOARDS.keys())
def test_its_script_for_people_makes_the_same_machine(kind: RenodePlatform) -> None:
    script = kind.description.with_suffix(".resc").read_text("utf-8")
    for wanted in (
        f"LoadPlatformDescription $ORIGIN/{kind.description.name}",
        f"{kind.cpu} PerformanceInMips {kind.mips}",
        "sysbus LoadELF $bin",
        f'emulation SetGlobalQuantum "{kind.quantum:g}"',
    ):
        assert wanted in script, wanted
    assert re.search(rf"sysbus LoadBinary \$blob 0x0*{kind.platform.provisioning.origin:X}\b", script, re.IGNORECASE)
    assert re.search(rf"connector Connect {re.escape(kind.link)} \w+", script)
    assert kind.console in script
    assert script.rstrip().endswith("start")


@pytest.mark.parametrize("kind", BOARDS.values(), ids=BOARDS.keys())
def test_a_description_builds_on_renodes_own_and_fetches_nothing(kind: RenodePlatform) -> None:
    text = kind.description.read_text("utf-8")
    assert re.match(r'using "platforms/boards/\w[-\w]*\.repl"', text)
    assert "init:" in text  # in the place of upstream's, which fetches register names from the network
    assert "ApplySVD" not in text
    if kind.platform.provisioning.origin >= 0x08000000:
        assert "sysbus 0x00000000" in text  # a reset reads its vectors there


def test_every_folder_for_renode_was_found() -> None:
    folders = {path.parent.name for path in (ROOT / "platforms").glob("*/*.repl")}
    assert folders <= set(find_renode_platforms())
