"""The phases of each resource and the table of legal moves, which controllers, gateway, and invariants share.

A writer calls :func:`check` before it writes a phase. Staying in a phase is always legal. A resource without a phase is
in the first one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping
from enum import StrEnum

from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

__all__ = [
    "AWAY_PHASES",
    "LINKED_PHASES",
    "MOVES",
    "SELF_REGISTERING",
    "ApplicationPhase",
    "Cause",
    "DevicePhase",
    "GatewayPhase",
    "IllegalMove",
    "check",
    "is_legal",
    "reachable",
    "route",
]


class DevicePhase(StrEnum):
    PENDING = "Pending"
    ENROLLING = "Enrolling"
    ENROLLED = "Enrolled"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"
    UNREACHABLE = "Unreachable"
    """It has been Disconnected for so long that somebody should look after it."""
    FAILED = "Failed"


AWAY_PHASES = frozenset({DevicePhase.DISCONNECTED, DevicePhase.UNREACHABLE})
"""The phases of a device that is known and has no link."""
LINKED_PHASES = frozenset({DevicePhase.ENROLLING, DevicePhase.ENROLLED, DevicePhase.CONNECTED})
"""The phases in which a gateway holds a link to the device."""


class ApplicationPhase(StrEnum):
    PENDING = "Pending"
    CREATING = "Creating"
    DEPLOYING = "Deploying"
    DEPLOYED = "Deployed"
    RUNNING = "Running"
    PARTIALLY_RUNNING = "PartiallyRunning"
    UNKNOWN = "Unknown"
    """All devices that ran it are out of reach."""
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    """The deployment failed: no device could take the module."""
    ERROR = "Error"
    """The module was deployed and failed at run time."""


class Cause(StrEnum):
    """The cause of a move that needs one."""

    STOP = "stop"
    """The application is stopped or deleted."""
    START = "start"
    """The application is no longer stopped."""
    CHANGE = "change"
    """The spec or its target devices change."""


class GatewayPhase(StrEnum):
    PENDING = "Pending"
    ONLINE = "Online"
    OFFLINE = "Offline"


DEVICE_MOVES: Mapping[DevicePhase, frozenset[DevicePhase]] = {
    DevicePhase.PENDING: frozenset({DevicePhase.ENROLLING, DevicePhase.FAILED}),
    DevicePhase.ENROLLING: frozenset({DevicePhase.ENROLLED, DevicePhase.DISCONNECTED, DevicePhase.FAILED}),
    DevicePhase.ENROLLED: frozenset({DevicePhase.CONNECTED, DevicePhase.DISCONNECTED}),
    DevicePhase.CONNECTED: frozenset({DevicePhase.DISCONNECTED}),
    DevicePhase.DISCONNECTED: frozenset(
        {DevicePhase.CONNECTED, DevicePhase.ENROLLING, DevicePhase.UNREACHABLE, DevicePhase.FAILED}
    ),
    DevicePhase.UNREACHABLE: frozenset({DevicePhase.CONNECTED, DevicePhase.ENROLLING, DevicePhase.FAILED}),
    DevicePhase.FAILED: frozenset({DevicePhase.ENROLLING}),
}
"""When a link ends, its device becomes Disconnected from any phase. A new enrollment (after a reboot) starts there too:
a gateway that finds a device Connected or Enrolled without a link to it (its predecessor was killed) writes
Disconnected first."""

_Phase = ApplicationPhase
_OUTCOMES = frozenset({_Phase.RUNNING, _Phase.PARTIALLY_RUNNING, _Phase.UNKNOWN, _Phase.ERROR, _Phase.FAILED})
"""The outcomes of a deployment that has reached its devices; they change as devices come and go."""
APPLICATION_MOVES: Mapping[ApplicationPhase, frozenset[ApplicationPhase]] = {
    _Phase.PENDING: frozenset({_Phase.CREATING}),
    _Phase.CREATING: frozenset({_Phase.DEPLOYING, _Phase.FAILED, _Phase.STOPPING}),
    _Phase.DEPLOYING: frozenset({_Phase.DEPLOYED, _Phase.FAILED, _Phase.STOPPING}),
    _Phase.DEPLOYED: frozenset({*_OUTCOMES, _Phase.DEPLOYING, _Phase.STOPPING}),
    _Phase.RUNNING: frozenset({*_OUTCOMES - {_Phase.RUNNING}, _Phase.DEPLOYING, _Phase.STOPPING}),
    _Phase.PARTIALLY_RUNNING: frozenset({*_OUTCOMES - {_Phase.PARTIALLY_RUNNING}, _Phase.DEPLOYING, _Phase.STOPPING}),
    _Phase.UNKNOWN: frozenset({*_OUTCOMES - {_Phase.UNKNOWN}, _Phase.DEPLOYING, _Phase.STOPPING}),
    _Phase.STOPPING: frozenset({_Phase.STOPPED}),
    _Phase.STOPPED: frozenset({_Phase.DEPLOYING, _Phase.FAILED}),
    _Phase.FAILED: frozenset({_Phase.DEPLOYING, _Phase.STOPPING}),
    _Phase.ERROR: frozenset({_Phase.DEPLOYING, _Phase.FAILED, _Phase.STOPPING}),
}
"""A changed spec leads to Deploying again, and so does a reboot of the only devices that ran the module. Stopping is
completed before anything else begins. Running and PartiallyRunning count only devices within reach."""

APPLICATION_CAUSES: Mapping[tuple[ApplicationPhase, ApplicationPhase], Cause] = {
    **{(source, _Phase.STOPPING): Cause.STOP for source in APPLICATION_MOVES},
    (_Phase.STOPPED, _Phase.DEPLOYING): Cause.START,
    (_Phase.STOPPED, _Phase.FAILED): Cause.START,
    (_Phase.FAILED, _Phase.DEPLOYING): Cause.CHANGE,
    (_Phase.ERROR, _Phase.DEPLOYING): Cause.CHANGE,
    (_Phase.ERROR, _Phase.FAILED): Cause.CHANGE,
}
"""The moves that need a cause. All other moves may happen as devices and gateways come and go."""

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


CAUSES: Mapping[Resource, Mapping[tuple[str, str], Cause]] = {
    APPLICATION: {(str(source), str(target)): cause for (source, target), cause in APPLICATION_CAUSES.items()}
}

SELF_REGISTERING = frozenset({DEVICE, GATEWAY})
"""Resources whose objects are created again after a deletion: a device enrolls, a gateway registers."""


class IllegalMove(Exception):
    """A writer tried to write a phase that may not follow the present one: a bug, which a retry cannot fix."""


def is_legal(resource: Resource, source: str | None, target: str) -> bool:
    """Whether ``resource`` may go from ``source`` (None or empty: it has no phase yet) to ``target``."""
    moves = MOVES[resource]
    start = source or next(iter(moves))
    return target in moves and (start == target or target in moves.get(start, ()))


def check(resource: Resource, source: str | None, target: str) -> str:
    """Return ``target`` if the move is legal; raise :class:`IllegalMove` with the legal ones otherwise."""
    if is_legal(resource, source, target):
        return str(target)
    allowed = ", ".join(sorted(MOVES[resource].get(source or "", ()))) or "nothing"
    raise IllegalMove(f"{resource.kind}: {source or 'no phase'} -> {target}; after {source} may come {allowed}")


def reachable(resource: Resource, source: str | None, causes: Container[Cause]) -> frozenset[str]:
    """Return every phase that can follow ``source``, by moves that need no cause or one of ``causes``."""
    moves, needed = MOVES[resource], CAUSES.get(resource, {})
    found: set[str] = set()
    ahead = deque([source or next(iter(moves))])
    while ahead:
        here = ahead.popleft()
        for there in moves.get(here, ()):
            cause = needed.get((here, there))
            if there not in found and (cause is None or cause in causes):
                found.add(there)
                ahead.append(there)
    return frozenset(found)


def route(resource: Resource, source: str | None, target: str) -> list[str]:
    """Return the phases on the shortest way from ``source`` to ``target``; empty if they are the same.

    Raises :class:`IllegalMove` if there is no way.
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
        raise IllegalMove(f"{resource.kind}: no legal moves lead from {start} to {target}")
    path: list[str] = []
    while target != start:
        path.append(target)
        target = came_from[target]
    return path[::-1]
