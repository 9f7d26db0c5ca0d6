"""``python -m harness.clusters.k3d.keeper SETTINGS FOLDER``: makes a k3d cluster, and removes it when nobody uses it.

It keeps to :mod:`harness.clusters.session`. It is a process of its own, because Ctrl-C and ``kill -9`` end the users of
a cluster, and k3d removes nothing then.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from harness.clusters.files import replace_file
from harness.clusters.k3d.commands import Commands, Done, SystemCommands
from harness.clusters.k3d.creation import create, kubeconfig, published, scrap
from harness.clusters.k3d.images import import_images, nodes
from harness.clusters.k3d.readiness import READY_WITHIN, NotReady, until_ready
from harness.clusters.k3d.removal import delete, sweep
from harness.clusters.k3d.settings import Settings
from harness.clusters.session import as_line, until_unused
from harness.core.clock import Clock, SystemClock
from harness.core.errors import HarnessError
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = ["bring_up", "keep"]


def keep(settings: Settings, folder: Path, commands: Commands, clock: Clock) -> int:
    """Keep a cluster for as long as it is used; returns the exit code."""
    users = os.open(folder / "users", os.O_RDONLY)
    for name, why in sweep(commands, clock.now()):
        print(f"left cluster {name}: {why or 'removed'}", file=sys.stderr, flush=True)
    try:
        name = bring_up(settings, folder, commands, clock)
    except HarnessError as error:
        print(as_line(error), flush=True)
        return error.exit_code
    try:
        _say_ready()
        until_unused(users, folder / "lock")
    finally:
        if settings.keep is None and (stays := delete(name, commands)):
            print(f"not removed: {stays}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def bring_up(settings: Settings, folder: Path, commands: Commands, clock: Clock) -> str:
    """Make a cluster, write its files into ``folder`` and return its name; a kept one that is not usable any more is
    made again. Raises RigError or UsageError, and removes the cluster then, unless it is a kept one that is usable."""
    name = create(settings, commands, clock.now())
    try:
        try:
            _prepare(name, settings, folder, commands, clock)
        except NotReady:
            if settings.keep is None:
                raise
            name = create(settings, commands, clock.now(), fresh=True)
            _prepare(name, settings, folder, commands, clock)
    except NotReady as error:
        done = Done(("k3d", "cluster", "create", name), 0, "", str(error))
        raise scrap(name, "the cluster was created, and is not usable", done, commands) from error
    except BaseException:
        if settings.keep is None:
            delete(name, commands)
        raise
    return name


def _prepare(name: str, settings: Settings, folder: Path, commands: Commands, clock: Clock) -> None:
    replace_file(folder / "kubeconfig", kubeconfig(name, commands))
    asyncio.run(_until_ready(folder / "kubeconfig", len(nodes(name, commands)), clock))
    import_images(name, settings, commands)
    replace_file(folder / "published", json.dumps(published(name, commands)).encode())


async def _until_ready(path: Path, count: int, clock: Clock) -> None:
    api = await KubernetesApi.open("default", kubeconfig=path, name="Harness")
    try:
        await until_ready(api, max(count, 1), clock, READY_WITHIN)
    except (ApiError, OSError) as error:
        raise NotReady(f"the API server failed: {error}") from error
    finally:
        await api.close()


def _say_ready() -> None:
    try:
        print("ready", flush=True)
        os.close(sys.stdout.fileno())
    except BrokenPipeError:  # the user that waited has ended
        pass


def _main(settings: str, folder: Path) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # the cluster is removed on the way out
    commands = SystemCommands(folder)

    def told(*command: str, within: float = 30.0) -> Done:
        done = commands(*command, within=within)
        how = "" if done.code == 0 else f": {done.complaint}"
        print(f"{' '.join(command[:4])}{how}", file=sys.stderr, flush=True)
        return done

    return keep(Settings.of_json(settings), folder, told, SystemClock())


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], Path(sys.argv[2])))
