from __future__ import annotations

from itertools import pairwise

import pytest

from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.phases import MOVES, IllegalMove, check, is_legal, route


@pytest.mark.parametrize("resource", MOVES, ids=lambda resource: resource.kind)
def test_every_phase_can_be_reached_from_the_first(resource) -> None:
    for phase in MOVES[resource]:
        route(resource, None, phase)


@pytest.mark.parametrize("resource", MOVES, ids=lambda resource: resource.kind)
def test_no_phase_is_a_dead_end(resource) -> None:
    assert all(MOVES[resource].values())


@pytest.mark.parametrize("resource", MOVES, ids=lambda resource: resource.kind)
def test_moves_lead_to_phases_that_exist(resource) -> None:
    assert set().union(*MOVES[resource].values()) <= MOVES[resource].keys()


@pytest.mark.parametrize(
    "life",
    [
        "Pending Enrolling Enrolled Connected Disconnected Connected",
        "Connected Disconnected Enrolling Enrolled Connected",
        "Enrolling Failed Enrolling",
        "Enrolling Disconnected",
        "Enrolled Disconnected",
    ],
)
def test_legal_lives_of_a_device(life) -> None:
    phases = life.split()
    for source, target in pairwise(phases):
        assert check(DEVICE, source, target) == target


@pytest.mark.parametrize(
    "life",
    [
        "Pending Creating Deploying Deployed Running PartiallyRunning Running Stopping Stopped Deploying",
        "Pending Creating Failed Deploying Failed",
        "Deployed PartiallyRunning Error Deploying",
        "Running Deploying",
        "Deployed Error Stopping Stopped",
    ],
)
def test_legal_lives_of_an_application(life) -> None:
    phases = life.split()
    for source, target in pairwise(phases):
        assert is_legal(APPLICATION, source, target)


@pytest.mark.parametrize(
    ("resource", "source", "target"),
    [
        (DEVICE, None, "Connected"),
        (DEVICE, "Pending", "Connected"),
        (DEVICE, "Connected", "Enrolling"),
        (DEVICE, "Failed", "Connected"),
        (APPLICATION, "Pending", "Running"),
        (APPLICATION, "Deploying", "Running"),
        (APPLICATION, "Running", "Stopped"),
        (APPLICATION, "Stopping", "Running"),
        (APPLICATION, "Running", "Creating"),
        (GATEWAY, "Online", "Pending"),
        (GATEWAY, "Online", "Lost"),
    ],
)
def test_an_illegal_move_names_what_would_be_legal(resource, source, target) -> None:
    assert not is_legal(resource, source, target)
    with pytest.raises(IllegalMove) as caught:
        check(resource, source, target)
    for phase in MOVES[resource].get(source or "", ()):
        assert phase in str(caught.value)


def test_staying_in_a_phase_is_legal() -> None:
    assert check(DEVICE, "Connected", "Connected") == "Connected"
    assert check(DEVICE, None, "Pending") == "Pending"
    assert route(DEVICE, "Connected", "Connected") == []


@pytest.mark.parametrize(
    ("resource", "source", "target", "steps"),
    [
        (DEVICE, "Connected", "Enrolling", ["Disconnected", "Enrolling"]),
        (APPLICATION, "Deploying", "Running", ["Deployed", "Running"]),
        (APPLICATION, "Error", "Running", ["Deploying", "Deployed", "Running"]),
        (APPLICATION, None, "Stopped", ["Creating", "Stopping", "Stopped"]),
    ],
)
def test_a_route_takes_the_fewest_moves(resource, source, target, steps) -> None:
    assert route(resource, source, target) == steps


def test_no_moves_lead_back_to_the_first_phase() -> None:
    with pytest.raises(IllegalMove, match="Running to Pending"):
        route(APPLICATION, "Running", "Pending")
