"""Makes a cluster, or takes the one that is kept; and when that fails, keeps what its node said and removes it.

Each flag is there because of something that was measured; ``docs/how-to/use-k3d.md`` has them.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from harness.clusters.existing.ownership import identity
from harness.clusters.k3d.availability import crowded, missing, node_image
from harness.clusters.k3d.commands import Commands, Done
from harness.clusters.k3d.diagnosis import PORT_TAKEN, failure, meaning
from harness.clusters.k3d.removal import KEPT, MADE_LABEL, RUN_LABEL, SETTINGS_LABEL, delete, own_name
from harness.clusters.k3d.settings import Settings
from harness.core.errors import HarnessError, RigError, UsageError

__all__ = ["LOGS", "create", "kubeconfig", "published", "scrap"]

CREATE_WITHIN = 120
"""Seconds that k3d gets. Without a limit it waits for ever for a node that ended."""
GRACE = 30.0
ATTEMPTS = 3
"""k3d chooses a free port, closes it, and Docker opens it later: another program may have it by then."""
LOGS = "wasmbed-k3d-logs-"
"""The prefix of the folder for the logs of nodes that did not come up, in the folder for temporary files."""
LAST_LINES, LONGEST = 12, 240
NODE_PORTS = {8081: 30423, 8080: 30080}
"""The ports of the nodes for the gateway's: that for devices is the one of the manifests in ``deploy``."""


def create(settings: Settings, commands: Commands, now: float, *, fresh: bool = False) -> str:
    """Make a cluster and return its name; or return the kept one's, if it is there and runs, unless ``fresh``.

    Raises RigError or UsageError, and leaves nothing behind then.
    """
    if why := missing(settings, commands):
        raise RigError(why, where="--cluster=k3d", do="see wasmbed doctor")
    if settings.keep is not None and _reusable(settings, commands, fresh=fresh):
        return settings.keep
    if why := crowded(commands):
        raise RigError(why, where="--cluster=k3d", do="share one cluster: --keep-cluster=NAME")
    image = node_image(settings, commands)
    for attempt in range(ATTEMPTS):
        name = settings.keep or own_name(attempt)
        command = _command(name, image, settings, commands, now)
        try:
            done = commands(*command, within=CREATE_WITHIN + GRACE)
        except BaseException:  # a signal ends this process
            delete(name, commands)
            raise
        if done.code == 0:
            return name
        error = scrap(name, "the cluster was not created", done, commands)
        if attempt + 1 == ATTEMPTS or not re.search(PORT_TAKEN.words, done.words):
            raise error
    raise AssertionError("the last attempt returned or raised")


def kubeconfig(name: str, commands: Commands) -> bytes:
    """The kubeconfig of a cluster. Raises RigError."""
    done = commands("k3d", "kubeconfig", "get", name)
    if done.code != 0 or "---" not in done.out:
        raise failure("the cluster has no kubeconfig", done)
    return done.out[done.out.index("---") :].encode()  # k3d's information comes before it


def published(name: str, commands: Commands) -> dict[int, tuple[str, int]]:
    """Where this machine reaches the gateway's ports in a cluster: at the load balancer's port, or at a node port."""
    listed = commands("docker", "ps", "--filter", f"label=k3d.cluster={name}", "--format", "{{.Names}}")
    found: dict[int, tuple[str, int]] = {}
    for container in listed.out.split():
        for line in commands("docker", "port", container).out.splitlines():
            if parts := re.fullmatch(r"(\d+)/tcp -> ([\d.]+):(\d+)", line.strip()):
                found.setdefault(int(parts[1]), (parts[2], int(parts[3])))
    places = {port: found.get(port) or found.get(node_port) for port, node_port in NODE_PORTS.items()}
    return {port: place for port, place in places.items() if place is not None}


def scrap(name: str, doing: str, done: Done, commands: Commands) -> HarnessError:
    """Remove a cluster that did not come up, after its log was kept; returns the error to raise. One of that name that
    was there before stays."""
    known = meaning(done.words)
    if known is not None and "already exists" in known.words:
        return failure(doing, done)
    log, path = _keep_log(name, commands)
    stays = delete(name, commands)
    lines = "".join(f"\n    {line[:LONGEST]}" for line in log.splitlines()[-LAST_LINES:])
    more = f"; the end of the node's log, {path}:{lines}" if path is not None else ""
    more += f"; not removed: {stays}; wasmbed clean tries it again" if stays else ""
    return failure(doing, done, log=log, more=more)


def _command(name: str, image: str, settings: Settings, commands: Commands, now: float) -> list[str]:
    run = KEPT if settings.keep else identity(os.getpid()).replace(" ", "_")
    labels = {RUN_LABEL: run, MADE_LABEL: str(int(now)), SETTINGS_LABEL: settings.digest}
    command = ["k3d", "cluster", "create", name, "--image", image, "--api-port", "127.0.0.1:random"]
    command += ["--timeout", f"{CREATE_WITHIN}s", "--no-rollback", "--kubeconfig-update-default=false"]
    command += [word for label, value in labels.items() for word in ("--runtime-label", f"{label}={value}@all")]
    if settings.config is not None:
        return [*command, "--config", str(settings.config)]
    command += ["--no-lb"]
    command += [word for port in NODE_PORTS.values() for word in ("--port", f"127.0.0.1::{port}@server:0:direct")]
    if commands("docker", "info", "--format", "{{.CgroupVersion}}").out.strip() == "1":
        command += ["--k3s-arg", "--kubelet-arg=fail-cgroupv1=false@server:0"]
    return command


def _reusable(settings: Settings, commands: Commands, *, fresh: bool) -> bool:
    """Whether the kept cluster is there and runs. One that does not run is removed: nodes that were stopped often do
    not start again. Raises UsageError for one of that name that is another."""
    row = f'{{{{.Label "{RUN_LABEL}"}}}}\t{{{{.Label "{SETTINGS_LABEL}"}}}}\t{{{{.State}}}}'
    filters = ("--filter", f"label=k3d.cluster={settings.keep}")
    listed = commands("docker", "ps", "--all", *filters, "--filter", "label=k3d.role", "--format", row)
    rows = [line.split("\t") for line in listed.out.splitlines()]
    ours = [row for row in rows if row[0] == KEPT]
    if not rows:
        return False
    if not ours:
        raise UsageError(
            f"the cluster {settings.keep} is there, and the harness did not make it",
            where="--keep-cluster",
            do="choose another name, or use it with --cluster=kubeconfig",
        )
    if any(row[1] != settings.digest for row in ours):
        raise UsageError(
            f"the cluster {settings.keep} was made with another configuration",
            where="--k3d-config",
            do="remove it (wasmbed clean --kept-clusters), choose another name, or give the same file",
        )
    if not fresh and all(row[2] == "running" for row in ours):
        return True
    assert settings.keep is not None, "only kept clusters are looked for"
    delete(settings.keep, commands)
    return False


def _keep_log(name: str, commands: Commands) -> tuple[str, Path | None]:
    """The log of a cluster's first server, and the file that keeps it."""
    done = commands("docker", "logs", "--tail", "2000", f"k3d-{name}-server-0")
    if done.code != 0 or not done.words:
        return "", None
    folder = Path(tempfile.gettempdir()) / f"{LOGS}{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{name}.log"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(done.words + "\n")
    except OSError:
        return done.words, None
    return done.words, path
