"""Brings images onto a cluster's nodes, and looks there whether they arrived.

k3d's default mode says ``Successfully imported``, with exit code 0, also where a node refused the image. The direct
mode tells, but may never end: so it gets a time of its own.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.clusters.k3d.availability import has_image
from harness.clusters.k3d.commands import Commands
from harness.clusters.k3d.diagnosis import failure
from harness.clusters.k3d.settings import Settings
from harness.core.errors import RigError, UsageError, reason
from harness.core.logs import get_log

__all__ = ["import_images", "nodes"]

log = get_log(__name__)

IMPORT_WITHIN = 120.0
"""Seconds for an image. One of 251 MB took 10."""
ATTEMPTS = 3
PAUSE = "rancher/mirrored-pause:3.6"
"""The image that k3s starts before the containers of a pod."""
_ROLES = frozenset(("server", "agent"))


def import_images(name: str, settings: Settings, commands: Commands) -> None:
    """Import the images of the settings, those of the platform as far as they are here, and the image that pods begin
    with. Raises UsageError for an image that is neither in Docker nor a file, RigError where one does not arrive."""
    wanted = {image: _contained(image, commands, named=True) for image in settings.images}
    for image in (*settings.platform_images(), PAUSE):
        if contained := _contained(image, commands, named=False):
            wanted.setdefault(image, contained)
    members = nodes(name, commands)
    for image in wanted:
        _import(image, name, commands)
    names = [each for contained in wanted.values() for each in contained]
    for node in members:
        present = _on(node, commands)
        if absent := sorted(set(map(_full, names)) - present):
            raise RigError(
                f"k3d said that it imported {', '.join(absent)}, but the node does not have it",
                where=f"node {node}",
                do="see the free disk of Docker (docker system df) and: docker logs " + node,
            )
        if not any(re.search(r"/(mirrored-)?pause[:@]", image) for image in present):
            log.warning(
                "%s: pods stay ContainerCreating unless the node can pull a pause image: docker pull %s",
                node,
                PAUSE,
            )


def _import(image: str, name: str, commands: Commands) -> None:
    """Import one image, because several at once fail more often. A node's program may end before k3d has sent the end
    of the stream, which k3d takes for a failure (issue 1020 there): that is tried again."""
    for attempt in range(ATTEMPTS):
        done = commands("k3d", "image", "import", image, "-c", name, "-m", "direct", within=IMPORT_WITHIN)
        if done.code == 0:
            return
        if done.code is None:
            raise RigError(
                f"the import of {image} did not end within {IMPORT_WITHIN:g} s",
                where=f"k3d image import -m direct -c {name}",
                do="run it again; if it hangs again, see the free disk of Docker: docker system df",
            )
        if attempt + 1 == ATTEMPTS or "closed pipe" not in done.words:
            raise failure(f"{image} was not imported", done, do="run it again; see: docker image ls")


def nodes(name: str, commands: Commands) -> list[str]:
    """The containers of a cluster that run pods."""
    row = '{{.Names}}\t{{.Label "k3d.role"}}'
    listed = commands("docker", "ps", "--filter", f"label=k3d.cluster={name}", "--format", row)
    rows = (line.split("\t") for line in listed.out.splitlines())
    return [row[0] for row in rows if len(row) == 2 and row[1] in _ROLES]


def _on(node: str, commands: Commands) -> set[str]:
    return set(commands("docker", "exec", node, "ctr", "image", "ls", "--quiet").out.split())


def _contained(image: str, commands: Commands, *, named: bool) -> list[str]:
    """The names of the images that ``image`` is: itself, or those in an archive. Raises UsageError for one that is not
    there if it was ``named``; it is left out otherwise."""
    if (path := Path(image)).is_file():
        return _names_in(path)
    if has_image(image, commands):
        return [image]
    if named:
        raise UsageError(
            f"Docker has no image {image}, and there is no such file",
            where="--import-images",
            do=f"docker pull {image}, or build it; the platform's own: make oci",
        )
    return []


def _names_in(archive: Path) -> list[str]:
    """The names of the images in an archive of docker save, or in an OCI one."""
    try:
        with tarfile.open(archive) as tar:
            members = tar.getnames()
            if "manifest.json" in members:
                return [tag for image in _load(tar, "manifest.json") for tag in image.get("RepoTags") or ()]
            manifests: Iterable[dict[str, Any]] = _load(tar, "index.json")["manifests"]
            keys = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
            notes = (manifest.get("annotations") or {} for manifest in manifests)
            return [name for note in notes if (name := next((note[key] for key in keys if key in note), None))]
    except (OSError, tarfile.TarError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(
            f"not an archive of images: {reason(error)}", where=str(archive), do="write one with: docker save -o"
        ) from error


def _load(tar: tarfile.TarFile, name: str) -> Any:
    member = tar.extractfile(name)
    return json.load(member) if member is not None else None


def _full(image: str) -> str:
    """A name as containerd lists it: with registry and tag."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif not ("." in first or ":" in first or first == "localhost"):
        image = f"docker.io/{image}"
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
