"""The shapes of ``-o json`` and ``-o yaml``: types from which ``docs/reference/output.md`` and the schemas are made.

Stable: a member is only ever added. Times are RFC 3339 in UTC. Nothing imports this module to run.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

__all__ = ["CHANGES", "DOCUMENTS"]


class GatewayRow(TypedDict):
    """A Gateway."""

    name: str
    phase: str
    endpoint: str | None
    """Where devices connect to, ``HOST:PORT``."""
    connectedDevices: int
    lastSeen: str | None
    """The time of its last heartbeat."""
    version: str | None
    error: str | None


class DeviceRow(TypedDict):
    """A Device."""

    name: str
    phase: str
    type: str | None
    gateway: str | None
    """The gateway that it is or was connected to."""
    health: str | None
    deviceStatus: str | None
    """The state that it reports."""
    wasmRuntime: str | None
    """The state of its WASM runtime."""
    connectedSince: str | None
    lastHeartbeat: str | None
    labels: dict[str, str]
    error: str | None


class ApplicationRow(TypedDict):
    """An Application. The numbers are of devices."""

    name: str
    phase: str
    target: int
    """Devices where it is to run."""
    deployed: int
    running: int
    failed: int
    unknown: int
    """Devices that had it when they were last in reach."""
    health: str | None
    lastUpdate: str | None
    error: str | None


class EntryRow(TypedDict):
    """One application on one device."""

    device: str
    state: str | None
    lastOutput: str | None
    """``TOPIC: PAYLOAD`` of what it published last."""
    code: str | None
    """The code of its error, such as ``TRAP``."""
    error: str | None


class DevicesDocument(TypedDict):
    """``wasmbed devices``."""

    devices: list[DeviceRow]


class ApplicationsDocument(TypedDict):
    """``wasmbed apps``."""

    applications: list[ApplicationRow]


class ApplicationDocument(TypedDict):
    """``wasmbed apps NAME``."""

    application: ApplicationRow
    devices: list[EntryRow]


class PinsRow(TypedDict):
    """The output pins of a board."""

    name: str
    high: list[int]
    """The numbers of those that are high."""


class GpioDocument(TypedDict):
    """``wasmbed gpio``."""

    boards: list[PinsRow]


class PublicationRow(TypedDict):
    """A publication of an application on a device; each line of ``wasmbed publications -f -o json``."""

    time: str | None
    """The time of the device's report."""
    device: str
    topic: str
    payload: str
    encoding: Literal["text", "base64"]


class PublicationsDocument(TypedDict):
    """``wasmbed publications``, oldest first for each device."""

    publications: list[PublicationRow]


class StatusDocument(TypedDict):
    """``wasmbed status``: the gateways, and the numbers of devices and of applications in each phase."""

    gateways: list[GatewayRow]
    devices: dict[str, int]
    applications: dict[str, int]


class BoardRow(TypedDict):
    """A kind of board."""

    name: str
    """The name for ``--boards``."""
    tier: str
    summary: str
    features: list[str]
    cannot: list[str]
    """Its limits."""
    unavailable: str | None
    """Why it cannot run here, or what it lacks here; null if nothing."""


class BoardsDocument(TypedDict):
    """``wasmbed boards``."""

    boards: list[BoardRow]


EquipmentType = Literal["boards", "cluster", "gateway", "tool", "python", "loop"]


class EquipmentRow(TypedDict):
    """A tier of boards, a kind of cluster or gateway, or a tool."""

    type: EquipmentType
    name: str
    available: bool
    detail: str
    """Where it is, or why it is not available and how to get it."""


class DoctorDocument(TypedDict):
    """``wasmbed doctor``."""

    equipment: list[EquipmentRow]


class ProgramRow(TypedDict):
    """A program of a platform."""

    name: str
    phase: Literal["starting", "running", "waiting", "stopped"]
    """``waiting``: it has ended, and is started again after a delay."""
    pid: int | None
    since: str
    restarts: int
    lastEnd: str
    """How it ended last; empty if it did not."""
    addresses: dict[str, str]
    """Where it serves, by what: ``HOST:PORT``."""


class ClusterRow(TypedDict):
    """The cluster of a platform."""

    kind: str
    """``embedded``, or the kubeconfig of an existing one."""
    restarts: int


class PlatformDocument(TypedDict):
    """``wasmbed platform status``."""

    since: str
    folder: str
    kubeconfig: str
    namespace: str
    cluster: ClusterRow
    programs: list[ProgramRow]


class UpBoardRow(TypedDict):
    """A board of ``wasmbed up``."""

    name: str
    kind: str
    device: str
    """The name of its Device."""
    power: Literal["on", "off"]
    pid: int | None
    """Its process, if it has one of its own."""


class UpDocument(TypedDict):
    """``wasmbed ps``."""

    since: str
    kubeconfig: str
    namespace: str
    cluster: str
    """The kind of cluster."""
    gateway: str
    """The kind of gateway."""
    boards: list[UpBoardRow]


class SequenceRow(TypedDict):
    """The verdict of a sequence on a history."""

    sequence: str
    follows: bool
    text: str


class HistoryRow(TypedDict):
    """The verdict on a history."""

    file: str
    events: int
    rules: int
    good: bool
    """Whether no invariant is broken, and all sequences were followed."""
    violations: list[str]
    notes: list[str]
    """Lines that could not be read, and what could not be judged."""
    sequences: list[SequenceRow]


class CheckDocument(TypedDict):
    """``wasmbed check``."""

    histories: list[HistoryRow]


class ChangeRow(TypedDict):
    """A test with another outcome, or a sequence with another verdict."""

    test: str
    before: str | None
    """In the first run; null if it was not in it."""
    after: str | None
    blame: str | None
    message: str


class TimeRow(TypedDict):
    """A test with another time, in seconds."""

    test: str
    before: float
    after: float


class BoundaryRow(TypedDict):
    """The number of events at a boundary, of the tests that both runs judged."""

    boundary: str
    before: int
    after: int


class CompareDocument(TypedDict):
    """``wasmbed compare``."""

    first: str
    """The folder of the first run."""
    second: str
    worse: bool
    """Whether something fails that did not fail before."""
    newlyFailing: list[ChangeRow]
    newlyNotRun: list[ChangeRow]
    newlyPassing: list[ChangeRow]
    other: list[ChangeRow]
    sequences: list[ChangeRow]
    """Verdicts of a sequence on a test that differ."""
    added: list[ChangeRow]
    removed: list[ChangeRow]
    sameOutcome: int
    """Tests with the same outcome."""
    times: list[TimeRow]
    boundaries: list[BoundaryRow]


class RunRow(TypedDict):
    """A run of a suite. The numbers are of tests."""

    run: str
    at: str | None
    boards: list[str]
    """The tiers of its boards."""
    passed: int
    failed: int
    notRun: int
    skipped: int
    flaky: int
    duration: float
    """Seconds of the judged tests."""
    flakyTests: list[str]
    figures: dict[str, float]
    """The ratios of the benchmarks, where they were measured since the run before."""


class TrendDocument(TypedDict):
    """``wasmbed trend``, oldest run first."""

    runs: list[RunRow]


class DeviceChange(TypedDict):
    """``wasmbed devices --watch``: one in a line of JSON."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: DeviceRow


class ApplicationChange(TypedDict):
    """``wasmbed apps --watch``: one in a line of JSON."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: ApplicationRow


DOCUMENTS: dict[str, object] = {
    "status": StatusDocument,
    "devices": DevicesDocument,
    "apps": ApplicationsDocument,
    "apps NAME": ApplicationDocument,
    "publications": PublicationsDocument,
    "gpio": GpioDocument,
    "boards": BoardsDocument,
    "doctor": DoctorDocument,
    "platform status": PlatformDocument,
    "ps": UpDocument,
    "check": CheckDocument,
    "compare": CompareDocument,
    "trend": TrendDocument,
}
"""The document of each command."""
CHANGES: dict[str, object] = {
    "status --watch": StatusDocument,
    "platform status --watch": PlatformDocument,
    "devices --watch": DeviceChange,
    "apps --watch": ApplicationChange,
    "publications --follow": PublicationRow,
}
"""The document that each command prints for each change while it watches."""
