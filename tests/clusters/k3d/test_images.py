"""Images reach the nodes of a k3d cluster, or the message says which did not."""

from __future__ import annotations

import io
import json
import logging
import tarfile

import pytest

from harness.clusters.k3d.images import import_images
from harness.clusters.k3d.settings import Settings
from harness.core.errors import RigError, UsageError
from tests.clusters.k3d.replay import Replay


def imported(*situations, settings=None):
    commands = Replay(*situations)
    commands("k3d", "cluster", "create", "one")
    import_images("one", settings or Settings(), commands)
    return commands


def archive(path, **files):
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(f"{name}.json")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_the_platforms_images_are_imported_and_looked_for_on_each_node():
    """Trap 10: in the default mode k3d said that it imported them, and the node had refused."""
    commands = imported()
    platform, boards, pause = commands.having("k3d image import")
    assert platform.startswith("k3d image import wasmbed/platform:")
    assert boards.startswith("k3d image import wasmbed/boards:")
    assert pause == "k3d image import rancher/mirrored-pause:3.6 -c one -m direct"
    assert commands.having("docker exec k3d-one-server-0 ctr image ls --quiet")
    assert not commands.having("docker exec k3d-one-tools")


def test_an_import_that_did_not_arrive():
    with pytest.raises(RigError) as caught:
        imported("an import that lied")
    assert "node k3d-one-server-0: k3d said that it imported docker.io/wasmbed/boards:" in str(caught.value)
    assert "docker system df" in str(caught.value)


def test_an_import_whose_pipe_closes_is_tried_again():
    """Issue 1020 of k3d: the node has read what it wants, and k3d still writes."""
    commands = imported("an import whose pipe closes once")
    assert len(commands.having("k3d image import wasmbed/platform:")) == 2


def test_an_import_that_does_not_end():
    with pytest.raises(RigError, match=r"the import of wasmbed/platform:\S+ did not end within 120 s"):
        imported("an import that hangs")


def test_an_import_onto_a_full_disk():
    """Trap 19."""
    with pytest.raises(RigError, match=r"was not imported: the disk of Docker is full(.|\n)*docker system prune"):
        imported("an import onto a full disk")


def test_images_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match="Docker has no image mine:1, and there is no such file"):
        imported("no images", settings=Settings(images=("mine:1",)))
    commands = imported("no images")  # the platform's were not built, which a test of the API does not need
    assert not commands.having("image import")
    (tmp_path / "broken.tar").write_text("no archive")
    with pytest.raises(UsageError, match=r"broken\.tar: not an archive of images"):
        imported(settings=Settings(images=(str(tmp_path / "broken.tar"),)))


def test_a_node_without_a_pause_image_is_named(caplog):
    """Trap 19: pods would stay ContainerCreating."""
    commands = Replay("no pause image", "no images")
    with caplog.at_level(logging.WARNING):
        import_images("one", Settings(), commands)
    assert "docker pull rancher/mirrored-pause:3.6" in caplog.text


@pytest.mark.parametrize(
    "files",
    [
        {"manifest": [{"RepoTags": ["rancher/mirrored-pause:3.6"]}]},
        {"index": {"manifests": [{"annotations": {"io.containerd.image.name": "rancher/mirrored-pause:3.6"}}]}},
    ],
    ids=["docker", "oci"],
)
def test_archives_are_imported_under_the_names_in_them(files, tmp_path):
    path = archive(tmp_path / "one.tar", **files)
    assert imported(settings=Settings(images=(str(path),))).having(f"k3d image import {path} ")
    absent = archive(tmp_path / "other.tar", manifest=[{"RepoTags": ["mine", "localhost/mine:2"]}])
    with pytest.raises(RigError, match=r"imported docker\.io/library/mine:latest, localhost/mine:2, but"):
        imported(settings=Settings(images=(str(absent),)))


def test_what_was_built_here_is_taken_before_what_docker_has(tmp_path):
    (tmp_path / ".cache/oci").mkdir(parents=True)
    path = archive(tmp_path / ".cache/oci/platform.tar", manifest=[{"RepoTags": ["rancher/mirrored-pause:3.6"]}])
    commands = imported()
    assert commands.having(f"k3d image import {path} ")
    assert not commands.having("k3d image import wasmbed/platform")
