"""The words about a pod that does not start or that ends: those of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from harness.shards.diagnosis import cannot_start, death, waits_for


def pod(phase: str = "Pending", state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "shard", "state": state}] if state else []
    return {
        "metadata": {"name": "run-0"},
        "spec": {"containers": [{"image": "example/suite:1"}]},
        "status": {"phase": phase, "containerStatuses": containers, **status},
    }


@pytest.mark.parametrize(
    ("reason", "says", "do"),
    [
        ("ErrImageNeverPull", "ErrImageNeverPull: example/suite:1", "--image"),
        ("InvalidImageName", "InvalidImageName: example/suite:1", "--image"),
        ("CreateContainerConfigError", "CreateContainerConfigError: example/suite:1", "correct that in the cluster"),
    ],
)
def test_a_container_that_will_not_start(reason: str, says: str, do: str) -> None:
    told = cannot_start(pod(state={"waiting": {"reason": reason}}))
    assert told is not None
    assert told[0] == says
    assert do in told[1]


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_container_that_is_being_made_may_start(reason: str) -> None:
    assert cannot_start(pod(state={"waiting": {"reason": reason}})) is None
    assert waits_for(pod(state={"waiting": {"reason": reason}})) == reason


def test_a_pod_without_a_node_waits_with_the_schedulers_reason() -> None:
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert waits_for(pod(conditions=[unschedulable])) == "Unschedulable: 0/3 nodes"
    assert waits_for(pod()) == "Pending"


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        (pod("Running", {"running": {}}), None),
        (None, "its pod was deleted"),
        ({"metadata": {"deletionTimestamp": "2026-11-30T00:00:00Z"}}, "its pod was deleted"),
        (pod("Failed", {"terminated": {"reason": "OOMKilled", "exitCode": 137}}), "OOMKilled: exit code 137"),
        (pod("Failed", {"terminated": {"reason": "Error", "exitCode": 1}}), "Error: exit code 1"),
        (pod("Failed", reason="Evicted", message="The node had condition: [DiskPressure]."),
         "Evicted: The node had condition: [DiskPressure]."),
        (pod("Failed", reason="NodeShutdown"), "NodeShutdown: exit code unknown"),
    ],
)  # fmt: skip
def test_why_a_pod_has_ended(ended: dict[str, Any] | None, says: str | None) -> None:
    told = death(ended)
    assert (told and told[0]) == says
