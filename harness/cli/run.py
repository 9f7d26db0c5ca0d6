"""``wasmbed run``: a suite in shards on a cluster, with one report."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.merge import outcome, write_report
from harness.cli.output import say
from harness.core.errors import ProductFailure, RigError, UsageError, reason
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from harness.shards.job import Suite
    from harness.shards.run import Shard

__all__ = ["run"]

MOST_SHARDS = 1_000
_NONE_COLLECTED = 5
"""pytest's exit code where a shard has no test."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--on", type=click.Choice(["kubernetes"]), required=True, help="Where: pods of a Job.")
@click.option("--shards", type=click.IntRange(1, MOST_SHARDS), required=True, metavar="N", help="Pods at once.")
@click.option("--image", metavar="NAME", help="Image with the suite.  [default: wasmbed/boards of this version]")
@click.option("--cpu", default="2", show_default=True, metavar="QUANTITY", help="Processors of each pod.")
@click.option("--memory", default="4Gi", show_default=True, metavar="QUANTITY", help="Memory of each pod.")
@click.option("--within", default=7200.0, show_default=True, type=click.FloatRange(1, 604_800),
              metavar="SECONDS", help="End all shards after this time.")  # fmt: skip
@click.option("--start-within", default=600.0, show_default=True, type=click.FloatRange(1, 604_800),
              metavar="SECONDS", help="Give up if nothing has started in this time.")  # fmt: skip
@click.option("--into", type=click.Path(path_type=Path), help="The new run's folder.  [default: a new one in reports]")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="[default: $KUBECONFIG, or ~/.kube/config]")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: the current one]")
@click.option("--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Namespace of the Job.")
@click.argument("arguments", metavar="[PYTEST ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED)
def run(
    on: str,
    shards: int,
    image: str | None,
    cpu: str,
    memory: str,
    within: float,
    start_within: float,
    into: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    arguments: Sequence[str],
) -> int:
    """Run pytest in pods of a cluster, each with a shard of the tests, and make one report of all.

    For example: wasmbed run --on kubernetes --shards 4 scenarios --boards=sim. Everything from the first argument that
    is not an option of this command is pytest's. The pods' output is shown with the number of their shard. The
    exit code is as pytest's here: 1 if a test failed, 2 if the command was wrong, 3 if one could not be run or a shard
    has no results. The Job is removed at the end, also after Ctrl-C.
    """
    from importlib.metadata import version

    from harness.core.clock import SystemClock
    from harness.core.loop import new_runner
    from harness.reporting.run_folder import RunFolder
    from harness.shards.job import Suite
    from harness.stack.options import StackOptions

    image = image or f"wasmbed/boards:{version('wasmbed-harness')}"
    suite = Suite(arguments, shards, image, cpu, memory, within)
    folder = RunFolder.new(Path.cwd(), StackOptions(), SystemClock())
    target = folder.path if into is None else into
    if target.exists():
        raise UsageError("it is there already", where=str(target), do="name a new folder: --into")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched = tempfile.TemporaryDirectory(prefix=".wasmbed-run-", dir=target.parent)
    except OSError as error:
        raise UsageError(f"cannot be written: {reason(error)}", where=str(target), do="name another: --into") from error
    with fetched as place, new_runner() as runner:
        found = runner.run(_run(suite, Path(place), kubeconfig, context, namespace, start_within))
        return _conclude(found, target, f"wasmbed run --on {on} --shards {shards} {' '.join(arguments)}")


async def _run(
    suite: Suite, folder: Path, kubeconfig: Path | None, context: str | None, namespace: str, start_within: float
) -> list[Shard]:
    from harness.cli.ending import End
    from harness.clusters.existing import KubeconfigCluster
    from harness.core.clock import SystemClock
    from harness.core.identifiers import Randomness
    from harness.shards.run import ShardedRun
    from harness.wasmbed.resources.api import ApiError
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

    path = kubeconfig or KubeconfigCluster.default_path()
    if not path.is_file():
        raise UsageError("there is no kubeconfig", where=str(path), do="name a cluster's: --kubeconfig, or $KUBECONFIG")
    api = await KubernetesApi.open(namespace, kubeconfig=path, context=context, name="wasmbed-run")
    try:
        sharded = ShardedRun(api, suite, SystemClock(), Randomness(), folder, say, start_within=start_within)
        found: list[Shard] = []

        async def work() -> None:
            found.extend(await sharded.run())

        if not await End().unless(work()):
            raise click.Abort
        return found
    except ApiError as error:
        raise RigError(f"the cluster refused: {error} ({error.code} {error.reason})", where=str(path)) from error
    except OSError as error:
        do = "start it, or name another: --kubeconfig, --context"
        raise RigError(f"the cluster cannot be reached: {reason(error)}", where=api.host, do=do) from error
    finally:
        await api.close()


def _conclude(shards: Sequence[Shard], into: Path, command: str) -> int:
    """Make the report, say what is missing in it, and return the exit code."""
    from harness.reporting.retention import runs_in
    from harness.shards.in_pod import RUNS

    runs = [run for shard in shards for run in runs_in(shard.folder / RUNS)]
    codes = [shard.code for shard in shards if shard.code is not None]
    codes += [outcome(write_report(runs, into, command))] if runs else []
    for shard in shards:
        if shard.trouble:
            say(shard.trouble, err=True)
    if len(codes) == codes.count(_NONE_COLLECTED) == len(shards):
        raise UsageError("no shard has a test", where=command, do="name tests that are in the image")
    return _worst(codes, is_whole=not any(shard.trouble for shard in shards))


def _worst(codes: Iterable[int], *, is_whole: bool) -> int:
    """The exit code of all: that of a failure first, as for one run."""
    blames = {_as_exit_code(code) for code in codes} | (set() if is_whole else {RigError.exit_code})
    order = (ProductFailure.exit_code, UsageError.exit_code, RigError.exit_code)
    return next((code for code in order if code in blames), 0)


def _as_exit_code(code: int) -> int:
    """pytest's exit code as one of ours; 4 is its usage error."""
    known = {0: 0, 1: 1, 2: 2, 4: 2, _NONE_COLLECTED: 0}
    return known.get(code, RigError.exit_code)
