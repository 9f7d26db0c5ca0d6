"""Leftovers of k3d are found by label and name, and nothing else is removed."""

from __future__ import annotations

import os

from harness.clusters.existing.ownership import DAY, identity
from harness.clusters.k3d.removal import own_name, sweep
from tests.clusters.k3d.replay import Replay

NOW = 1_700_000_000.0 + 2 * DAY


def leftovers(**words):
    """Of a process that has ended, of this one, and a kept cluster."""
    alive = identity(os.getpid())
    ended = f"{alive.split(' ')[0]} 4194305 1"
    run = {"DEAD": ended.replace(" ", "_"), "LIVE": alive.replace(" ", "_")}
    return Replay("leftovers", OWN=own_name(), **{**run, **words})


def test_leftovers_are_removed_and_what_is_used_stays():
    """Traps 4, 6: Docker starts them again when it starts; and a network or a volume may be all that is left."""
    commands = leftovers()
    swept = dict(sweep(commands, NOW))
    assert swept["wasmbed-7-dead"] is None
    assert swept["wasmbed-8-live"] == f"process {os.getpid()} uses it"
    assert swept["dev"].startswith("--keep-cluster keeps it")
    assert commands.having("docker ps --all --filter label=wasmbed.io/run ")
    assert commands.having("k3d cluster delete wasmbed-7-dead")
    assert not commands.having("wasmbed-8-live")
    assert not commands.having(" dev")


def test_networks_and_volumes_without_a_cluster_are_removed():
    commands = leftovers()
    swept = dict(sweep(commands, NOW))
    assert swept.keys() >= {"wasmbed-999999-aaaaaaaa", "wasmbed-999998-bbbbbbbb-2"}
    assert commands.having("docker network rm k3d-wasmbed-999999-aaaaaaaa")
    assert commands.having("docker volume rm k3d-wasmbed-999998-bbbbbbbb-2-images")
    assert not commands.having("rm", own_name())
    assert not commands.having("of-somebody")


def test_kept_clusters_are_removed_on_request():
    assert dict(sweep(leftovers(), NOW, kept=True))["dev"] is None


def test_a_cluster_of_another_machine_stays_for_a_day():
    other = "another-boot/1_77_88"
    assert dict(sweep(leftovers(DEAD=other), NOW - 1.5 * DAY))["wasmbed-7-dead"].startswith("made within the last day")
    assert dict(sweep(leftovers(DEAD=other), NOW))["wasmbed-7-dead"] is None


def test_delete_always_names_a_cluster():
    """Trap 17: without a name, k3d deletes k3s-default."""
    commands = leftovers()
    list(sweep(commands, NOW))
    assert all(len(call.split()) == 4 for call in commands.having("k3d cluster delete"))


def test_without_docker_nothing_is_swept():
    assert list(sweep(Replay("docker does not run"), NOW)) == []
