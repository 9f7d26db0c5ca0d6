"""``wasmbed gdb``: a debugger at a board that runs in QEMU, with its symbols and sources."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from harness.cli import completion
from harness.cli.asking import asked, platform_option
from harness.cli.cluster import asynchronous
from harness.cli.ending import End
from harness.cli.output import say
from harness.core.errors import RigError, UsageError, reason

__all__ = ["DEBUGGER", "gdb_command"]

DEBUGGER = "gdb-multiarch"
LAUNCH = Path(".vscode") / "launch.json"


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("board", shell_complete=completion.boards)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--vscode", is_flag=True, help="Write .vscode/launch.json instead, and wait for VS Code until Ctrl-C.")
@platform_option
@asynchronous
async def gdb(board: str, arguments: tuple[str, ...], vscode: bool, kubeconfig: Path | None) -> int:
    """Debug a board that wasmbed up runs in QEMU. Behind BOARD come gdb's arguments: -batch -ex backtrace.

    The board stands still while gdb has it, and its device is Disconnected when it misses its heartbeats; it runs on
    when gdb detaches or ends.
    """
    if not vscode and shutil.which(DEBUGGER) is None:
        raise RigError("it is not installed", where=DEBUGGER, do=f"install Debian's {DEBUGGER}")
    async with aclosing(asked(kubeconfig, "debug", board=board)) as answers:
        target = await anext(answers)
        image = Path(target["image"])
        command = gdb_command(image, image.parent.parent, target["socket"])
        if vscode:
            end = End()
            _configure(LAUNCH, target["name"], image, target["socket"])
            say(f"{LAUNCH} has the configuration {_name(target['name'])!r}; press Ctrl-C when you are done")
            await end.unless(asyncio.Event().wait())  # type: ignore[arg-type]
            return 0
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is gdb's
        process = await asyncio.create_subprocess_exec(*command, *arguments)
        if code := await process.wait():
            raise UsageError(f"gdb ended with code {code}", where=board, do="see its messages above")
    return 0


def gdb_command(image: Path, sources: Path, socket: str | Path) -> list[str]:
    """The command that attaches to a board's stub. ``sources`` is the folder ``firmware``, to which paths in the image
    are relative (``--remap-path-prefix``); those of crates are to cargo's registry."""
    registry = Path.home() / ".cargo" / "registry" / "src"
    settings = [
        "set pagination off",
        "set confirm off",
        f"directory {sources}",
        *([f"set substitute-path crates {registry}"] if registry.is_dir() else []),
        f"target remote {socket}",
    ]
    return [DEBUGGER, "--quiet", str(image), *(part for each in settings for part in ("-ex", each))]


def _name(board: str) -> str:
    return f"wasmbed: {board}"


def _configure(path: Path, board: str, image: Path, socket: str) -> None:
    """Put the configuration of a board into VS Code's file; the others stay. Raises UsageError for a file that is not
    plain JSON, with the configuration to add by hand."""
    configuration: dict[str, Any] = {
        "name": _name(board),
        "type": "cppdbg",
        "request": "launch",
        "program": str(image),
        "cwd": "${workspaceFolder}",
        "MIMode": "gdb",
        "miDebuggerPath": DEBUGGER,
        "miDebuggerServerAddress": socket,
        "setupCommands": [{"text": f"directory {image.parent.parent}"}],
    }
    found: Any
    try:
        found = json.loads(path.read_text("utf-8")) if path.exists() else {"version": "0.2.0", "configurations": []}
        others = [each for each in found["configurations"] if each["name"] != configuration["name"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        do = f"add this to its configurations yourself:\n{json.dumps(configuration, indent=2)}"
        raise UsageError(f"is not plain JSON of VS Code: {reason(error)}", where=str(path), do=do) from error
    found["configurations"] = [*others, configuration]
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"cannot be written: {reason(error)}", where=str(path), do="go to another folder") from error
