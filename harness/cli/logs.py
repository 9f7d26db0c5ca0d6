"""``wasmbed logs``: the consoles of boards of a running platform, or of an emulator manager."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completion
from harness.cli.cluster import asynchronous, cluster_options, in_documents_form, opened
from harness.cli.ending import End
from harness.cli.output import is_folded, say
from harness.core.errors import RigError, UsageError, suggestion

if TYPE_CHECKING:
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi
    from harness.wasmbed.resources.views import Device

__all__ = ["WantedLines", "board_lines", "together"]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")


BoardLines = AsyncGenerator[tuple[str, str], None]
"""Lines, each with its time (RFC 3339); the time is empty where it is not known."""


@dataclass(frozen=True, slots=True)
class WantedLines:
    """The lines that are asked for. ``since``: seconds."""

    follow: bool
    tail: int | None
    since: float | None = None
    pattern: re.Pattern[str] | None = None
    times: bool = False


@click.command()
@click.argument("names", metavar="BOARD|DEVICE...", nargs=-1, shell_complete=completion.consoles)
@click.option("--all", "-a", "everything", is_flag=True, help="Show the consoles of all devices.")
@click.option("--follow", "-f", is_flag=True, help="Continue with new lines until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Show only the last N lines of each.")
@click.option("--since", metavar="TIME", help="Show only the lines of the last TIME: 30s, 5m, 2h.")
@click.option("--grep", metavar="PATTERN", help="Show only the lines that a regular expression matches.")
@click.option("--times", "-t", is_flag=True, help="Begin each line with its time (UTC).")
@cluster_options
@asynchronous
async def logs(
    names: tuple[str, ...],
    everything: bool,
    follow: bool,
    tail: int | None,
    since: str | None,
    grep: str | None,
    times: bool,
    kubeconfig: Path | None,
    namespace: str,
) -> None:
    """Show the consoles of boards that wasmbed up or an emulator manager runs, by the names of boards or of devices.

    With several, each line begins with the name of its board.
    """
    if bool(names) == everything:
        raise UsageError("name boards, or all with --all", where="logs", do="wasmbed devices lists them")
    wanted = WantedLines(follow, tail, _seconds(since), _pattern(grep), times)
    end = End()
    end.watch_reader()
    async with opened(kubeconfig, namespace) as api:
        await end.unless(_show(api, names, wanted))


async def _show(api: KubernetesApi, names: tuple[str, ...], wanted: WantedLines) -> None:
    if not names:
        from harness.wasmbed.resources.kinds import DEVICE

        names = tuple(sorted(each["metadata"]["name"] for each in (await in_documents_form(api).list(DEVICE)).items))
    names = tuple(dict.fromkeys(names))
    width = max(map(len, names), default=0)
    works = [
        _print(board_lines(api, name, wanted), _prefixed(name, width, number, len(names)), wanted)
        for number, name in enumerate(names)
    ]
    if wanted.follow:
        await together(*works)
    else:
        for work in works:
            await work


async def together(*works: Coroutine[Any, Any, None], first: bool = False) -> None:
    """Do all at the same time, until one fails, or with ``first`` until one ends."""
    when = asyncio.FIRST_COMPLETED if first else asyncio.FIRST_EXCEPTION
    tasks = [asyncio.create_task(work) for work in works]
    try:
        for task in (await asyncio.wait(tasks, return_when=when))[0] if tasks else ():
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _print(lines: BoardLines, show: Callable[[str], None], wanted: WantedLines) -> None:
    async with aclosing(lines):
        async for at, line in lines:
            if wanted.pattern is None or wanted.pattern.search(line):
                show(f"{at} {line}" if wanted.times else line)


async def board_lines(api: KubernetesApi, name: str, wanted: WantedLines) -> BoardLines:
    """The lines of a board, each with its time. Raises UsageError if there is no such console."""
    from harness.wasmbed.resources.api import NotFound
    from harness.wasmbed.resources.kinds import DEVICE
    from harness.wasmbed.resources.views import Device

    try:
        rest = b""
        asked = api.log(DEVICE, name, follow=wanted.follow, tail=wanted.tail, since=wanted.since, timestamps=True)
        async with asked as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for each in lines:
                    yield _stamped(each)
        if rest:
            yield _stamped(rest)
        return
    except NotFound:
        devices = {each["metadata"]["name"]: Device(each) for each in (await in_documents_form(api).list(DEVICE)).items}
    if name not in devices or not devices[name].spec.board.kind:
        do = f"{suggestion(name, devices)}existing devices: {', '.join([*devices][:20]) or 'none'}"
        what = "no console of this board: those of wasmbed up on its embedded cluster and of emulator managers have one"
        raise UsageError(what, where=name, do=do)
    async with aclosing(_of_manager(api, devices[name], wanted)) as found:
        async for line in found:
            yield line


def _stamped(line: bytes) -> tuple[str, str]:
    """A line of a log that begins with its time, unless its server does not write times."""
    text = line.decode("utf-8", "replace")
    at, _, rest = text.partition(" ")
    return (at, rest) if _TIME.fullmatch(at) else ("", text)


async def _of_manager(api: KubernetesApi, device: Device, wanted: WantedLines) -> BoardLines:
    from harness.core.clock import SystemClock
    from harness.core.network import SystemNetwork
    from harness.wasmbed.api.console_client import ConsoleClient, NoConsole
    from harness.wasmbed.resources.timestamps import format_timestamp

    oldest = "" if wanted.since is None else format_timestamp(SystemClock().now() - wanted.since)
    client = ConsoleClient(api, SystemNetwork())
    try:
        async with aclosing(client.lines(device, follow=wanted.follow)) as pieces:
            async for known, lines in pieces:
                shown = [each for each in lines if each[0] >= oldest]
                for line in shown if not known or wanted.tail is None else shown[max(len(shown) - wanted.tail, 0) :]:
                    yield line
    except NoConsole as error:
        raise UsageError(str(error), where=device.name, do="see kubectl describe device") from error
    except OSError as error:
        do = "see whether the manager runs, and whether its address can be reached from here; or ask the REST API"
        raise RigError(str(error), where=device.name, do=do) from error
    finally:
        await client.close()


def _prefixed(name: str, width: int, number: int, count: int) -> Callable[[str], None]:
    """A function that prints a line of a board."""
    if count == 1:
        return say
    prefix = f"{name:<{width}} | "

    def show(line: str) -> None:
        if is_folded():
            say(prefix, nl=False, fg=COLOURS[number % len(COLOURS)])
            say(line)
        else:
            say(prefix + line)

    return show


def _seconds(text: str | None) -> float | None:
    from harness.wasmbed.resources.durations import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error), where="--since", do="write 30s, 5m or 2h") from error


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        what = f"{text!r} is not a regular expression: {error}"
        raise UsageError(
            what, where="--grep", do="write a backslash before characters with a special meaning"
        ) from error
