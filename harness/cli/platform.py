"""``wasmbed up``: the platform and its boards, until somebody ends it."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous, default_kubeconfig
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.core.history import Event
    from harness.stack import Stack

PORT = click.IntRange(0, 65535)


@click.command()
@click.option(
    "--boards", default="virtual=1", show_default=True, help="Kinds and numbers, as in virtual=5,mps2-an385=2."
)
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Where to write how to reach the cluster.")
@click.option(
    "--port", type=PORT, default=8081, show_default=True, help="Of the gateway, for devices; 0: any free one."
)
@click.option(
    "--http-port", type=PORT, default=8080, show_default=True, help="Of the gateway's HTTP API; 0: any free one."
)
@click.option("--heartbeat", default="30", show_default=True, help="Seconds between two heartbeats.")
@click.option("--history", type=click.Path(path_type=Path), help="A folder to record everything in.")
@asynchronous
async def up(
    boards: str, kubeconfig: Path | None, port: int, http_port: int, heartbeat: str, history: Path | None
) -> None:
    """Bring the platform up with boards and keep it running until Ctrl-C."""
    from harness.boards.catalogue import Catalogue
    from harness.stack.options import StackOptions
    from harness.stack.stack import Stack

    fleet = Catalogue().parse(boards)
    options = StackOptions.parse({"heartbeat": heartbeat}, {})
    kubeconfig = kubeconfig or default_kubeconfig()
    stop = _stop_signal()
    stack = Stack(options, folder=history, listen=("127.0.0.1", port), http=("127.0.0.1", http_port))
    async with stack:
        try:
            kubeconfig.parent.mkdir(parents=True, exist_ok=True)
            await stack.cluster.write_kubeconfig(kubeconfig)
        except OSError as error:
            raise UsageError(
                f"cannot be written: {error.strerror}", where=str(kubeconfig), do="name another file with --kubeconfig"
            ) from error
        click.echo(f"gateway   {_endpoint(stack.gateway.endpoint)} (TLS 1.3, for devices)")
        click.echo(f"HTTP API  http://{_endpoint(stack.gateway.http_endpoint)} (/healthz, /metrics)")
        click.echo(f"cluster   export KUBECONFIG={kubeconfig.resolve()}")
        shown = _Phases(stack)
        for selection in fleet:
            if not stop.done():
                await stack.boards.power_on(selection.kind, count=selection.count)
        click.echo("running; Ctrl-C ends it")
        await stop
        shown.end()
        click.echo("stopping")
    click.echo("stopped")


def _stop_signal() -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return stopped


def _endpoint(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


class _Phases:
    """Tells how many devices are in which phase whenever that changes and nothing else is about to happen."""

    def __init__(self, stack: Stack) -> None:
        self._phases: dict[str, str] = {}
        self._due: asyncio.Handle | None = None
        self._said = ""
        self.end = stack.history.listen(self._heard)

    def _heard(self, event: Event) -> None:
        if event.kind != "state" or event.name != "Device":
            return
        if event.data["change"] == "deleted":
            self._phases.pop(event.correlation, None)
        elif phase := (event.data.get("status") or {}).get("phase"):
            self._phases[event.correlation] = phase
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(0.5, self._say)

    def _say(self) -> None:
        self._due = None
        counted = ", ".join(f"{number} {phase}" for phase, number in Counter(self._phases.values()).most_common())
        if counted != self._said:
            self._said = counted
            click.echo(f"devices   {counted}")
