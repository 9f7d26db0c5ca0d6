"""Checks what has to be there before a cluster can be made: Docker, k3d, and the images of its containers.

Images are not pulled while a cluster is made: a pull takes as long as the network does, and one that fails leaves a
network and a volume that k3d then does not see.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from harness.clusters.k3d.commands import NOT_FOUND, Commands, Done
from harness.clusters.k3d.diagnosis import meaning
from harness.clusters.k3d.settings import Settings

__all__ = ["crowded", "has_image", "missing", "node_image"]

INSTANCES = 14
"""inotify instances that a cluster takes."""
_LOCAL = ("", "localhost", "127.0.0.1", "::1")
_VERSION = re.compile(r"k3d version v?(\S+)\s+k3s version (\S+)")


def missing(settings: Settings, commands: Commands) -> str | None:
    """Why no such cluster can be made here, in one line that says how to get what is missing; None if nothing is."""
    k3d, docker = commands("k3d", "version"), commands("docker", "version", "--format", "{{.Server.Version}}")
    absent = [name for name, done in (("docker", docker), ("k3d", k3d)) if done.code == NOT_FOUND]
    if absent:
        places = {"docker": "https://docs.docker.com/engine/install", "k3d": "k3d 5 from https://k3d.io"}
        how = " and ".join(places[name] for name in absent)
        return f"{' and '.join(absent)} not found: install {how}"
    if docker.code != 0:
        known = meaning(docker.words)
        return f"{known.what}: {known.do}" if known else f"docker does not answer: {docker.complaint}"
    if (host := _remote_host()) is not None:
        return f"DOCKER_HOST is on another machine, {host}: the API of a cluster listens on that one's 127.0.0.1"
    if (version := _VERSION.search(k3d.words)) is None or not version[1].startswith(("5", "v5")):
        return f"k3d 5 is needed; k3d version says: {k3d.out.partition(chr(10))[0] or k3d.complaint}"
    wanted = _images(settings, k3d)
    lacking = [name for name in wanted.values() if not has_image(name, commands)]
    if not lacking:
        return None
    tools = "; or set K3D_IMAGE_TOOLS to an image that Docker has" if lacking == [wanted["tools"]] else ""
    return f"Docker has no image {', '.join(lacking)}: docker pull {' '.join(lacking)}{tools}"


def node_image(settings: Settings, commands: Commands) -> str:
    """The image of the nodes: the configuration file's, or that of this k3d."""
    return _images(settings, commands("k3d", "version"))["nodes"]


def has_image(name: str, commands: Commands) -> bool:
    """Whether Docker has an image."""
    return commands("docker", "image", "inspect", "--format", "{{.Id}}", name).code == 0


def crowded(commands: Commands, limit: int | None = None) -> str | None:
    """Why another cluster would not come up beside those that run, in one line; None if there is room. ``limit`` is the
    kernel's of inotify instances."""
    limit = _limit() if limit is None else limit
    done = commands("docker", "ps", "--filter", "label=app=k3d", "--filter", "label=k3d.role=server", "--quiet")
    running = len(done.out.split())
    if not running or limit is None or (running + 1) * INSTANCES <= limit:
        return None
    return (
        f"{running} clusters of k3d run here, and the kernel's limit of {limit} inotify instances has no room for "
        "another: end some (k3d cluster list), or raise it: sysctl fs.inotify.max_user_instances=1024"
    )


def _images(settings: Settings, k3d: Done) -> dict[str, str]:
    """The images that k3d starts containers of."""
    version = _VERSION.search(k3d.words)
    of_k3d, of_k3s = (version[1], version[2]) if version else ("latest", "latest")
    helpers = os.environ.get("K3D_HELPER_IMAGE_TAG") or of_k3d.removeprefix("v")
    images = {
        "nodes": settings.node_image or f"rancher/k3s:{of_k3s}",
        "tools": os.environ.get("K3D_IMAGE_TOOLS") or f"ghcr.io/k3d-io/k3d-tools:{helpers}",
    }
    if settings.has_load_balancer:
        images["proxy"] = os.environ.get("K3D_IMAGE_LOADBALANCER") or f"ghcr.io/k3d-io/k3d-proxy:{helpers}"
    return images


def _remote_host() -> str | None:
    place = urlsplit(os.environ.get("DOCKER_HOST", ""))
    return None if place.scheme in ("", "unix", "npipe") or (place.hostname or "") in _LOCAL else place.hostname


def _limit() -> int | None:
    try:
        return int(Path("/proc/sys/fs/inotify/max_user_instances").read_text("ascii"))
    except (OSError, ValueError):
        return None
