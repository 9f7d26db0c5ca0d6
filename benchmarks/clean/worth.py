"""How many runs of all scenarios some histories are worth, by the rule that the page of the clean histories states.

Of each kind of thing that judges look at, a run of all scenarios has so many. What all histories together have of a
kind is worth that many runs by the kind, and the least of the kinds counts: much of one makes up for no lack of
another. Not counted is what each stack has once, or by its clock: custom resources, leases, a gateway's own status,
console lines. The heartbeats of one scenario, which sends 29,474 until a board is given up, are not in the suite's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from harness.core.history import Event, Kind

__all__ = ["SUITE", "count", "worth"]

SUITE: Mapping[str, int] = {
    "TlsConnected": 1686,
    "ConnectionClosed": 972,
    "EnrollmentRequest": 974,
    "POST Device": 824,
    "Heartbeat": 1477,
    "DeviceInfo": 596,
    "PATCH Device": 3605,
    "PATCH Application": 1825,
    "POST Application": 207,
    "DELETED Application": 27,
    "Deploy": 310,
    "ModuleChunk": 727,
    "DeploymentResult": 290,
    "ApplicationStatus": 256,
    "RuntimeFault": 40,
    "StopResult": 68,
    "Error": 330,
    "faults": 113,
}
"""A run of all scenarios on simulated boards (414 histories, before each stack stops; measured 2026-11-30)."""


def count(events: Iterable[Event]) -> Counter[str]:
    """The things of each kind in a history."""
    found = Counter(each.name for each in events if each.kind is Kind.MESSAGE and each.name in SUITE)
    found["faults"] = sum(each.kind is Kind.FAULT and each.name != "API restored" for each in events)
    return found


def worth(things: Mapping[str, int]) -> tuple[float, str]:
    """The runs of all scenarios that things are worth, and the kind of which there is least."""
    return min((things.get(kind, 0) / number, kind) for kind, number in SUITE.items())
