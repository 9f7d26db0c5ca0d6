"""``wasmbed clean``: remove what ended runs and platforms left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous
from harness.cli.kubeconfig import default_kubeconfig, is_alive, server_of
from harness.cli.output import say

if TYPE_CHECKING:
    from harness.core.clock import Clock

PREFIX = "wasmbed-"
"""The prefix of the harness's temporary folders."""
ABANDONED = 24 * 3600.0
"""Seconds without a change after which a temporary folder counts as abandoned."""
KEEP = 20


@click.command()
@click.option(
    "--reports",
    default="reports",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the runs.",
)
@click.option(
    "--keep", default=KEEP, show_default=True, type=click.IntRange(min=0), help="Number of newest runs that stay."
)
@click.option("--cluster", is_flag=True, help="Also remove namespaces of killed runs from the kubeconfig's cluster.")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="Kubeconfig of that cluster.  [default: $KUBECONFIG]"
)
@click.option("--allow-cluster", metavar="NAME", help="Context of that cluster, if it is on another machine.")
@click.option("--kept-clusters", is_flag=True, help="Also remove the k3d clusters that --keep-cluster keeps.")
@asynchronous
async def clean(
    reports: Path,
    keep: int,
    cluster: bool,
    kubeconfig: Path | None,
    allow_cluster: str | None,
    kept_clusters: bool,
) -> None:
    """Remove old runs, temporary folders older than a day, the kubeconfig of a platform that has ended, and the k3d
    clusters of runs that were killed.

    Files in use stay, and files of other programs are never touched.
    """
    from harness.clusters import session
    from harness.core.clock import SystemClock
    from harness.reporting.retention import prune_runs

    clock, swept = SystemClock(), 0
    if cluster:
        swept = await _sweep(clock, kubeconfig, allow_cluster)
    swept += _sweep_k3d(clock, kept_clusters)
    removed = [reports / name for name in prune_runs(reports, clock, keep=keep)]
    removed += session.sweep()
    for folder in _abandoned(clock):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            removed.append(folder)
    if await _is_left(kubeconfig := default_kubeconfig(), clock):
        kubeconfig.unlink(missing_ok=True)
        removed.append(kubeconfig)
    for path in removed:
        say(f"removed {path}")
    if not removed and not swept:
        say("nothing to remove")


async def _sweep(clock: Clock, kubeconfig: Path | None, allowed: str | None) -> int:
    """Remove the namespaces of ended runs on this machine; returns how many were removed."""
    from harness.clusters.existing import KubeconfigCluster
    from harness.clusters.existing.leftovers import sweep_namespaces

    path = kubeconfig or KubeconfigCluster.default_path()
    found = removed = 0
    async for name, kept in sweep_namespaces(path, allowed, clock):
        say(f"kept namespace {name}: {kept}" if kept else f"removed namespace {name}")
        found += 1
        removed += kept is None
    if not found:
        say("no namespaces of ended runs on this machine")
    return removed


def _sweep_k3d(clock: Clock, kept: bool) -> int:
    """Remove clusters of k3d that nobody uses, with their networks and volumes; returns how many were removed."""
    from harness.clusters.k3d import commands
    from harness.clusters.k3d.removal import sweep

    removed = 0
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        for name, why in sweep(commands.SystemCommands(Path(folder)), clock.now(), kept=kept):
            say(f"kept k3d cluster {name}: {why}" if why else f"removed k3d cluster {name}")
            removed += why is None
    return removed


def _abandoned(clock: Clock) -> Iterator[Path]:
    from harness.clusters import session

    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
                continue
            if folder.name.startswith(session.PREFIX):  # it counts its own users
                continue
            newest = max(entry.lstat().st_mtime for entry in (folder, *folder.rglob("*")))
        except OSError:  # it was just removed, or cannot be read
            continue
        if clock.now() - newest > ABANDONED:
            yield folder


async def _is_left(kubeconfig: Path, clock: Clock) -> bool:
    server = server_of(kubeconfig)
    return server is not None and not await is_alive(server, clock)
