"""Removes a cluster whole, and finds what killed processes left.

``k3d cluster delete`` says that there is nothing to delete, with exit code 0, where only a network or a volume is left,
and Docker starts the containers of a killed process again when it starts itself. So the harness's clusters have a
label with the process that made them, and their names, of which Docker makes those of network and volume, tell it too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator

from harness.clusters.existing.ownership import identity, why_in_use
from harness.clusters.k3d.commands import Commands, Done

__all__ = ["KEPT", "MADE_LABEL", "RUN_LABEL", "SETTINGS_LABEL", "delete", "own_name", "sweep"]

RUN_LABEL = "wasmbed.io/run"
"""The process that made a cluster and uses it, or :data:`KEPT`."""
MADE_LABEL = "wasmbed.io/made"
"""When, in seconds since the epoch."""
SETTINGS_LABEL = "wasmbed.io/settings"
KEPT = "kept"
DELETE_WITHIN = 90.0
_OWN_NAME = re.compile(r"k3d-(wasmbed-(\d+)-([0-9a-f]{8})(?:-\d)?)(?:-images)?")
_ABSENT = re.compile(r"not found|[Nn]o such (network|volume|container)|nothing to delete")


def own_name(attempt: int = 0) -> str:
    """The name of a cluster of this process, which no other process ever makes. A network that was left under the same
    name would be taken for one of the user's, and never be removed."""
    name = f"wasmbed-{os.getpid()}-{_token(os.getpid())}"
    return f"{name}-{attempt}" if attempt else name


def delete(name: str, commands: Commands) -> str | None:
    """Remove a cluster with its network and its volume. Returns what stays and why, or None if nothing does."""
    stays = []
    commands("k3d", "cluster", "delete", name, within=DELETE_WITHIN)
    # What that did not see or could not remove, and the container of tools, which has no label of ours.
    left = commands("docker", "ps", "--all", "--quiet", "--filter", f"label=k3d.cluster={name}").out.split()
    if left and (removed := commands("docker", "rm", "--force", "--volumes", *left, within=DELETE_WITHIN)).code != 0:
        stays.append(removed.complaint)
    for kind, thing in (("network", f"k3d-{name}"), ("volume", f"k3d-{name}-images")):
        removed = commands("docker", kind, "rm", thing)
        if removed.code != 0 and not _ABSENT.search(removed.words):
            stays.append(f"{kind} {thing}: {removed.complaint}")
    return "; ".join(stays) or None


def sweep(commands: Commands, now: float, *, kept: bool = False) -> Iterator[tuple[str, str | None]]:
    """Remove the clusters, networks and volumes of processes that have ended, with ``kept`` also the clusters that
    ``--keep-cluster`` keeps. Yields each one's name, and why it stays; None if it was removed. ``now`` is in seconds
    since the epoch."""
    row = "\t".join(f'{{{{.Label "{label}"}}}}' for label in ("k3d.cluster", RUN_LABEL, MADE_LABEL))
    found: dict[str, tuple[str, str]] = {}
    listed = commands("docker", "ps", "--all", "--filter", f"label={RUN_LABEL}", "--format", row)
    if listed.code != 0:
        return
    for line in listed.out.splitlines():
        name, run, made = [*line.split("\t"), "", ""][:3]
        found[name] = (run, made)
    for name, (run, made) in found.items():
        if run == KEPT:
            why = None if kept else "--keep-cluster keeps it; wasmbed clean --kept-clusters removes it"
        else:
            why = why_in_use(run.replace("_", " "), float(made or 0), now)
        yield name, why or delete(name, commands)
    for name in sorted(_orphans(commands) - found.keys()):
        yield name, delete(name, commands)


def _orphans(commands: Commands) -> set[str]:
    """The names of clusters of which only a network or a volume is left. Docker refuses to remove those in use, which
    protects clusters of other machines (another container with the same Docker) once they have a node."""
    listings = (
        commands("docker", kind, "ls", "--filter", "name=k3d-wasmbed-", "--format", "{{.Name}}")
        for kind in ("network", "volume")
    )
    return {name for done in listings for name in _ended(done)}


def _ended(done: Done) -> Iterator[str]:
    for line in done.out.split():
        if (parts := _OWN_NAME.fullmatch(line)) and _token(int(parts[2])) != parts[3]:
            yield parts[1]


def _token(pid: int) -> str:
    return hashlib.sha256(identity(pid).encode()).hexdigest()[:8]
