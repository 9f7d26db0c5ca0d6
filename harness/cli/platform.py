"""``wasmbed up``: run the platform with boards until a signal."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from harness.cli import completion
from harness.cli.asking import socket_of
from harness.cli.cluster import program
from harness.cli.ending import End
from harness.cli.kubeconfig import Kubeconfig, default_kubeconfig
from harness.cli.output import say
from harness.cli.phases import Phases, tell
from harness.cli.service import Report, start_service
from harness.core.errors import HarnessError, RigError, UsageError
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from harness.cli.fleet import DescribedFleet, SelectedFleet
    from harness.cli.fleet_file import FleetFile
    from harness.platform.control import Control
    from harness.stack import Stack

PORT = click.IntRange(0, 65535)
OPTIONS = {"listen": "--port", "http": "--http-port"}
"""The options for the gateway's ports, by the gateway's setting."""
CLUSTER = "embedded-process"
"""A separate process: a client that keeps the API server busy does not delay the gateway or a board."""
EXISTING = "kubeconfig"
_OF_PLATFORM = ("boards", "gateway", "port", "http_port", "heartbeat", "beat", "relay")
"""The options that are about gateway, controllers or boards."""
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123: a label."""
SETTLED = {"Connected", "Disconnected", "Unreachable", "Failed"}
INTERRUPTED = 130
HISTORY = "history.jsonl"
KEPT = 10_000
"""The most events in memory, so that memory does not grow over months."""


@click.command()
@click.option(
    "-f",
    "--file",
    "fleet_path",
    type=click.Path(path_type=Path),
    help="File with a fleet: boards and applications.  [default: wasmbed.yaml, if there is one here]",
)
@click.option("--watch", is_flag=True, help="Build and deploy an application of the file again when its file changes.")
@click.option("--schema", "shows_schema", is_flag=True, help="Print the JSON Schema of that file instead.")
@click.option(
    "--boards",
    default="virtual=1",
    show_default=True,
    help="Kinds and numbers of boards (virtual=5,mps2-an385=2), or none; instead of the file's.",
    shell_complete=completion.kinds,
)
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="Firmware image of another project for the boards, which have to be of one kind in QEMU.",
)
@click.option("--cluster", default=CLUSTER, show_default=True, help="Kind of cluster; see wasmbed doctor.")
@click.option(
    "--allow-cluster",
    metavar="NAME",
    help="Allow the cluster of this context on another machine (--cluster=kubeconfig).",
)
@click.option("--k3d-config", type=click.Path(path_type=Path), help="Configuration file of k3d (--cluster=k3d).")
@click.option(
    "--import-images",
    metavar="IMAGES",
    help="Images for the cluster's nodes beside the platform's, separated by commas (--cluster=k3d).",
)
@click.option(
    "--keep-cluster",
    metavar="NAME",
    help="Use the cluster of this name if it is there, and leave it at the end (--cluster=k3d).",
)
@click.option(
    "--gateway",
    default="reference",
    show_default=True,
    help="Kind of gateway, or a table [gateways.NAME] of harness.toml; see wasmbed doctor.",
)
@click.option(
    "--only", type=click.Choice(["cluster"]), help="Start only the cluster: no gateway, controllers or boards."
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="File to write, with which other commands and kubectl find the cluster. With --cluster=kubeconfig: the file "
    "of the cluster to use.",
)
@click.option("--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Namespace of the platform.")
@click.option(
    "--port", type=PORT, default=8081, show_default=True, help="Port of the gateway for devices; 0 is any free one."
)
@click.option(
    "--http-port", type=PORT, default=8080, show_default=True, help="Port of the gateway's HTTP API; 0 is any free one."
)
@click.option("--heartbeat", default="30", show_default=True, help="Seconds between heartbeats of a device.")
@click.option(
    "--beat",
    default="5",
    show_default=True,
    help="Seconds between heartbeats of the gateway; it is Offline after 3 missed ones.",
)
@click.option(
    "--relay", is_flag=True, help="Let links pass a relay, which wasmbed link delay can tell to disturb them."
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    help="Folder for a record of everything; earlier records stay.  [default: no record]",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder to go on from, in which everything is kept before it is acknowledged, for the embedded clusters.  "
    "[default: nothing is kept]",
)
@click.option(
    "-d", "--detach", is_flag=True, help="Return when the boards run: the platform goes on in the background."
)
@click.option("--report", type=int, hidden=True, help="Descriptor for progress; then it is in the background.")
@program
async def up(
    fleet_path: Path | None,
    watch: bool,
    shows_schema: bool,
    boards: str,
    image: Path | None,
    cluster: str,
    allow_cluster: str | None,
    k3d_config: Path | None,
    import_images: str | None,
    keep_cluster: str | None,
    gateway: str,
    only: str | None,
    kubeconfig: Path | None,
    namespace: str,
    port: int,
    http_port: int,
    heartbeat: str,
    beat: str,
    relay: bool,
    history: Path | None,
    state: Path | None,
    detach: bool,
    report: int | None,
) -> int:
    """Run the platform with boards until Ctrl-C, or with -d in the background until wasmbed down.

    The kubeconfig exists while the platform runs. Press Ctrl-C again to stop immediately. In the background, output
    goes to the file beside the kubeconfig that ends with .log.
    """
    if shows_schema:
        from harness.cli.fleet_file import schema

        say(json.dumps(schema(), indent=2))
        return 0
    if kubeconfig is not None:
        socket_of(kubeconfig)  # refuses a path without a name
    if detach:
        return _detach(kubeconfig, cluster)
    started = Report(report) if report is not None else None
    end = End()
    described = _described(fleet_path)
    if described is not None:
        cluster = _chosen("cluster", cluster, described.fleet.cluster)
        gateway = _chosen("gateway", gateway, described.fleet.gateway)
        namespace = _chosen("namespace", namespace, described.fleet.namespace)
        heartbeat = _chosen("heartbeat", heartbeat, described.fleet.heartbeat)
    if watch and (described is None or not described.fleet.applications):
        do = "describe the applications in wasmbed.yaml, and omit --boards"
        raise UsageError("there are no applications to watch", where="--watch", do=do)
    _check_namespace(namespace)
    from harness.cli.fleet import DescribedFleet, SelectedFleet
    from harness.stack.backends import check_options
    from harness.stack.board_choice import board_catalogue
    from harness.stack.gateway_choice import check_gateway_choice
    from harness.stack.options import StackOptions
    from harness.stack.sources import find_root
    from harness.stack.stack import Stack

    given: dict[str, str | None] = {
        "heartbeat": heartbeat,
        "beat": beat,
        "cluster": cluster,
        "allow_cluster": allow_cluster,
        "k3d_config": str(k3d_config) if k3d_config else None,
        "import_images": import_images,
        "keep_cluster": keep_cluster,
        "gateway": gateway,
        **({"relay": "yes"} if relay else {}),
    }
    if image is not None:
        given |= {"image": str(image), "boards": _only_kind(boards)}
    if cluster == EXISTING:
        given["kubeconfig"] = str(kubeconfig) if kubeconfig else None
    if described is not None and described.fleet.faults is not None:
        given["schedule"] = str(described.placed(described.fleet.faults))
    with _blaming(described):
        options = StackOptions.parse(given, {})
    catalogue = board_catalogue(options)
    fleet = DescribedFleet(described, catalogue) if described else SelectedFleet(_boards(boards, only), catalogue)
    with _blaming(described):
        check_options(options)
        check_gateway_choice(options, find_root(Path.cwd()))
    file = Kubeconfig(kubeconfig) if cluster != EXISTING else None
    record = _new_record(history)
    listen, http = ("127.0.0.1", port), ("127.0.0.1", http_port)
    ports = {OPTIONS["listen"]: listen, OPTIONS["http"]: http}
    stack = Stack(
        options,
        folder=history,
        record=record,
        listen=listen,
        http=http,
        keep=KEPT,
        namespace=namespace,
        state=state,
    )
    if file is not None:
        await file.check(stack.clock)
    phases = Phases()
    control = None if file is None else _control(stack, file, namespace, end)
    try:
        if (
            await end.unless(fleet.build())
            and await end.unless(_bring_up(stack, file, fleet, phases, ports, namespace, platform=only is None))
            and not end.stop_requested.done()
        ):
            if state is not None:
                tell(f"state     {state} (everything acknowledged is kept there)")
            if control is not None:
                await control.start()
            if started is not None:
                started.ready()
            tell("running; press Ctrl-C to stop")
            await end.unless(_until_lost(stack, fleet, watch=watch))
    except BaseException:
        await stack.abandon()
        raise
    else:
        return await _take_down(stack, end, phases)
    finally:
        if file is not None:
            file.remove()
        if control is not None:
            await control.close()


async def _until_lost(stack: Stack, fleet: DescribedFleet | SelectedFleet, *, watch: bool) -> None:
    """Raise when the cluster is lost; until then watch the applications' files, if that is wanted."""
    works = [stack.lost(), *([fleet.watch(stack)] if watch else [])]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _control(stack: Stack, file: Kubeconfig, namespace: str, end: End) -> Control:
    """The socket for wasmbed down and ps."""
    from harness.cli.up_requests import up_answers
    from harness.platform.control import Control

    return Control(socket_of(file.path), up_answers(stack, file.path, namespace, end.request_stop))


def _detach(kubeconfig: Path | None, cluster: str) -> int:
    if cluster == EXISTING:
        do = "omit -d, or keep a platform there with wasmbed platform deploy"
        raise UsageError("a platform on a cluster that exists does not run in the background", where="-d", do=do)
    path = kubeconfig or default_kubeconfig()
    if kubeconfig is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    context = click.get_current_context()
    given = [
        option.opts[-1] if context.params[option.name] is True else f"{option.opts[-1]}={context.params[option.name]}"
        for option in context.command.params
        if option.name not in (None, "detach") and _is_given(str(option.name))
    ]
    if code := start_service(["up", *given], path.with_name(f"{path.name}.log")):
        return code
    option = f" --kubeconfig={path}" if kubeconfig is not None else ""
    tell(f"running in the background; stop it with wasmbed down{option}")
    return 0


def _described(path: Path | None) -> FleetFile | None:
    """The fleet's file, which other boards, or no boards, stand instead of."""
    from harness.cli.fleet_file import find_fleet

    other = next((name for name in ("boards", "only", "image") if _is_given(name)), None)
    if other is None:
        found = find_fleet(path)
        if found is not None:
            tell(f"fleet     {found.path}")
        return found
    if path is not None:
        raise UsageError(
            f"has boards, and --{other} names others", where=f"--file {path}", do=f"omit --{other}, or --file"
        )
    return None


@contextmanager
def _blaming(described: FleetFile | None) -> Iterator[None]:
    """Errors about an option whose value is the file's name the place in the file."""
    try:
        yield
    except HarnessError as error:
        name = (error.where or "").removeprefix("--").partition("=")[0]
        if described is None or getattr(described.fleet, name, None) is None or _is_given(name):
            raise
        raise described.blamed(error, name) from error


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def _chosen(name: str, option: str, of_file: object) -> str:
    """The option if it is given, else the file's setting, else the option's default."""
    return option if of_file is None or _is_given(name) else str(of_file)


def _check_namespace(name: str) -> None:
    if not NAMESPACE.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid name of a namespace",
            where="--namespace",
            do="use a-z, 0-9 and -, at most 63 characters",
        )


def _only_kind(boards: str) -> str:
    kinds = {part.partition("=")[0].strip() for part in boards.split(",")}
    if len(kinds) != 1:
        raise UsageError("is for boards of one kind", where="--image", do="write tables [boards.NAME] for several")
    return kinds.pop()


def _boards(boards: str, only: str | None) -> str:
    """The boards to power on. Raises UsageError for boards without a platform."""
    if only is None:
        return boards
    given = [name for name in _OF_PLATFORM if _is_given(name)]
    given = [f"--{name.replace('_', '-')}" for name in given if name != "boards" or boards != "none"]
    if given:
        raise UsageError(
            f"{' and '.join(given)}: without a platform there is nothing to set",
            where=f"--only {only}",
            do=f"omit {' and '.join(given)}, or --only",
        )
    return "none"


def _new_record(folder: Path | None) -> str:
    """An unused name for the record in ``folder``."""
    names = itertools.chain([HISTORY], (f"history-{number}.jsonl" for number in itertools.count(2)))
    return next(name for name in names if folder is None or not os.path.lexists(folder / name))


async def _bring_up(
    stack: Stack,
    file: Kubeconfig | None,
    fleet: DescribedFleet | SelectedFleet,
    phases: Phases,
    ports: Mapping[str, tuple[str, int]],
    namespace: str,
    *,
    platform: bool,
) -> None:
    from harness.clusters.embedded import EmbeddedCluster
    from harness.clusters.embedded.process import EmbeddedProcessCluster
    from harness.clusters.existing import KubeconfigCluster
    from harness.wasmbed.gateway.gateway import CannotListen

    try:
        await stack.start(platform=platform)
    except CannotListen as error:
        option = OPTIONS[error.setting]
        taken = [name for name, endpoint in ports.items() if _is_taken(endpoint)]
        if len(taken) > 1:
            places = " and ".join(_endpoint(ports[name]) for name in taken)
            raise RigError(
                f"cannot listen at {places}: another program does, perhaps another wasmbed up",
                where=" ".join(taken),
                do=f"stop it, or choose other ports: {' '.join(f'{name}=0' for name in taken)} (0 is any free one)",
            ) from error
        raise RigError(
            error.what,
            where=option,
            do=f"stop the program that uses the port, or choose another: {option}=N (0 is any free one)",
        ) from error
    if stack.history.path is not None and stack.history.path.name != HISTORY:
        tell(f"record    {stack.history.path} (earlier records stay)")
    phases.follow(stack)
    if platform:
        if isinstance(stack.cluster, EmbeddedCluster | EmbeddedProcessCluster):
            stack.cluster.serve_logs(
                lambda name: next((board.console for board in stack.boards if name in (board.name, board.device)), None)
            )
        tell(f"gateway   {_endpoint(stack.gateway.endpoint)} (TLS 1.3, for devices)")
        if "gateway-http" in stack.gateway.features:
            tell(f"HTTP API  http://{_endpoint(stack.gateway.http_endpoint)} (/healthz, /metrics)")
    if file is not None:
        await file.write(stack.cluster)
        tell(f"cluster   export KUBECONFIG={file.path.resolve()}")
    else:
        path = stack.options.kubeconfig or KubeconfigCluster.default_path()
        tell(f"cluster   {path}, namespace {namespace}")
    await fleet.start(stack)


async def _take_down(stack: Stack, end: End, phases: Phases) -> int:
    """Stop gracefully, or immediately if boards are still connecting. Returns the exit code."""
    from harness.clusters.existing.cluster import LEAVING

    phases.end()
    unsettled = phases.boards - phases.count(SETTLED)
    if unsettled > 0:
        tell(f"stopping immediately: {unsettled} of {phases.boards} boards were still connecting")
    else:
        tell("stopping")
    work = asyncio.create_task(stack.abandon() if unsettled > 0 else stack.stop())
    await asyncio.wait([work, end.stop_now], return_when=asyncio.FIRST_COMPLETED)
    hurried = not work.done()
    if hurried:
        tell("stopping immediately")
        await stack.abandon()
    await work
    if not hurried:
        for line in await LEAVING.settle(stack.clock):
            tell(line)
    phases.check_record()
    tell("stopped")
    return INTERRUPTED if hurried else 0


def _is_taken(endpoint: tuple[str, int]) -> bool:
    if endpoint[1] == 0:
        return False
    try:
        socket.create_server(endpoint).close()
    except OSError:
        return True
    return False


def _endpoint(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"
