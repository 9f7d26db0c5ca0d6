"""The meaning of the words of k3d, Docker and k3s, and what to do about them: one table, because exit codes only say
that something failed."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.clusters.k3d.commands import Done
from harness.core.errors import HarnessError, RigError, UsageError

__all__ = ["PORT_TAKEN", "Meaning", "failure", "meaning"]


class Meaning(NamedTuple):
    """``words`` is a regular expression for what is printed."""

    words: str
    what: str
    do: str
    kind: type[HarnessError] = RigError


PORT_TAKEN = Meaning(
    r"bind: address already in use|port is already allocated|ports are not available",
    "a port of the cluster was taken by another program",
    "run it again; if --k3d-config names ports, choose others",
)
KNOWN = (
    Meaning(
        r"permission denied while trying to connect to the [Dd]ocker",
        "this user may not use Docker",
        "add the user to the group docker and log in again, or use rootless Docker",
    ),
    Meaning(
        r"Cannot connect to the Docker daemon|failed to connect to the docker API",
        "Docker does not run",
        "start it (systemctl start docker), or set DOCKER_HOST to where it listens",
    ),
    PORT_TAKEN,
    Meaning(
        r"all predefined address pools have been fully subnetted|could not find an available, non-overlapping IPv4",
        "Docker has no address range left for another network: it has about 30",
        "remove networks that nobody uses: wasmbed clean, docker network prune",
    ),
    Meaning(
        r"no gateway defined for network",
        "the network of the configuration file has no gateway, which k3d needs",
        "leave the network out, or create it with: docker network create --subnet S --gateway G NAME",
        UsageError,
    ),
    Meaning(
        r"a cluster with that name already exists",
        "a cluster of that name is there, which the harness did not make",
        "choose another name: --keep-cluster=NAME; or remove that cluster: k3d cluster delete NAME",
        UsageError,
    ),
    Meaning(
        r"Schema Validation failed|Failed to (?:stat|read) config file|unknown `kind`|does not match requirements"
        r"|proxy' specified, but loadbalancer is disabled|[Nn]ode filter",
        "k3d refused the configuration",
        "correct the file of --k3d-config; see https://k3d.io/stable/usage/configfile",
        UsageError,
    ),
    Meaning(
        r"no space left on device",
        "the disk of Docker is full",
        "make room: docker system df, docker system prune",
    ),
    Meaning(
        r"failed to pull (?:the )?image|No such image|pull access denied",
        "an image is not there and cannot be pulled",
        "pull it where there is a network, or load it with: docker load; K3D_IMAGE_TOOLS names another image of tools",
    ),
    Meaning(
        r"No nodes found for given cluster",
        "k3d found no nodes of the cluster; so it is with options.k3d.disableImageVolume",
        "leave disableImageVolume out of the file of --k3d-config",
        UsageError,
    ),
    Meaning(
        r"too many open files|inotify_init",
        "the kernel gave the node no more inotify instances: a cluster takes about 14, and the limit is often 128",
        "raise it: sysctl fs.inotify.max_user_instances=1024; or end other clusters: k3d cluster list",
    ),
    Meaning(
        r"not run on a host using cgroup v1|fail-cgroupv1",
        "the kubelet refuses this machine's control groups (cgroup v1)",
        "start the machine with cgroup v2, or add to the file of --k3d-config the argument of k3s "
        "--kubelet-arg=fail-cgroupv1=false",
    ),
    Meaning(
        r"context deadline exceeded|failed to get ready|timed out",
        "the nodes did not come up",
        "see the machine's load and memory, and the node's log",
    ),
)


def meaning(words: str) -> Meaning | None:
    """The first meaning of the table that ``words`` have."""
    return next((known for known in KNOWN if re.search(known.words, words)), None)


def failure(doing: str, done: Done, *, log: str = "", more: str = "", do: str = "") -> HarnessError:
    """The error for a command that failed. ``log`` is the node's, whose words tell more than k3d's own; ``more`` is
    appended to what happened, and ``do`` is advice where the table has none."""
    known = meaning(done.words) if log == "" else meaning(_precise(done.words)) or meaning(log) or meaning(done.words)
    what = f"{doing}: {known.what} ({done.complaint})" if known else f"{doing}: {done.complaint}"
    kind = known.kind if known else RigError
    advice = known.do if known else do or "see what it says, and: docker ps --all"
    return kind(what + more, where=" ".join(done.command[:3]), do=advice)


def _precise(words: str) -> str:
    """``words`` without the lines that only say that the time was over."""
    return "\n".join(line for line in words.splitlines() if not re.search(KNOWN[-1].words, line))
