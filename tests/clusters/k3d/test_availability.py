"""The parts that are missing for a k3d cluster are named in one line, with how to get it."""

from __future__ import annotations

import pytest

from harness.clusters.k3d.availability import missing
from harness.clusters.k3d.settings import Settings
from tests.clusters.k3d.replay import Replay

BOTH = "rancher/k3s:v1.35.2-k3s1, ghcr.io/k3d-io/k3d-tools:5.9.0"


@pytest.mark.parametrize(
    ("situations", "said"),
    [
        (["no docker"], "docker not found: install https://docs.docker.com/engine/install"),
        (["no k3d"], "k3d not found: install k3d 5 from https://k3d.io"),
        (["no docker", "no k3d"], "docker and k3d not found: install https://docs.docker.com/engine/install and k3d 5"),
        (["an old k3d"], "k3d 5 is needed; k3d version says: k3d version v4.4.8"),
        (["docker does not run"], "Docker does not run: start it (systemctl start docker)"),
        (["docker is not allowed"], "this user may not use Docker: add the user to the group docker"),
        (["no images"], f"Docker has no image {BOTH}: docker pull rancher/k3s:v1.35.2-k3s1 ghcr.io"),
        (["no image of tools"], "Docker has no image ghcr.io/k3d-io/k3d-tools:5.9.0: docker pull"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_missing(situations, said):
    """Trap 16: without a network, all images have to be there before."""
    text = missing(Settings(), Replay(*situations))
    assert text.startswith(said), text
    assert "\n" not in text


def test_nothing_is_missing():
    assert missing(Settings(), Replay()) is None


def test_another_image_of_tools_can_be_named(monkeypatch):
    """Trap 11: an image of tools is always needed; any will do."""
    assert missing(Settings(), Replay("no image of tools")).endswith(
        "or set K3D_IMAGE_TOOLS to an image that Docker has"
    )
    monkeypatch.setenv("K3D_IMAGE_TOOLS", "busybox")
    commands = Replay("no image of tools")
    assert missing(Settings(), commands) is None
    assert commands.having("image inspect", " busybox")


def test_a_load_balancer_needs_one_image_more(tmp_path):
    """Trap 16."""
    file = tmp_path / "k3d.yaml"
    file.write_text("apiVersion: k3d.io/v1alpha5\nkind: Simple\n")
    assert "ghcr.io/k3d-io/k3d-proxy:5.9.0" in missing(Settings(file), Replay("no images"))
    file.write_text("apiVersion: k3d.io/v1alpha5\nkind: Simple\noptions: {k3d: {disableLoadbalancer: true}}\n")
    assert "k3d-proxy" not in missing(Settings(file), Replay("no images"))
    assert "k3d-proxy" not in missing(Settings(), Replay("no images"))


@pytest.mark.parametrize(
    ("host", "refused"), [("tcp://10.0.0.7:2376", True), ("ssh://me@box", True), ("unix:///x", False)]
)
def test_docker_on_another_machine_is_refused(host, refused, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", host)
    assert bool(missing(Settings(), Replay())) is refused
