"""``wasmbed up``: the platform and its boards, until somebody ends it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous
from harness.cli.ending import End
from harness.cli.kubeconfig import Kubeconfig
from harness.core.errors import RigError

if TYPE_CHECKING:
    from harness.boards.catalogue import Selection
    from harness.core.history import Event
    from harness.stack import Stack

PORT = click.IntRange(0, 65535)
OPTIONS = {"listen": "--port", "http": "--http-port"}
"""Which option says where the gateway listens, by the gateway's setting."""
EXISTING, NAMESPACE = "kubeconfig", "wasmbed"
SETTLED = {"Connected", "Disconnected", "Failed"}
INTERRUPTED = 130


@click.command()
@click.option(
    "--boards", default="virtual=1", show_default=True, help="Kinds and numbers, as in virtual=5,mps2-an385=2."
)
@click.option(
    "--cluster", default="embedded", show_default=True, help="Where the Kubernetes API lives; see wasmbed doctor."
)
@click.option(
    "--allow-cluster", metavar="NAME", help="Context of a cluster on another machine, for --cluster=kubeconfig."
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
    boards: str,
    cluster: str,
    allow_cluster: str | None,
    kubeconfig: Path | None,
    port: int,
    http_port: int,
    heartbeat: str,
    history: Path | None,
) -> int:
    """Bring the platform up with boards and keep it running until Ctrl-C.

    The kubeconfig is there as long as the platform runs. Who cannot wait for the end presses Ctrl-C again.
    """
    end = End()
    from harness.boards.catalogue import Catalogue
    from harness.stack.backends import check_options
    from harness.stack.options import StackOptions
    from harness.stack.stack import Stack

    fleet = Catalogue().parse(boards)
    given = {"heartbeat": heartbeat, "cluster": cluster, "allow_cluster": allow_cluster}
    options = StackOptions.parse(given, {})
    check_options(options)
    listen, http = ("127.0.0.1", port), ("127.0.0.1", http_port)
    stack = Stack(options, folder=history, listen=listen, http=http, namespace=NAMESPACE)
    # Whoever has a cluster has a kubeconfig for it.
    file = Kubeconfig(kubeconfig) if kubeconfig or cluster != EXISTING else None
    if file is not None:
        await file.check(stack.clock)
    phases = _Phases()
    try:
        if await end.unless(_bring_up(stack, file, fleet, phases)) and not end.wanted.done():
            click.echo("running; Ctrl-C ends it")
            await end.wanted
    except BaseException:
        await stack.abandon()
        raise
    else:
        return await _take_down(stack, end, phases)
    finally:
        if file is not None:
            file.remove()


async def _bring_up(stack: Stack, file: Kubeconfig | None, fleet: Sequence[Selection], phases: _Phases) -> None:
    from harness.clusters.embedded import EmbeddedCluster
    from harness.wasmbed.gateway.gateway import CannotListen

    try:
        await stack.start()
    except CannotListen as error:
        option = OPTIONS[error.setting]
        raise RigError(
            error.what, where=option, do=f"end what uses the port, or choose another: {option}=N, 0 for any free one"
        ) from error
    if isinstance(stack.cluster, EmbeddedCluster):
        stack.cluster.serve_logs(
            lambda name: next((board.console for board in stack.boards if name in (board.name, board.device)), None)
        )
    if file is not None:
        await file.write(stack.cluster)
    click.echo(f"gateway   {_endpoint(stack.gateway.endpoint)} (TLS 1.3, for devices)")
    click.echo(f"HTTP API  http://{_endpoint(stack.gateway.http_endpoint)} (/healthz, /metrics)")
    if file is not None:
        click.echo(f"cluster   export KUBECONFIG={file.path.resolve()}")
    else:
        click.echo(f"cluster   as KUBECONFIG says, namespace {NAMESPACE}")
    phases.follow(stack)
    for selection in fleet:
        await stack.boards.power_on(selection.kind, count=selection.count, link=selection.link)


async def _take_down(stack: Stack, end: End, phases: _Phases) -> int:
    """In order where nothing is under way; whoever is still enrolling is not waited for. Returns the exit code."""
    from harness.clusters.existing.cluster import LEAVING

    phases.end()
    unsettled = phases.boards - phases.count(SETTLED)
    if unsettled:
        _say(f"stopping at once: {unsettled} of {phases.boards} boards were still on their way in")
    else:
        _say("stopping")
    work = asyncio.create_task(stack.abandon() if unsettled else stack.stop())
    await asyncio.wait([work, end.insisted], return_when=asyncio.FIRST_COMPLETED)
    hurried = not work.done()
    if hurried:
        _say("stopping at once")
        await stack.abandon()
    await work
    if not hurried:
        for line in await LEAVING.settle(stack.clock):
            _say(line)
    _say("stopped")
    return INTERRUPTED if hurried else 0


def _say(words: str) -> None:
    """Tell it, if anybody is there: after a hangup the terminal is gone."""
    with suppress(OSError):
        click.echo(words)


def _endpoint(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


class _Phases:
    """Tells how many devices are in which phase whenever that changes and nothing else is about to happen."""

    def __init__(self) -> None:
        self._phases: dict[str, str] = {}
        self._due: asyncio.Handle | None = None
        self._said = ""
        self._stack: Stack | None = None

    def follow(self, stack: Stack) -> None:
        """Listen from now on."""
        self._stack, self._stop = stack, stack.history.listen(self._heard)

    def end(self) -> None:
        """Say no more."""
        if self._stack is not None:
            self._stop()
        if self._due is not None:
            self._due.cancel()

    @property
    def boards(self) -> int:
        """How many boards there are."""
        return len(self._stack.boards) if self._stack is not None else 0

    def count(self, phases: set[str]) -> int:
        """How many devices are in one of these phases."""
        return sum(phase in phases for phase in self._phases.values())

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
            _say(f"devices   {counted}")
