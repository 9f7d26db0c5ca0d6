"""``wasmbed platform``: a platform on this machine as programs that are kept running, without a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.cluster import asynchronous
from harness.cli.config import settings_options
from harness.cli.forms import form_option, show_change, show_document
from harness.cli.installation_tools import build, check_running, kubeconfig_of, monitor, test
from harness.cli.output import say
from harness.cli.resources import watch_option
from harness.cli.service import Report, start_service
from harness.cli.tables import Table
from harness.core.errors import RigError, UsageError

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


for _tool in (build, test, monitor):
    platform.add_command(_tool)


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
async def deploy(settings: Path | None, pairs: Sequence[str], foreground: bool, within: int, report: int | None) -> int:
    """Start the platform, and return when it serves."""
    chosen, folder = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        cluster.deploy(within)
        return 0
    from harness.platform.control import is_running

    if report is None and await is_running(folder.socket):  # a service reports it itself
        do = "see wasmbed platform status; stop it before you start it with other settings"
        raise UsageError("a platform runs here already", where=str(folder.path), do=do)
    folder.make()
    if report is not None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        await _serve(chosen, folder, say, Report(report).ready)
    elif foreground:
        await _serve(chosen, folder, say, lambda: say("running; press Ctrl-C to stop"))
    else:
        arguments = ["platform", "deploy", *([f"--settings={settings}"] if settings is not None else [])]
        if code := start_service([*arguments, *(f"--set={pair}" for pair in pairs)], folder.logs / SUPERVISOR):
            return code
        programs = (await _asked(settings, pairs, do="status"))["programs"]
        where = next(program["addresses"]["http"] for program in programs if program["name"] == "api")
        say(f"dashboard      http://{where}/ (sign in with a token: wasmbed platform token)")
        say("running; stop it with wasmbed platform stop")
    return 0


@platform.command()
@settings_options
@form_option
@watch_option
@asynchronous
async def status(settings: Path | None, pairs: Sequence[str], form: str, watch: bool) -> int:
    """Show the programs. Exit code 3 if one of them does not run (on this machine)."""
    chosen, folder = _chosen(settings, pairs)
    if (cluster := _in_cluster(chosen)) is not None:
        if watch:
            raise UsageError("the programs run in a cluster", where="--watch", do="use kubectl get pods --watch")
        if form not in ("table", "wide"):
            raise UsageError("the programs run in a cluster", where=f"-o {form}", do="use kubectl get pods -o json")
        cluster.status()
        return 0
    if watch:
        await _watch(folder, form)
        return 0
    found = await _asked(settings, pairs, do="status")
    if not show_document(form, found, [f"program/{program['name']}" for program in found["programs"]]):
        _show(found, wide=form == "wide")
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

    chosen, _ = _chosen(settings, pairs)
    namespace = chosen.platform.namespace
    await check_running(chosen)
    async with opened(kubeconfig_of(chosen), namespace) as api:
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
            _confirm("Delete the platform in the cluster with all its resources?")
        cluster.clean()
        return
    if await is_running(folder.socket):
        raise UsageError("the platform runs", where=str(folder.path), do="stop it: wasmbed platform stop")
    if not folder.path.exists():
        say("nothing to remove")
        return
    if not yes:
        _confirm(f"Remove {folder.path} with all keys?")
    folder.remove()
    say(f"removed {folder.path}")


def _confirm(question: str) -> None:
    """Ask at a terminal. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", where="platform clean", do="confirm with --yes")
    click.confirm(question, abort=True)


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


async def _watch(folder: Folder, form: str) -> None:
    """Show the programs, and again when one of them changes, until a signal. Raises RigError when the platform ends."""
    from harness.cli.ending import End
    from harness.platform.control import ask

    end = End()
    end.watch_reader()

    async def show() -> None:
        async for found in ask(folder.socket, do="status", follow=True):
            if not show_change(form, found, [f"program/{program['name']}" for program in found["programs"]]):
                _show(found, wide=form == "wide")
        raise RigError("the platform ended", where=str(folder.path), do="start it again: wasmbed platform deploy")

    await end.unless(show())


async def _serve(
    settings: Settings, folder: Folder, tell: Callable[[str], object], ready: Callable[[], object]
) -> None:
    """Run the platform until a signal, or until a client asks for the end."""
    from harness.cli.ending import End
    from harness.core.clock import SystemClock
    from harness.core.identifiers import Randomness
    from harness.platform.control import Control
    from harness.platform.requests import supervisor_answers
    from harness.platform.supervisor import Supervisor

    end = End()
    supervisor = Supervisor(settings, folder, SystemClock(), Randomness(), tell)

    control = Control(folder.socket, supervisor_answers(supervisor, end.request_stop))
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


def _show(found: dict[str, Any], *, wide: bool) -> None:
    table = Table("program", "phase", "since", "restarts", "last end", *["pid"] * wide, "serves at")
    for program in found["programs"]:
        served = ", ".join(f"{name} {where}" for name, where in program["addresses"].items())
        since = program["since"].partition(".")[0] + "Z"
        phase = program["phase"]
        pid = [str(program["pid"] or "")] * wide
        table.add(
            program["name"], (phase, PROGRAMS.get(phase, "")), since, str(program["restarts"]), program["lastEnd"],
            *pid, served,
        )  # fmt: skip
    table.show()
    cluster = found["cluster"]
    again = f", started again {cluster['restarts']} times" if cluster["restarts"] else ""
    say(f"cluster {cluster['kind']}, namespace {found['namespace']}{again}; export KUBECONFIG={found['kubeconfig']}")
