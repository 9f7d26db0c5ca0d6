"""Translates requests into commands for Renode's monitor.

This module does not talk to Renode: its commands can be read, tested, and typed into a monitor by hand. A machine is
made once and keeps its place; its power is the processor's ``IsHalted``. (Removing machines while others run, and
making new ones, costs more, and Renode 1.15 on Mono crashed after ``mach rem``.) The reset vector has to be at its
place in memory: a ``macro reset`` belongs to the monitor, and ``Save`` does not store it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.boards.renode import requests as ask
from harness.core.errors import UsageError

__all__ = ["STAND", "START", "Command", "beginning", "commands", "quoted_path"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_OBJECT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PATH = re.compile(r"/[^\s\"'$;@]*")


@dataclass(frozen=True, slots=True)
class Command:
    """A line for the monitor. ``answers``: it prints text; other commands print text only if they fail."""

    text: str
    answers: bool = False


START = Command("start", answers=True)
STAND = Command("pause", answers=True)


def beginning(log: str) -> list[Command]:
    """Return the commands for a new Renode: it logs only errors, to the file ``log``, without a buffer."""
    return _silent(f"logFile {quoted_path(log)} true", "logLevel 3")


def commands(request: ask.Request, machines: Mapping[str, ask.Machine]) -> list[Command]:
    """Return the commands for a request, to be executed in order until one fails; ``machines`` are the host's, by name.

    Raises UsageError for names and paths with characters that the monitor's grammar cannot express.
    """
    match request:
        case ask.Create(machine, quantum):
            return _silent(*_created(machine), f'emulation SetGlobalQuantum "{_seconds(quantum)}"')
        case ask.PowerOn(name, blob, address):
            machine = machines[name]
            empty = [f"sysbus ZeroRange <{start:#x} {size:#x}>" for start, size in machine.memory]
            load = [_load(blob, address)] if blob else []
            return _silent(_select(name), *empty, "machine Reset", *load, f"{machine.cpu} IsHalted false")
        case ask.PowerOff(name) | ask.Pause(name):
            return _silent(_select(name), f"{machines[name].cpu} IsHalted true")
        case ask.Resume(name):
            return _silent(_select(name), f"{machines[name].cpu} IsHalted false")
        case ask.Read(name, address, size):
            return [*_silent(_select(name)), Command(f"sysbus ReadBytes {address:#x} {size}", answers=True)]
        case ask.Write(name, path, address):
            return _silent(_select(name), _load(path, address))
        case ask.Reset(name):
            return _silent(_select(name), "machine Reset")
        case ask.RunFor(seconds):
            return _silent(f'emulation RunFor "{_seconds(seconds)}"')
        case ask.Now():
            return [Command("emulation GetTimeSourceInfo", answers=True)]
        case ask.Save(path):
            return _silent(f"Save {quoted_path(path)}")
        case ask.Load(path, loaded):
            # The file has the terminals but not their connections.
            again = [line for machine in loaded for line in (_select(machine.name), *_rewired(machine))]
            return _silent(f"Load {quoted_path(path)}", *again)
        case ask.Execute(name, command):
            return [*_silent(_select(name)), Command(_one_line(command), answers=True)]
    raise ValueError(f"{type(request).__name__} is not a monitor command")


def quoted_path(path: str) -> str:
    """Quote a path for the monitor. Raises UsageError for characters that its grammar cannot express."""
    if not _PATH.fullmatch(path):
        raise UsageError(
            f"Renode's monitor cannot read the path {path!r}",
            do="use an absolute path without blanks, quotes, '$', ';' and '@'",
        )
    return f"@{path}"


def _created(machine: ask.Machine) -> list[str]:
    return [
        f'mach create "{_checked(_NAME, machine.name, "name of a machine")}"',
        f"machine LoadPlatformDescription {quoted_path(machine.description)}",
        *(_one_line(command) for command in machine.commands),
        f"{_checked(_OBJECT, machine.cpu, 'processor')} PerformanceInMips {machine.mips}",
        _program(machine),
        *_wired(machine),
        f"{machine.cpu} IsHalted true",
    ]


def _program(machine: ask.Machine) -> str:
    if machine.address is None:
        return f"sysbus LoadELF {quoted_path(machine.image)}"
    return _load(machine.image, machine.address)


def _wired(machine: ask.Machine) -> list[str]:
    # Pseudo terminals, not sockets: Renode's sockets listen on every interface of the computer.
    made = []
    for what, wire in _wires(machine):
        quoted_path(wire.path)
        made.append(f'emulation CreateUartPtyTerminal "{machine.name}-{what}" "{wire.path}"')
        made.append(f"connector Connect {_checked(_OBJECT, wire.uart, 'UART')} {machine.name}-{what}")
    return made


def _rewired(machine: ask.Machine) -> list[str]:
    each = [f"{wire.uart} {machine.name}-{what}" for what, wire in _wires(machine)]
    return [f"connector {verb} {ends}" for ends in each for verb in ("Disconnect", "Connect")]


def _load(path: str, address: int) -> str:
    return f"sysbus LoadBinary {quoted_path(path)} {address:#x}"


def _wires(machine: ask.Machine) -> tuple[tuple[str, ask.Wire], ...]:
    return ("link", machine.link), ("console", machine.console)


def _select(name: str) -> str:
    return f'mach set "{_checked(_NAME, name, "name of a machine")}"'


def _silent(*lines: str) -> list[Command]:
    return [Command(line) for line in lines]


def _seconds(seconds: float) -> str:
    if not 0 < seconds < 1e7:
        raise UsageError(f"{seconds} is not a valid time", do="give a positive number of seconds")
    # Renode's time has a resolution of one microsecond.
    return f"{max(seconds, 1e-6):.6f}"


def _one_line(command: str) -> str:
    if "\n" in command or "\r" in command or not command.strip():
        raise UsageError(f"{command!r} is not one line for Renode's monitor", do="execute the commands one by one")
    return command.strip()


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise UsageError(f"{text!r} is not a valid {what} in Renode", do=f"use a {what} that matches {pattern.pattern}")
    return text
