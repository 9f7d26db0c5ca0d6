"""``wasmbed platform``: a platform on this machine as programs that are kept running, without a terminal."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.cluster import asynchronous
from harness.cli.config import settings_options
from harness.cli.output import cell, say, show
from harness.cli.resources import COLOURS
from harness.core.errors import HarnessError, RigError, UsageError

if TYPE_CHECKING:
    from harness.platform.folder import Folder
    from harness.platform.in_cluster import InCluster
    from harness.platform.settings import Settings

__all__ = ["platform"]

SUPERVISOR = "supervisor.log"
PROGRAMS = {"running": "green", "starting": "yellow", "waiting": "red", "stopped": "yellow"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def platform() -> None:
    """Run a platform on this machine as programs that are kept running: API server, gateways, controllers, REST API and
    dashboard, infrastructure service, emulators.

    wasmbed.toml says what runs and at which ports (wasmbed config). Keys, resources and logs stay in its folder. With
    cluster.manifests the programs run in a cluster instead, and kubectl does what these commands ask for.
    """


@platform.command()
@settings_options
@click.option("--foreground", is_flag=True, help="Stay until Ctrl-C.")
@click.option(
    "--wait",
    "within",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for each program in a cluster.",
)
@click.option("--report", type=int, hidden=True, help="Descriptor for progress; then it is a service.")
@asynchronous
async def deploy(
    settings: Path | None, pairs: Sequence[str], foreground: bool, within: int, report: int | None
) -> None:
    """Start the platform, and return when it serves."""
    chosen, folder = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        cluster.deploy(within)
        return
    from harness.platform.control import is_running

    if report is None and await is_running(folder.socket):  # a service reports it itself
        do = "see wasmbed platform status; stop it before you start it with other settings"
        raise UsageError("a platform runs here already", where=str(folder.path), do=do)
    folder.make()
    if report is not None:
        await _report(report, chosen, folder)
    elif foreground:
        await _serve(chosen, folder, say, lambda: say("running; press Ctrl-C to stop"))
    else:
        _start_service(settings, pairs, folder)
        say("running; stop it with wasmbed platform stop")


@platform.command()
@settings_options
@click.option("-o", "form", type=click.Choice(["table", "json"]), default="table", help="Form of the output.")
@asynchronous
async def status(settings: Path | None, pairs: Sequence[str], form: str) -> int:
    """Show the programs. Exit code 3 if one of them does not run (on this machine)."""
    chosen, _ = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        cluster.status()
        return 0
    found = await _asked(settings, pairs, do="status")
    if form == "json":
        say(json.dumps(found, indent=2))
    else:
        _show(found)
    return 0 if all(program["phase"] == "running" for program in found["programs"]) else RigError.exit_code


@platform.command()
@settings_options
@asynchronous
async def stop(settings: Path | None, pairs: Sequence[str]) -> None:
    """Stop all programs. Resources, keys and logs stay."""
    chosen, _ = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        cluster.stop()
        return
    await _asked(settings, pairs, do="stop")
    say("stopped")


@platform.command()
@click.argument("programs", metavar="[PROGRAM]...", nargs=-1)
@settings_options
@asynchronous
async def restart(programs: Sequence[str], settings: Path | None, pairs: Sequence[str]) -> None:
    """Restart these programs, or all but the API server."""
    chosen, _ = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        cluster.restart(programs)
        return
    answer = await _asked(settings, pairs, do="restart", programs=list(programs))
    say(f"restarted {', '.join(answer['restarted'])}")


@platform.command()
@click.argument("programs", metavar="[PROGRAM]...", nargs=-1)
@settings_options
@click.option("--follow", "-f", is_flag=True, help="Continue with new lines until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Show only the last N lines of each.")
@asynchronous
async def logs(
    programs: Sequence[str], settings: Path | None, pairs: Sequence[str], follow: bool, tail: int | None
) -> None:
    """Show the latest lines of these programs' logs, or of all. The whole logs are in the folder's logs."""
    from harness.cli.ending import End
    from harness.platform.control import ask

    chosen, folder = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        cluster.logs(programs, tail, follow=follow)
        return
    end = End()
    end.watch_reader()

    async def print_lines() -> None:
        async for answer in ask(folder.socket, do="logs", programs=list(programs), follow=follow, tail=tail):
            say(f"{answer['program']:<14} {answer['line']}")

    await end.unless(print_lines())


@platform.command()
@settings_options
@click.option(
    "--role", type=click.Choice(["viewer", "operator", "admin"]), default="operator", show_default=True,
    help="A viewer reads, an operator deploys, an admin deletes devices and changes gateways, too.",
)  # fmt: skip
@asynchronous
async def token(settings: Path | None, pairs: Sequence[str], role: str) -> None:
    """Print a token for the REST API and the dashboard, for an hour."""
    from harness.cli.cluster import opened
    from harness.wasmbed.api.accounts import token_of

    chosen, folder = _chosen(settings, pairs)
    namespace = chosen.platform.namespace
    own = folder.kubeconfig if chosen.cluster.kubeconfig is None else chosen.cluster.kubeconfig
    async with opened(own, namespace) as api:
        say(await token_of(role, api, namespace))


@platform.command()
@settings_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@asynchronous
async def clean(settings: Path | None, pairs: Sequence[str], yes: bool) -> None:
    """Remove the folder of a stopped platform: its resources, keys and logs. Devices do not know the next one."""
    from harness.platform.control import is_running

    chosen, folder = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        if not yes:
            click.confirm("Delete the platform in the cluster with all its resources?", abort=True)
        cluster.clean()
        return
    if await is_running(folder.socket):
        raise UsageError("the platform runs", where=str(folder.path), do="stop it: wasmbed platform stop")
    if not folder.path.exists():
        say("nothing to remove")
        return
    if not yes:
        click.confirm(f"Remove {folder.path} with all keys?", abort=True)
    folder.remove()
    say(f"removed {folder.path}")


def _chosen(settings: Path | None, pairs: Sequence[str]) -> tuple[Settings, Folder]:
    from harness.platform.folder import Folder
    from harness.platform.settings import read_settings

    chosen = read_settings(settings, pairs)
    return chosen, Folder(chosen.platform.folder)


def _in_cluster(settings: Settings) -> InCluster | None:
    """The platform in a cluster, if the settings name its manifests."""
    if settings.cluster.manifests is None:
        return None
    from harness.platform.in_cluster import InCluster

    return InCluster(settings.cluster.manifests, settings.cluster.kubeconfig, settings.platform.namespace)


async def _asked(settings: Path | None, pairs: Sequence[str], **request: Any) -> dict[str, Any]:
    """The only answer to a request."""
    from harness.platform.control import ask

    _, folder = _chosen(settings, pairs)
    answers = [answer async for answer in ask(folder.socket, **request)]
    if not answers:
        do = f"see {folder.logs / SUPERVISOR}"
        raise RigError("the platform's supervisor ended", where=str(folder.path), do=do)
    return answers[0]


async def _serve(
    settings: Settings, folder: Folder, tell: Callable[[str], object], ready: Callable[[], object]
) -> None:
    """Run the platform until a signal, or until a client asks for the end."""
    from harness.cli.ending import End
    from harness.core.clock import SystemClock
    from harness.core.identifiers import Randomness
    from harness.platform.control import Control
    from harness.platform.supervisor import Supervisor

    end = End()
    supervisor = Supervisor(settings, folder, SystemClock(), Randomness(), tell)

    def stop() -> None:
        if not end.stop_requested.done():
            end.stop_requested.set_result(None)

    control = Control(folder.socket, supervisor, stop)
    await control.start()
    try:
        if await end.unless(supervisor.start()):
            ready()
            await end.stop_requested
    finally:
        try:
            await supervisor.stop()
        finally:
            await control.close()


async def _report(descriptor: int, settings: Settings, folder: Folder) -> None:
    """The service: what it does until it is ready is reported to the command that started it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.set_inheritable(descriptor, False)  # the command waits for its end, which the programs must not hold open
    reports = os.fdopen(descriptor, "w", buffering=1)

    def tell(line: str) -> None:
        if not reports.closed:
            reports.write(json.dumps({"line": line}) + "\n")

    def ready() -> None:
        reports.write(json.dumps({"ready": True}) + "\n")
        reports.close()

    try:
        await _serve(settings, folder, tell, ready)
    except HarnessError as error:
        if reports.closed:
            raise
        known = "rig" if isinstance(error, RigError) else "usage"
        reports.write(json.dumps({"error": known, "what": error.what, "where": error.where, "do": error.do}) + "\n")


def _start_service(settings: Path | None, pairs: Sequence[str], folder: Folder) -> None:
    """Start it in a session of its own, and show its reports until it is ready. Raises its error if it is not."""
    ours, theirs = os.pipe()
    command = [sys.executable, "-P", "-m", "harness.cli", "platform", "deploy", "--report", str(theirs)]
    command += ["--settings", str(settings.absolute())] if settings is not None else []
    for pair in pairs:
        command += ["--set", pair]
    with os.fdopen(ours) as reports, (folder.logs / SUPERVISOR).open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=[theirs]
        )
        os.close(theirs)
        for line in reports:
            report = json.loads(line)
            if "ready" in report:
                return
            if "error" in report:
                process.wait()
                kind = RigError if report["error"] == "rig" else UsageError
                raise kind(report["what"], where=report["where"], do=report["do"])
            say(report["line"])
    do = f"see {folder.logs / SUPERVISOR}"
    raise RigError(f"the supervisor ended with exit code {process.wait()}", where=str(folder.path), do=do)


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("program", "phase", "since", "restarts", "last end", "serves at"):
        table.add_column(heading, overflow="fold")
    for program in found["programs"]:
        served = ", ".join(f"{name} {where}" for name, where in program["addresses"].items())
        since = program["since"].partition(".")[0] + "Z"
        texts = (since, str(program["restarts"]), program["lastEnd"], served)
        phase = program["phase"]
        table.add_row(
            cell(program["name"]), cell(phase, PROGRAMS.get(phase, COLOURS.get(phase, ""))), *map(cell, texts)
        )
    show(table)
    cluster = found["cluster"]
    again = f", started again {cluster['restarts']} times" if cluster["restarts"] else ""
    say(f"cluster {cluster['kind']}, namespace {found['namespace']}{again}; export KUBECONFIG={found['kubeconfig']}")
