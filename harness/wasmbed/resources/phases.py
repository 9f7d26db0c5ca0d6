"""The life of each resource as a table of legal moves: reconcilers, the gateway and the invariants read the same one.

A writer asks :func:`check` before it writes a phase. To stay in a phase is not a move and always legal; a resource
that has no phase yet is in the first one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import StrEnum

from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

__all__ = ["MOVES", "ApplicationPhase", "DevicePhase", "GatewayPhase", "IllegalMove", "check", "is_legal", "route"]


class DevicePhase(StrEnum):
    PENDING = "Pending"
    ENROLLING = "Enrolling"
    ENROLLED = "Enrolled"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"
    FAILED = "Failed"


class ApplicationPhase(StrEnum):
    PENDING = "Pending"
    CREATING = "Creating"
    DEPLOYING = "Deploying"
    DEPLOYED = "Deployed"
    RUNNING = "Running"
    PARTIALLY_RUNNING = "PartiallyRunning"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    """The deployment failed: no device could take the module."""
    ERROR = "Error"
    """The module was deployed and broke at run time."""


class GatewayPhase(StrEnum):
    PENDING = "Pending"
    ONLINE = "Online"
    OFFLINE = "Offline"


DEVICE_MOVES: Mapping[DevicePhase, frozenset[DevicePhase]] = {
    DevicePhase.PENDING: frozenset({DevicePhase.ENROLLING, DevicePhase.FAILED}),
    DevicePhase.ENROLLING: frozenset({DevicePhase.ENROLLED, DevicePhase.DISCONNECTED, DevicePhase.FAILED}),
    DevicePhase.ENROLLED: frozenset({DevicePhase.CONNECTED, DevicePhase.DISCONNECTED}),
    DevicePhase.CONNECTED: frozenset({DevicePhase.DISCONNECTED}),
    DevicePhase.DISCONNECTED: frozenset({DevicePhase.CONNECTED, DevicePhase.ENROLLING, DevicePhase.FAILED}),
    DevicePhase.FAILED: frozenset({DevicePhase.ENROLLING}),
}
"""A link that ends takes a device to Disconnected from wherever it was. A new enrollment (after a reboot) starts there
too: a gateway that finds a device Connected or Enrolled although it holds no link to it (its predecessor was killed)
writes Disconnected first (:func:`route` says so)."""

_Phase = ApplicationPhase
APPLICATION_MOVES: Mapping[ApplicationPhase, frozenset[ApplicationPhase]] = {
    _Phase.PENDING: frozenset({_Phase.CREATING}),
    _Phase.CREATING: frozenset({_Phase.DEPLOYING, _Phase.FAILED, _Phase.STOPPING}),
    _Phase.DEPLOYING: frozenset({_Phase.DEPLOYED, _Phase.FAILED, _Phase.STOPPING}),
    _Phase.DEPLOYED: frozenset(
        {_Phase.RUNNING, _Phase.PARTIALLY_RUNNING, _Phase.ERROR, _Phase.FAILED, _Phase.DEPLOYING, _Phase.STOPPING}
    ),
    _Phase.RUNNING: frozenset(
        {_Phase.PARTIALLY_RUNNING, _Phase.ERROR, _Phase.FAILED, _Phase.DEPLOYING, _Phase.STOPPING}
    ),
    _Phase.PARTIALLY_RUNNING: frozenset(
        {_Phase.RUNNING, _Phase.ERROR, _Phase.FAILED, _Phase.DEPLOYING, _Phase.STOPPING}
    ),
    _Phase.STOPPING: frozenset({_Phase.STOPPED}),
    _Phase.STOPPED: frozenset({_Phase.DEPLOYING, _Phase.FAILED}),
    _Phase.FAILED: frozenset({_Phase.DEPLOYING, _Phase.STOPPING}),
    _Phase.ERROR: frozenset({_Phase.DEPLOYING, _Phase.FAILED, _Phase.STOPPING}),
}
"""Deploying is entered again by a changed spec, and when the only devices that ran the module lost it in a reboot.
Stopping is finished before anything else begins."""

GATEWAY_MOVES: Mapping[GatewayPhase, frozenset[GatewayPhase]] = {
    GatewayPhase.PENDING: frozenset({GatewayPhase.ONLINE, GatewayPhase.OFFLINE}),
    GatewayPhase.ONLINE: frozenset({GatewayPhase.OFFLINE}),
    GatewayPhase.OFFLINE: frozenset({GatewayPhase.ONLINE}),
}

MOVES: Mapping[Resource, Mapping[str, frozenset[str]]] = {
    resource: {str(source): frozenset(map(str, targets)) for source, targets in moves.items()}
    for resource, moves in ((DEVICE, DEVICE_MOVES), (APPLICATION, APPLICATION_MOVES), (GATEWAY, GATEWAY_MOVES))
}
"""For each resource, for each phase, the phases that may follow it."""


class IllegalMove(Exception):
    """Somebody wanted to write a phase that may not follow the present one. A bug, never a condition to retry."""


def is_legal(resource: Resource, source: str | None, target: str) -> bool:
    """Whether ``resource`` may go from ``source`` (None or empty: it has no phase yet) to ``target``."""
    moves = MOVES[resource]
    start = source or next(iter(moves))
    return target in moves and (start == target or target in moves.get(start, ()))


def check(resource: Resource, source: str | None, target: str) -> str:
    """Return ``target`` if the move is legal; raise :class:`IllegalMove` naming what would be."""
    if is_legal(resource, source, target):
        return str(target)
    allowed = ", ".join(sorted(MOVES[resource].get(source or "", ()))) or "nothing"
    raise IllegalMove(f"{resource.kind}: {source or 'no phase'} -> {target}; after {source} may come {allowed}")


def route(resource: Resource, source: str | None, target: str) -> list[str]:
    """The fewest legal moves that lead from ``source`` to ``target``; empty if it is there already.

    Raises :class:`IllegalMove` if none do.
    """
    moves = MOVES[resource]
    start = source or next(iter(moves))
    came_from: dict[str, str] = {start: start}
    ahead = deque([start])
    while ahead and target not in came_from:
        here = ahead.popleft()
        for there in sorted(moves.get(here, ())):
            if there not in came_from:
                came_from[there] = here
                ahead.append(there)
    if target not in came_from:
        raise IllegalMove(f"{resource.kind}: nothing leads from {start} to {target}")
    path: list[str] = []
    while target != start:
        path.append(target)
        target = came_from[target]
    return path[::-1]
