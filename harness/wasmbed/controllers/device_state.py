"""The state of one device in the deployment of one application, judged only by what the cluster records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from harness.wasmbed.protocol.messages import CANCELLED, ApplicationState
from harness.wasmbed.resources.views import UNKNOWN, DeploymentRecord, Device, DeviceEntry

__all__ = [
    "HOLDING",
    "LIVE",
    "RETRIED_REASONS",
    "DeviceAssessment",
    "DeviceState",
    "enrolled_since",
    "has_module",
    "is_present",
    "judge",
    "may_hold",
    "obstacle",
    "reported_state",
]

HOLDING = frozenset({ApplicationState.DEPLOYED, ApplicationState.RUNNING})
"""The states in which a device holds the module."""
LIVE = frozenset({ApplicationState.RECEIVING, *HOLDING, UNKNOWN})
"""The states in which a device may hold the module, or is about to."""

NO_ANSWER = "it gave no answer in time"
HELD_ALREADY = "it refused the deployment because it has the application already"
RETRIED_REASONS = frozenset({NO_ANSWER, HELD_ALREADY})
"""The reasons for which a failed deployment is repeated a bounded number of times."""

_ALREADY_DEPLOYED = "ALREADY_DEPLOYED"
"""The device's error code for a deployment of an application that it already has."""

_STOP_FAILED = "STOP_FAILED"
"""The gateway's code for a stop that the device refused."""

_ENDED = frozenset({ApplicationState.FAILED, ApplicationState.ERROR})
"""The states in which a device does not run the application, and may still keep it."""

_NO_ANSWER_CODES = ("CONNECTION_LOST", "TIMEOUT")
"""The gateway's own codes: the device did not answer. They do not blame the module or the device."""


class DeviceState(Enum):
    WAITING = auto()
    """The device is out of reach; it is asked when it is back."""
    OUTDATED = auto()
    """It has an earlier or unknown revision, which has to be stopped first."""
    DUE = auto()
    """Its gateway has to be asked to deploy."""
    REQUESTED = auto()
    """Its gateway was asked and has not answered yet."""
    BACKING_OFF = auto()
    """The module failed at run time, and is deployed again after a pause."""
    DEPLOYED = auto()
    """It has the module, which has not started yet."""
    RUNNING = auto()
    UNKNOWN = auto()
    """It is out of reach, and had the module when it last reported."""
    FAILED = auto()
    """It cannot have the module, or refused it."""
    ERROR = auto()
    """The module failed at run time."""

    @property
    def answered(self) -> bool:
        """Whether the deployment to the device has an outcome."""
        return self in (
            DeviceState.DEPLOYED,
            DeviceState.RUNNING,
            DeviceState.UNKNOWN,
            DeviceState.FAILED,
            DeviceState.ERROR,
        )


@dataclass(frozen=True, slots=True)
class DeviceAssessment:
    """A device's state, with a reason where it is bad or late."""

    state: DeviceState
    reason: str = ""
    awaited: bool = False
    """The state is bad because something is missing that may still be added."""


def obstacle(device: Device | None, module_size: int) -> str | None:
    """Return why this device can never have a module of ``module_size`` bytes; None if it can."""
    if device is None:
        return "the device does not exist"
    if device.awaits_board:
        return "the device has not enrolled yet"
    if "wasm" not in device.spec.capabilities:
        return "its firmware has no WebAssembly runtime (no capability wasm)"
    largest = device.spec.largest_module
    if largest is not None and module_size > largest:
        return f"the module has {module_size} bytes, the device takes {largest}"
    return None


def has_module(device: Device, entry: DeviceEntry, reported: str | None = None) -> bool:
    """Whether the device may hold a module of this application, of any generation.

    An unanswered request counts, to deploy or to stop. So does a deployment that the device refused because it has the
    application, and a report of the application that was never requested, because an earlier application of the same
    name requested it.
    A device that enrolled since then counts as rebooted, without its modules, unless its heartbeat names the
    application, with the state ``reported``: a device that a gateway does not know also enrolls again, and its modules
    go on running.
    """
    record = entry.deployment
    if record.revision is None:
        return entry.state in LIVE
    asked = record.revision is not None and record.error is None
    held = may_hold(entry) if entry.state is not None else asked
    return held and (reported in HOLDING or not enrolled_since(device, record))


def is_present(device: Device, entry: DeviceEntry, reported: str | None = None) -> bool:
    """Whether the device may have the application in any state: a device keeps one that failed until it is stopped.

    Not if the device refused to stop it, and not if its gateway refused or cancelled the deployment.
    """
    if has_module(device, entry, reported):
        return True
    record = entry.deployment
    if entry.state not in _ENDED or record.error is not None or entry.code in (CANCELLED, _STOP_FAILED):
        return False
    return reported in _ENDED or not enrolled_since(device, record)


def reported_state(device: Device, application: str) -> str | None:
    """The state of an application by the device's latest heartbeat on record; None if that does not name it."""
    return (device.status.applications or {}).get(application)


def may_hold(entry: DeviceEntry) -> bool:
    """Whether the device's last state, if there is one, is one in which it may hold the module."""
    return entry.state in LIVE or _refused_as_held(entry) or _not_stopped(entry)


def enrolled_since(device: Device, record: DeploymentRecord) -> bool:
    """Whether the device enrolled after the request on record, or is a new Device with an old name."""
    present = device.status
    return record.enrollments != present.enrollments or record.device_id not in (None, present.device_id)


def judge(
    device: Device, entry: DeviceEntry, revision: str, *, away: str = "", confirmed: bool = True, expired: bool = False
) -> DeviceAssessment:
    """Return the state of a device without :func:`obstacle` with regard to ``revision``.

    ``away`` is why it is out of reach, empty if it is not. ``confirmed``: this process knows that the request on record
    was made (the record is written before the request). ``expired``: the answer to it is overdue.
    """
    next_step = DeviceAssessment(DeviceState.WAITING, away) if away else DeviceAssessment(DeviceState.DUE)
    record = entry.deployment
    if record.revision != revision:
        return DeviceAssessment(DeviceState.OUTDATED) if has_module(device, entry) and not away else next_step
    if enrolled_since(device, record):
        return next_step
    if record.error is not None:
        return DeviceAssessment(DeviceState.FAILED, record.error)
    state = entry.state if entry.generation == record.generation else None
    reason = entry.error or entry.code or ""
    match state:
        case ApplicationState.RUNNING | ApplicationState.DEPLOYED if away:
            return DeviceAssessment(DeviceState.UNKNOWN, away)
        case _ if state == UNKNOWN and (away or device.status.applications is None):
            return DeviceAssessment(DeviceState.UNKNOWN, away or "its gateway does not report its applications")
        case _ if state == UNKNOWN:
            return next_step  # back without the application, which its heartbeat did not name
        case ApplicationState.RUNNING:
            return DeviceAssessment(DeviceState.RUNNING)
        case ApplicationState.DEPLOYED:
            return DeviceAssessment(DeviceState.DEPLOYED)
        case ApplicationState.ERROR if _not_stopped(entry):
            return DeviceAssessment(DeviceState.UNKNOWN, away) if away else DeviceAssessment(DeviceState.OUTDATED)
        case ApplicationState.ERROR:
            return DeviceAssessment(DeviceState.ERROR, reason)
        case ApplicationState.FAILED if _refused_as_held(entry):
            return next_step if away else DeviceAssessment(DeviceState.OUTDATED, HELD_ALREADY)
        case ApplicationState.FAILED:
            if entry.code not in (CANCELLED, *_NO_ANSWER_CODES):
                return DeviceAssessment(DeviceState.FAILED, reason)
            return DeviceAssessment(DeviceState.DUE, NO_ANSWER) if entry.code == "TIMEOUT" and not away else next_step
        case ApplicationState.STOPPED:
            return next_step
    # Requested and not answered. A request is lost when its link ends.
    made = confirmed or state is not None
    if away or not made or record.session != device.status.connected_since:
        return next_step
    return DeviceAssessment(DeviceState.DUE, NO_ANSWER) if expired else DeviceAssessment(DeviceState.REQUESTED)


def _refused_as_held(entry: DeviceEntry) -> bool:
    return entry.state == ApplicationState.FAILED and entry.code == _ALREADY_DEPLOYED


def _not_stopped(entry: DeviceEntry) -> bool:
    """Whether the device did not answer a stop, so that nobody knows whether it runs the application."""
    return entry.state == ApplicationState.ERROR and entry.code in _NO_ANSWER_CODES
