"""``wasmbed replay``: run a recorded board again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import completion
from harness.cli.cluster import asynchronous
from harness.cli.ending import End
from harness.cli.gdb import gdb_command
from harness.cli.output import Stream, say
from harness.cli.runs import RunPath
from harness.core.errors import RigError, UsageError

if TYPE_CHECKING:
    from harness.boards.qemu.recording import Recording

OFFERED = 8
"""The most recordings that an error names."""


@click.command()
@click.argument("run", type=RunPath(), shell_complete=completion.runs)
@click.option("--board", help="Name of the board, if several were recorded.")
@click.option("--gdb", is_flag=True, help="Wait for a debugger before the first instruction.")
@asynchronous
async def replay(run: Path, board: str | None, gdb: bool) -> None:
    """Replay the recorded board of RUN and print its console.

    RUN is a run in reports (`latest`, `previous`, its name or the beginning of its name), or a folder with recordings.
    """
    from harness.boards.platform import find_platforms
    from harness.boards.qemu.replay import replay as replayed
    from harness.core.clock import SystemClock

    recording = _choose(run, board)
    facts = recording.facts
    platform = find_platforms(facts["program"]).get(facts["kind"])
    if platform is None:
        raise UsageError(
            f"the recorded kind of board is not available here: {facts['kind']}",
            where=str(run),
            do="see wasmbed boards",
        )

    def waiting(stub: Path) -> None:
        attach = shlex.join(gdb_command(recording.image, platform.image_path.resolve().parent.parent, stub))
        say(f"{facts['board']} is stopped before its first instruction; attach with\n  {attach}", err=True)

    def write_raw(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    # A file gets the board's own bytes; a terminal would interpret some of them.
    show = Stream().write if sys.stdout.isatty() else write_raw

    async def play() -> None:
        written = await replayed(recording, platform, SystemClock(), heard=show, gdb=waiting if gdb else None)
        _compare(recording, written)
        say(f"replayed {facts['board']}: {len(written)} bytes, equal to the recording", err=True)

    if not await End().unless(play()):
        raise click.Abort


def _choose(run: Path, board: str | None) -> Recording:
    from harness.boards.qemu.recording import find_recordings

    if not run.exists():
        raise UsageError("the folder does not exist", where=str(run), do="name a folder like reports/<run>")
    found = _valid(find_recordings(run))
    if not found:
        raise UsageError(
            "no recording of a board in this folder",
            where=str(run),
            do="record with --record=yes, or power_on(..., record=True), on boards of the tier qemu",
        )
    names = sorted({recording.facts["board"] for recording in found})
    chosen = [recording for recording in found if board in (None, recording.facts["board"])]
    if not chosen:
        raise UsageError(f"no board {board!r} was recorded", where=str(run), do=f"recorded boards: {', '.join(names)}")
    if len(chosen) > 1:
        offer = [f"\n     {recording.folder}  ({recording.facts['board']})" for recording in chosen[:OFFERED]]
        more = f"\n     and {len(chosen) - OFFERED} more" if len(chosen) > OFFERED else ""
        raise UsageError(
            f"{len(chosen)} recordings in this folder", where=str(run), do=f"name one of them: {''.join(offer)}{more}"
        )
    return chosen[0]


def _valid(found: list[Recording]) -> list[Recording]:
    """Those that are recordings; other programs have files of that name too. Raises what is wrong with the only one."""
    valid = []
    for recording in found:
        try:
            recording.facts  # noqa: B018
        except UsageError as error:
            if len(found) == 1:
                raise
            say(f"note: left out: {error}", err=True)
        else:
            valid.append(recording)
    return valid


def _compare(recording: Recording, written: bytes) -> None:
    recorded = recording.console.read_bytes()
    if written != recorded:
        at = next((at for at, pair in enumerate(zip(written, recorded, strict=False)) if pair[0] != pair[1]), None)
        raise RigError(
            f"the replay differs from byte {min(len(written), len(recorded)) if at is None else at} on",
            where=str(recording.folder),
            do="replay with the QEMU and the board.toml that it was recorded with",
        )
