"""A k3d cluster is made so that the traps of k3d do not matter: what the commands said is replayed, and what the driver
does next, and what a user reads, are asserted."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from harness.clusters.k3d import creation, keeper
from harness.clusters.k3d.commands import SystemCommands
from harness.clusters.k3d.removal import own_name
from harness.clusters.k3d.settings import LONGEST_NAME, Settings
from harness.core.errors import RigError, UsageError
from tests.clusters.k3d.replay import Replay

NOW = 1_800_000_000.0


def refused(kind, *situations, settings=None, **words):
    """The error of a creation, and the commands until then."""
    commands = Replay(*situations, **words)
    with pytest.raises(kind) as caught:
        creation.create(settings or Settings(), commands, NOW)
    return str(caught.value), commands


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_cluster_comes_up(server, folder):
    name, commands = await server.bring_up(folder)
    (created,) = commands.having("k3d cluster create")
    assert created.startswith(f"k3d cluster create {name} --image rancher/k3s:v1.35.2-k3s1 ")
    assert (folder / "kubeconfig").read_text().startswith("---\n")
    assert mode(folder / "kubeconfig") == 0o600
    assert json.loads((folder / "published").read_text()) == {
        "8081": ["127.0.0.1", 32768],
        "8080": ["127.0.0.1", 32769],
    }
    assert not commands.having("cluster delete")


async def test_exit_code_0_is_not_health(server, folder, monkeypatch):
    """Trap 1: the kubelet ended after the line for which k3d waits, and k3d said that it was successful."""
    await server.condition(Ready="False")
    monkeypatch.setattr(keeper, "READY_WITHIN", 0.1)
    with pytest.raises(RigError) as caught:
        await server.bring_up(folder, "the kubelet ends after the ready line")
    assert "created, and is not usable: the kubelet refuses this machine's control groups (cgroup v1)" in str(
        caught.value
    )
    assert "; node k3d-node is not ready: of Ready" in str(caught.value)
    assert "--kubelet-arg=fail-cgroupv1=false" in str(caught.value)
    assert caught.value.commands.having("k3d cluster delete")


def test_a_machine_with_cgroup_v1_gets_the_argument_that_its_kubelet_needs():
    commands = Replay()
    commands._entries.insert(0, {"command": "docker info *", "out": "1\n"})
    creation.create(Settings(), commands, NOW)
    assert commands.having("cluster create", "--k3s-arg --kubelet-arg=fail-cgroupv1=false@server:0")
    commands = Replay()
    creation.create(Settings(), commands, NOW)
    assert not commands.having("cgroup", "cluster create")


@pytest.mark.parametrize(
    ("situation", "said"),
    [
        ("k3s ends before its node registers", "the nodes did not come up (Failed Cluster Start: "),
        ("the entry script of a node fails", "is running=true in status=restarting"),
        ("create does not end", "the cluster was not created: it did not end in its time"),
    ],
)
def test_a_creation_has_a_time_limit(situation, said):
    """Trap 2: k3d does not notice that k3s ended, and waits."""
    text, commands = refused(RigError, situation)
    assert said in text
    assert commands.having("cluster create", " --timeout 120s ")
    assert commands.having("k3d cluster delete")


def test_the_log_of_a_node_is_kept_before_the_cluster_is_removed(place):
    """Trap 3: k3d's own rollback removes the log with the node."""
    text, commands = refused(RigError, "k3s ends before its node registers")
    assert commands.having("cluster create", " --no-rollback ")
    assert commands.position("docker logs") < commands.position("k3d cluster delete")
    (log,) = place.glob("wasmbed-k3d-logs-*/*.log")
    assert "cannot bootstrap: bad flag" in log.read_text()
    assert f"the end of the node's log, {log}:\n    " in text
    assert "cannot bootstrap: bad flag" in text
    assert (mode(log), mode(log.parent)) == (0o600, 0o700)


def test_what_delete_does_not_see_is_removed_by_name():
    """Trap 4: after a failed pull, network and volume stay, and delete says that there is nothing to delete."""
    text, commands = refused(RigError, "a pull fails")
    assert "an image is not there and cannot be pulled (Failed Cluster Creation: " in text
    assert "no route to host" in text
    name = commands.having("cluster create")[0].split()[3]
    assert commands.having(f"docker network rm k3d-{name}")
    assert commands.having(f"docker volume rm k3d-{name}-images")
    assert "not removed" not in text


def test_what_cannot_be_removed_is_named():
    text, _ = refused(RigError, "what is left cannot be removed", "a pull fails")
    assert "; not removed: Error response from daemon: cannot remove container: device or resource busy; " in text
    assert "has active endpoints; wasmbed clean tries it again" in text


def test_names_are_unique_and_short():
    """Traps 5, 17: a network that was left is taken for the user's; a name has at most 32 characters."""
    name = own_name(2)
    assert len(name) <= LONGEST_NAME
    assert name.startswith(f"wasmbed-{os.getpid()}-")
    assert len({own_name(), own_name(1), name}) == 3


def test_the_users_kubeconfig_is_not_touched(tmp_path, monkeypatch):
    """Traps 7, 8, 18: create and delete edit the default file; ours is another, and each cluster has its own."""
    monkeypatch.setenv("KUBECONFIG", "/home/me/one:/home/me/other")
    monkeypatch.setenv("LOG_LEVEL", "trace")
    said = SystemCommands(tmp_path)("sh", "-c", "echo $KUBECONFIG $XDG_CONFIG_HOME $LOG_LEVEL").out.split()
    assert said == [str(tmp_path / "k3d-default"), str(tmp_path / "k3d"), "info"]
    commands = Replay()
    creation.create(Settings(), commands, NOW)
    assert commands.having("cluster create", " --kubeconfig-update-default=false ")
    assert not commands.having("kubeconfig merge")
    assert not commands.having("-o json")  # it shows the token


def test_the_api_listens_on_this_machine_only():
    """Traps 9, 15: by default everybody on the network reaches it; and no name has to be resolved."""
    commands = Replay()
    creation.create(Settings(), commands, NOW)
    assert commands.having("cluster create", " --api-port 127.0.0.1:random ")
    assert commands.having("cluster create", " --port 127.0.0.1::30423@server:0:direct ")
    assert not commands.having("registry")
    assert not commands.having("host.k3d.internal")


def test_a_port_that_was_taken_is_tried_again_under_another_name():
    """Traps 5, 9: k3d chose a free port, and another program took it before Docker did."""
    commands = Replay("the port is taken once")
    name = creation.create(Settings(), commands, NOW)
    first, second = (call.split()[3] for call in commands.having("cluster create"))
    assert (name, first) == (second, name.removesuffix("-1"))
    assert commands.having(f"k3d cluster delete {first}")
    assert not commands.having(f"k3d cluster delete {second}")


def test_a_port_that_stays_taken_is_an_error():
    text, commands = refused(RigError, "the port is taken")
    assert len(commands.having("cluster create")) == len(commands.having("cluster delete")) == 3
    assert "a port of the cluster was taken by another program" in text
    assert "if --k3d-config names ports, choose others" in text


def test_the_volume_of_images_is_never_left_out():
    """Trap 11: without it, k3d finds no nodes."""
    text, commands = refused(UsageError, "no image volume")
    assert not commands.having("--no-image-volume")
    assert "leave disableImageVolume out of the file of --k3d-config" in text


def test_docker_without_address_ranges():
    """Trap 12."""
    text, _ = refused(RigError, "no address range is left")
    assert "Docker has no address range left for another network: it has about 30" in text
    assert "wasmbed clean, docker network prune" in text
    assert "with: docker network create --subnet S --gateway G" in refused(UsageError, "a network without gateway")[0]


def test_no_more_clusters_than_the_kernel_has_room_for(monkeypatch):
    """Trap 13: about 14 inotify instances a cluster, of often 128."""
    monkeypatch.setattr("harness.clusters.k3d.availability._limit", lambda: 128)
    text, commands = refused(RigError, "nine clusters run")
    assert "9 clusters of k3d run here, and the kernel's limit of 128 inotify instances has no room" in text
    assert "share one cluster: --keep-cluster=NAME" in text
    assert not commands.having("cluster create")
    monkeypatch.setattr("harness.clusters.k3d.availability._limit", lambda: 1024)
    assert creation.create(Settings(), Replay("nine clusters run"), NOW)
    assert "sysctl fs.inotify.max_user_instances=1024" in refused(RigError, "inotify is used up")[0]


@pytest.fixture
def dev():
    return Settings(keep="dev")


def test_a_kept_cluster_is_used_again(dev):
    commands = Replay("the kept cluster runs", DIGEST=dev.digest)
    assert creation.create(dev, commands, NOW) == "dev"
    assert not commands.having("cluster create")
    commands = Replay()
    assert creation.create(dev, commands, NOW) == "dev"
    assert commands.having("cluster create dev ", "--runtime-label wasmbed.io/run=kept@all")


def test_a_cluster_that_was_stopped_is_made_again(dev):
    """Trap 14: nodes that were stopped often do not start again."""
    commands = Replay("the kept cluster was stopped", DIGEST=dev.digest)
    assert creation.create(dev, commands, NOW) == "dev"
    assert commands.position("k3d cluster delete dev") < commands.position("k3d cluster create dev")
    assert not commands.having("cluster start")


async def test_a_kept_cluster_that_is_not_usable_is_made_again_once(server, folder, dev, monkeypatch):
    monkeypatch.setattr(keeper, "READY_WITHIN", 0.1)
    await server.condition(Ready="Unknown")
    with pytest.raises(RigError) as caught:
        await server.bring_up(folder, "the kept cluster runs", settings=dev, DIGEST=dev.digest)
    commands = caught.value.commands
    assert len(commands.having("k3d cluster create dev")) == 1
    assert len(commands.having("k3d cluster delete dev")) == 2


@pytest.mark.parametrize(
    ("situation", "said"),
    [
        ("somebody else's cluster", "the cluster dev is there, and the harness did not make it"),
        ("a kept cluster of another file", "the cluster dev was made with another configuration"),
        ("the name is taken meanwhile", "a cluster of that name is there, which the harness did not make"),
    ],
)
def test_a_name_that_is_taken(situation, said, dev):
    text, commands = refused(UsageError, situation, settings=dev)
    assert said in text
    assert not commands.having("cluster delete")


@pytest.mark.parametrize("name", ["", "Dev", "-dev", "dev_1", "d" * 33])
def test_a_name_that_k3d_does_not_take(name):
    with pytest.raises(UsageError, match="cannot be the name of a k3d cluster"):
        Settings(keep=name)


def test_the_configuration_is_the_users_file(tmp_path):
    file = tmp_path / "k3d.yaml"
    file.write_text("apiVersion: k3d.io/v1alpha5\nkind: Simple\nimage: rancher/k3s:v1.34.1-k3s1\nagents: 2\n")
    commands = Replay()
    creation.create(Settings(file), commands, NOW)
    (created,) = commands.having("cluster create")
    assert f" --config {file}" in created
    assert " --image rancher/k3s:v1.34.1-k3s1 " in created
    assert "--no-lb" not in created
    assert "--port" not in created
    assert commands.having("image inspect", "ghcr.io/k3d-io/k3d-proxy:5.9.0")
    text, _ = refused(UsageError, "a configuration that is refused", settings=Settings(file))
    assert "k3d refused the configuration (Schema Validation failed" in text


@pytest.mark.parametrize("content", [None, "- a\n- list\n", "apiVersion: v1\nkind: Pod\n", "{"])
def test_a_file_that_is_no_configuration_of_k3d(content, tmp_path):
    file = tmp_path / "k3d.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=f"--k3d-config={file}: "):
        Settings(file)


@pytest.mark.parametrize(
    ("situation", "said"),
    [("the disk is full", "the disk of Docker is full"), ("docker ends meanwhile", "Docker does not run")],
)
def test_what_docker_says_is_explained(situation, said):
    text, commands = refused(RigError, situation)
    assert said in text
    assert commands.having("k3d cluster delete")
    assert "\x1b" not in text


def test_a_creation_that_is_ended_leaves_nothing():
    """Trap 6: k3d does not roll back when it is ended by a signal."""

    class Ended(Replay):
        def __call__(self, *command, within=30.0):
            done = super().__call__(*command, within=within)
            if command[:3] == ("k3d", "cluster", "create"):
                raise SystemExit(1)
            return done

    commands = Ended()
    with pytest.raises(SystemExit):
        creation.create(Settings(), commands, NOW)
    assert commands.having("k3d cluster delete", commands.having("cluster create")[0].split()[3])


def test_a_command_that_does_not_end_is_killed():
    assert SystemCommands()("sleep", "60", within=0.2).code is None
    assert SystemCommands()(str(Path("/does/not/exist"))).code == 127
