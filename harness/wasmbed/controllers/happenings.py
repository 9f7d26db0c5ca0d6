"""The news for its owner in a change of a Device, an Application, or a Gateway.

It is read from the status, so it is right for every gateway that writes one, and nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.wasmbed.controllers.event_correlator import Happening
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.conditions import find_condition
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.phases import ApplicationPhase, DevicePhase, GatewayPhase
from harness.wasmbed.resources.views import Application, Device, Gateway

__all__ = ["application_happenings", "device_happenings", "gateway_happenings"]

_FAULTS = {ApplicationState.ERROR.value: "Faulted", ApplicationState.FAILED.value: "DeploymentFailed"}
_BAD = (ApplicationPhase.PARTIALLY_RUNNING, ApplicationPhase.UNKNOWN, ApplicationPhase.FAILED, ApplicationPhase.ERROR)
_RAN = (ApplicationPhase.RUNNING, ApplicationPhase.PARTIALLY_RUNNING, ApplicationPhase.UNKNOWN, ApplicationPhase.ERROR)
_UNREMARKABLE = (ApplicationPhase.PENDING, ApplicationPhase.CREATING, ApplicationPhase.STOPPING)
_DELETED = Happening("Deleted", "deleted from the cluster")


def device_happenings(old: Object | None, new: Object | None) -> Iterator[Happening]:
    """Enrolled, Connected, Disconnected, Unreachable, Failed, Degraded, Deleted."""
    if new is None:
        yield _DELETED
        return
    before, device = Device(old or {}).status, Device(new)
    status = device.status
    if status.phase == before.phase:
        if status.phase == DevicePhase.CONNECTED and (before.health, status.health) == ("healthy", "degraded"):
            state = f"the board is {(status.device_status or 'silent').lower()}, its WASM runtime {status.wasm_runtime}"
            yield Happening("Degraded", state, warning=True)
    elif status.phase == DevicePhase.ENROLLED:
        yield Happening("Enrolled", f"enrolled by gateway {status.gateway} as {status.device_id}")
    elif status.phase == DevicePhase.CONNECTED:
        yield Happening("Connected", f"connected to gateway {status.gateway}")
    elif status.phase == DevicePhase.DISCONNECTED:
        judged = find_condition(status.conditions, "Connected")
        by_controller = judged is not None and judged != find_condition(before.conditions, "Connected")
        message = judged["message"] if judged and by_controller else f"connection to gateway {before.gateway} lost"
        yield Happening("Disconnected", message, warning=True)
    elif status.phase == DevicePhase.UNREACHABLE:
        judged = find_condition(status.conditions, "Connected")
        yield Happening("Unreachable", judged["message"] if judged else "it has been away for long", warning=True)
    elif status.phase == DevicePhase.FAILED:
        yield Happening("EnrollmentFailed", status.error or "no reason given", warning=True)


def application_happenings(old: Object | None, new: Object | None) -> Iterator[Happening]:
    """The phases that an owner waits for, Deleted, and what failed on which device: Faulted, DeploymentFailed."""
    if new is None:
        yield _DELETED
        return
    before, application = Application(old or {}).status, Application(new)
    status = application.status
    yield from _faults(old, new)
    if status.phase != before.phase and status.phase not in _UNREMARKABLE:
        yield Happening(status.phase, _summary(application), warning=status.phase in _BAD)


def gateway_happenings(old: Object | None, new: Object | None) -> Iterator[Happening]:
    """Online, Offline, Deleted."""
    if new is None:
        yield _DELETED
        return
    before, status = Gateway(old or {}).status, Gateway(new).status
    if status.phase == before.phase:
        return
    if status.phase == GatewayPhase.ONLINE:
        yield Happening("Online", f"serves devices at {Gateway(new).spec.endpoint}")
    elif status.phase == GatewayPhase.OFFLINE:
        yield Happening("Offline", status.error or "stopped", warning=True)


def _summary(application: Application) -> str:
    status = application.status
    if status.phase == ApplicationPhase.STOPPED:
        return "stopped on all devices in reach"
    told = find_condition(status.conditions, "Running" if status.phase in _RAN else "Deployed") or {}
    return "; ".join(filter(None, (str(told.get("message") or ""), status.error))) or "no details given"


def _faults(old: Object | None, new: Object) -> Iterator[Happening]:
    """Failures on devices since ``old``; read without views, because an Application may have hundreds of devices."""
    known = ((old or {}).get("status") or {}).get("deviceStatuses") or {}
    for name, entry in ((new.get("status") or {}).get("deviceStatuses") or {}).items():
        reason = _FAULTS.get(entry.get("state"))
        if reason is None or known.get(name) is entry:
            continue
        before = known.get(name) or {}
        if all(before.get(field) == entry.get(field) for field in ("state", "code", "error")):
            continue
        what = (str(entry.get("error") or "").splitlines() or ["no reason given"])[0]
        code = f"{entry['code']}: " if entry.get("code") else ""
        related = {"apiVersion": DEVICE.api_version, "kind": DEVICE.kind, "name": name}
        related["namespace"] = new["metadata"]["namespace"]
        yield Happening(reason, f"{name}: {code}{what}", warning=True, related=related)
