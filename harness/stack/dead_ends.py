"""Finds phases that a resource can no longer reach, by the table of phases, so that a test does not wait for them.

A status is not judged if something acted on the resource after it was written: the action may change the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.history import Event, History, Kind
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.conditions import find_condition
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.phases import MOVES, SELF_REGISTERING, ApplicationPhase, Cause, reachable
from harness.wasmbed.resources.views import Application

__all__ = ["dead_end"]

_WRITES = ("POST", "PUT", "PATCH", "DELETE")


def dead_end(resource: Resource, name: str, object: Object | None, phase: object, history: History) -> str | None:
    """Why the resource can no longer reach ``phase``; None if it may.

    ``object`` is the resource as last seen, None if there is none. A ``phase`` that is not a string (a function, or
    None) is never ruled out.
    """
    if object is None:
        deleted = resource not in SELF_REGISTERING and _last(history, resource, name) == "deleted"
        return "it was deleted" if deleted else None
    status: Mapping[str, Any] = object.get("status") or {}
    present = status.get("phase") or next(iter(MOVES[resource]))
    if not isinstance(phase, str) or phase == present:
        return None
    if phase in _ahead(resource, present, object) or _is_outdated(history, resource, name):
        return None
    if (object.get("metadata") or {}).get("deletionTimestamp"):
        return "it is being deleted"
    reason = status.get("error")
    return f"it is {present}, and no move leads from there without a change" + (f": {reason}" if reason else "")


def _ahead(resource: Resource, present: str, object: Object) -> frozenset[str]:
    """The phases that may still follow, by the state of the object."""
    if resource != APPLICATION:
        return reachable(resource, present, frozenset(Cause))
    application = Application(object)
    ends = reachable(resource, present, {Cause.STOP})
    if application.spec.stopped or application.deleting:
        return ends
    stalled = find_condition(application.status.conditions, "Stalled")
    if stalled is None or stalled["status"] != "True":
        return ends | reachable(resource, present, {Cause.START, Cause.CHANGE})
    if application.spec.target_devices.device_names:
        return ends | reachable(resource, present, {Cause.START})
    # More devices may join, but the ones where it failed keep it from running everywhere.
    return ends | reachable(resource, present, {Cause.START, Cause.CHANGE}) - {ApplicationPhase.RUNNING}


def _last(history: History, resource: Resource, name: str) -> str | None:
    event = next((event for event in reversed(history) if _is_about(event, resource, name)), None)
    return event.data["change"] if event is not None else None


def _is_outdated(history: History, resource: Resource, name: str) -> bool:
    """Whether an action or a fault happened since the resource last changed, or its spec was written since it last
    changed there: until the watch shows that, a change of its status may be an older one."""
    changed = False
    for event in reversed(history):
        if _is_about(event, resource, name):
            if "spec" in event.data:
                return False
            changed = True
        elif _writes_spec(event, resource, name) or (not changed and _is_action(event)):
            return True
    return False


def _is_action(event: Event) -> bool:
    """Whether a test, a fault or a user changed something, also by the REST API."""
    wrote = event.source in ("User", "ApiServer") and event.name.startswith(_WRITES)
    return wrote or event.kind is Kind.FAULT or event.source == "Harness"


def _writes_spec(event: Event, resource: Resource, name: str) -> bool:
    """Whether the spec was written; a request without an answer may have been carried out."""
    asked = event.kind is Kind.MESSAGE and event.target == "Kubernetes" and event.name.endswith(f" {resource.kind}")
    code = event.data.get("code")
    is_refused = isinstance(code, int) and code >= 300
    return asked and event.data.get("name") == name and "spec" in event.data and not is_refused


def _is_about(event: Event, resource: Resource, name: str) -> bool:
    return event.kind is Kind.STATE and event.name == resource.kind and event.data["name"] == name
