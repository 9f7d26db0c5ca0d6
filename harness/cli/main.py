"""The ``wasmbed`` command: its subcommands, and errors as one message with an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from harness.cli.output import ReaderGone, say, show_error
from harness.core.errors import HarnessError, RigError, UsageError, reason

__all__ = ["main"]

COMMANDS = {
    "up": ("platform", "Run the platform with boards until Ctrl-C, or in the background (-d)."),
    "down": ("down", "Stop the platform that wasmbed up runs."),
    "ps": ("down", "Show the platform that wasmbed up runs, and its boards."),
    "platform": ("installation", "Run a platform on this machine as programs that are kept running."),
    "config": ("config", "Print the settings of that platform as they take effect."),
    "gateway": ("gateway", "Run one gateway as a program of its own."),
    "controllers": ("controllers", "Run the controllers as a program of their own."),
    "api": ("api", "Run the REST API as a program of its own."),
    "compile": ("compile", "Compile source text to a WebAssembly module."),
    "build": ("compile", "The same as compile."),
    "infrastructure": ("infrastructure", "Run certificate authority, secrets and logs as a program of its own."),
    "emulate": ("emulate", "Run boards against a gateway, without a cluster."),
    "emulators": ("emulators", "Run the boards that Devices ask for."),
    "secrets": ("secrets", "Print the Secrets of an installation in a cluster."),
    "status": ("resources", "Show gateways, devices and applications."),
    "devices": ("resources", "List the devices."),
    "apps": ("resources", "List the applications, or one application on its devices."),
    "deploy": ("applications", "Deploy a WebAssembly module to devices."),
    "stop": ("applications", "Stop an application on its devices."),
    "delete": ("deletion", "Delete devices, applications or gateways."),
    "wait": ("waiting", "Wait until devices, applications or gateways are as you say."),
    "logs": ("logs", "Show the consoles of boards."),
    "gdb": ("gdb", "Debug a board in QEMU with gdb, or from VS Code."),
    "console": ("console", "Follow a board's console, with keys that act on the board."),
    "publications": ("publications", "Show what an application publishes."),
    "power": ("acts", "Switch boards on or off, cut their power, or reset them."),
    "sensor": ("peripherals", "Let a board's sensor read a value, or a series from a file."),
    "gpio": ("peripherals", "Show the output pins of boards."),
    "link": ("acts", "Cut, delay or restore the links of boards."),
    "monitor": ("monitor", "Watch gateways, devices and applications, live."),
    "boards": ("boards", "List the kinds of boards and their features."),
    "doctor": ("doctor", "Show what is available here, and how to get the rest."),
    "clean": ("clean", "Remove what ended runs and platforms left behind."),
    "check": ("check", "Judge a recorded history by invariants and sequences."),
    "decode": ("decode", "Decode the bytes of a link, also of the original Wasmbed's wires."),
    "replay": ("replay", "Run a recorded board again, byte for byte, also under a debugger."),
    "sequences": ("sequences", "List, read and record executable sequence diagrams."),
    "compare": ("compare", "Show the differences between two runs."),
    "explore": ("explore", "Look for schedules of faults that the platform does not survive."),
    "mutate": ("mutate", "Show which defects on the wire your scenarios catch."),
    "run": ("run", "Run a suite in shards on a cluster, with one report."),
    "merge": ("merge", "Make one report of the runs of a suite's shards."),
    "trend": ("trend", "Show pass rates, times and benchmarks over runs."),
}
INTERRUPTED = 130
"""As a shell reports a program that SIGINT ended."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EROFS}
READER_GONE = 141
"""The exit code of a program that SIGPIPE ended, in a shell."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"harness.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], COMMANDS, n=1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean {close[0]!r}?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wasmbed-harness")
def wasmbed() -> None:
    """Run and test a platform that deploys WebAssembly applications to microcontrollers.

    Exit codes: 0 good, 1 the platform is wrong, 2 the command is wrong, 3 the equipment (or the harness itself) failed;
    130 after Ctrl-C, 141 when the reader of the output has gone, as shells report signals.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    code = run(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process ends now in any case
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; an error becomes one message on stderr."""
    try:
        result: Any = wasmbed.main(arguments, prog_name="wasmbed", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except HarnessError as error:
        show_error(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted", err=True)
        return INTERRUPTED
    except ReaderGone:
        _discard_output()
        return READER_GONE
    except Exception as error:
        if isinstance(error, OSError) and (known := _as_harness_error(error)) is not None:
            show_error(known)
            return known.exit_code
        frame = traceback.extract_tb(error.__traceback__)[-1]
        say("error", err=True, nl=False, fg="red")
        say(
            f": a bug in the harness: {type(error).__name__}: {error}\n"
            f"  at {frame.filename}:{frame.lineno} in {frame.name}\n  -> please report it with the command you gave",
            err=True,
        )
        return RigError.exit_code


def _as_harness_error(error: OSError) -> HarnessError | None:
    """A system error as UsageError or RigError; None for one that is a bug."""
    if error.errno in FULL:  # from click's own output, for example
        return RigError(f"cannot be written: {reason(error)}", do="free disk space")
    if error.filename is not None and error.errno in FORBIDDEN:
        return UsageError(reason(error), where=str(error.filename), do="name a file or folder that you may use")
    return None


def _discard_output() -> None:
    """Discard buffered output without a reader, which would make Python print an error at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
