"""``wasmbed up``: the platform and its boards, until somebody ends it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from harness.cli.cluster import asynchronous
from harness.cli.ending import End
from harness.cli.kubeconfig import Kubeconfig
from harness.cli.phases import Phases, tell
from harness.core.errors import RigError, UsageError

if TYPE_CHECKING:
    from harness.boards.catalogue import Selection
    from harness.stack import Stack

PORT = click.IntRange(0, 65535)
OPTIONS = {"listen": "--port", "http": "--http-port"}
"""Which option says where the gateway listens, by the gateway's setting."""
CLUSTER = "embedded-process"
"""A client that keeps the API server busy keeps neither the gateway nor a board from running."""
EXISTING, NAMESPACE = "kubeconfig", "wasmbed"
SETTLED = {"Connected", "Disconnected", "Failed"}
INTERRUPTED = 130
HISTORY = "history.jsonl"
KEPT = 10_000
"""Events that stay in memory, so that a platform that runs for months needs no more than one that runs for an hour."""


@click.command()
@click.option(
    "--boards",
    default="virtual=1",
    show_default=True,
    help="Kinds and numbers, as in virtual=5,mps2-an385=2; none for a platform without boards.",
)
@click.option(
    "--cluster", default=CLUSTER, show_default=True, help="Where the Kubernetes API lives; see wasmbed doctor."
)
@click.option(
    "--allow-cluster", metavar="NAME", help="Context of a cluster on another machine, for --cluster=kubeconfig."
)
@click.option("--only", type=click.Choice(["cluster"]), help="The cluster alone: no gateway, controllers or boards.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Where to write how to reach the cluster.")
@click.option(
    "--port", type=PORT, default=8081, show_default=True, help="Of the gateway, for devices; 0: any free one."
)
@click.option(
    "--http-port", type=PORT, default=8080, show_default=True, help="Of the gateway's HTTP API; 0: any free one."
)
@click.option("--heartbeat", default="30", show_default=True, help="Seconds between two heartbeats.")
@click.option(
    "--beat", default="5", show_default=True, help="Seconds between two beats of the gateway; Offline after 3 missed."
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    help="A folder to record everything in; earlier records stay. Without it, only the newest events are kept.",
)
@asynchronous
async def up(
    boards: str,
    cluster: str,
    allow_cluster: str | None,
    only: str | None,
    kubeconfig: Path | None,
    port: int,
    http_port: int,
    heartbeat: str,
    beat: str,
    history: Path | None,
) -> int:
    """Bring the platform up with boards and keep it running until Ctrl-C.

    The kubeconfig is there as long as the platform runs. Press Ctrl-C again to stop at once.
    """
    end = End()
    from harness.boards.catalogue import Catalogue
    from harness.stack.backends import check_options
    from harness.stack.options import StackOptions
    from harness.stack.stack import Stack

    fleet = Catalogue().parse(_boards(boards, only))
    given = {"heartbeat": heartbeat, "beat": beat, "cluster": cluster, "allow_cluster": allow_cluster}
    options = StackOptions.parse(given, {})
    check_options(options)
    # An existing cluster has a kubeconfig already.
    file = Kubeconfig(kubeconfig) if kubeconfig or cluster != EXISTING else None
    record = _new_record(history)
    listen, http = ("127.0.0.1", port), ("127.0.0.1", http_port)
    stack = Stack(options, folder=history, record=record, listen=listen, http=http, keep=KEPT, namespace=NAMESPACE)
    if file is not None:
        await file.check(stack.clock)
    phases = Phases()
    try:
        if await end.unless(_bring_up(stack, file, fleet, phases, platform=only is None)) and not end.wanted.done():
            tell("running; Ctrl-C ends it")
            await end.unless(stack.cluster.lost())
    except BaseException:
        await stack.abandon()
        raise
    else:
        return await _take_down(stack, end, phases)
    finally:
        if file is not None:
            file.remove()


def _boards(boards: str, only: str | None) -> str:
    """What to power on. Raises UsageError where boards are asked for, and no platform."""
    if only is None:
        return boards
    given = click.get_current_context().get_parameter_source("boards")
    if boards != "none" and given is not ParameterSource.DEFAULT:
        raise UsageError("boards need the platform", where=f"--only {only}", do="leave --boards out, or --only")
    return "none"


def _new_record(folder: Path | None) -> str:
    """A name for the record in ``folder`` that none of an earlier run has."""
    names = itertools.chain([HISTORY], (f"history-{number}.jsonl" for number in itertools.count(2)))
    return next(name for name in names if folder is None or not os.path.lexists(folder / name))


async def _bring_up(
    stack: Stack, file: Kubeconfig | None, fleet: Sequence[Selection], phases: Phases, *, platform: bool
) -> None:
    from harness.clusters.embedded import EmbeddedCluster
    from harness.clusters.embedded.process import EmbeddedProcessCluster
    from harness.wasmbed.gateway.gateway import CannotListen

    try:
        await stack.start(platform=platform)
    except CannotListen as error:
        option = OPTIONS[error.setting]
        raise RigError(
            error.what, where=option, do=f"end what uses the port, or choose another: {option}=N, 0 for any free one"
        ) from error
    if stack.history.path is not None and stack.history.path.name != HISTORY:
        tell(f"record    {stack.history.path} (there are earlier ones, which stay)")
    phases.follow(stack)
    if platform:
        if isinstance(stack.cluster, EmbeddedCluster | EmbeddedProcessCluster):
            stack.cluster.serve_logs(
                lambda name: next((board.console for board in stack.boards if name in (board.name, board.device)), None)
            )
        tell(f"gateway   {_endpoint(stack.gateway.endpoint)} (TLS 1.3, for devices)")
        tell(f"HTTP API  http://{_endpoint(stack.gateway.http_endpoint)} (/healthz, /metrics)")
    if file is not None:
        await file.write(stack.cluster)
        tell(f"cluster   export KUBECONFIG={file.path.resolve()}")
    else:
        tell(f"cluster   as KUBECONFIG says, namespace {NAMESPACE}")
    for selection in fleet:
        await stack.boards.power_on(selection.kind, count=selection.count, link=selection.link)


async def _take_down(stack: Stack, end: End, phases: Phases) -> int:
    """In order where nothing is under way; whoever is still enrolling is not waited for. Returns the exit code."""
    from harness.clusters.existing.cluster import LEAVING

    phases.end()
    unsettled = phases.boards - phases.count(SETTLED)
    if unsettled > 0:
        tell(f"stopping at once: {unsettled} of {phases.boards} boards were still on their way in")
    else:
        tell("stopping")
    work = asyncio.create_task(stack.abandon() if unsettled > 0 else stack.stop())
    await asyncio.wait([work, end.insisted], return_when=asyncio.FIRST_COMPLETED)
    hurried = not work.done()
    if hurried:
        tell("stopping at once")
        await stack.abandon()
    await work
    if not hurried:
        for line in await LEAVING.settle(stack.clock):
            tell(line)
    phases.check_record()
    tell("stopped")
    return INTERRUPTED if hurried else 0


def _endpoint(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"
