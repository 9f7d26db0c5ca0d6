"""Who is connected: one :class:`Session` for each link, and the table that bounds them and knows them by name."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from harness.core.clock import Timer
from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.nonces import RecentIds
from harness.wasmbed.gateway.refusals import try_again
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.link import Link
from harness.wasmbed.protocol.messages import ApplicationState, ErrorCode, Heartbeat

if TYPE_CHECKING:
    from harness.wasmbed.gateway.application_status import ApplicationRecord
    from harness.wasmbed.gateway.device_queue import DeviceQueue

__all__ = ["Session", "SessionState", "Sessions"]


class SessionState(Enum):
    """Where a session is in its life; it only ever goes forward."""

    OPENED = "opened"
    """Secured, and nothing said that counts."""
    ENROLLING = "enrolling"
    ENROLLED = "enrolled"
    """The enrollment response is out; the device has to acknowledge and send its first heartbeat."""
    CONNECTED = "connected"
    CLOSING = "closing"


class Session:
    """One link and what the gateway knows about the device at its end; small, for there may be many."""

    __slots__ = (
        "anonymous",
        "applications",
        "connected_since",
        "device_id",
        "enrolled",
        "errors",
        "heard_at",
        "heartbeat",
        "link",
        "metric_names",
        "name",
        "on_record",
        "recent_ids",
        "spoke",
        "state",
        "timer",
        "work",
        "write_timer",
        "written_at",
    )

    def __init__(self, link: Link, *, anonymous: bool) -> None:
        self.link = link
        self.anonymous = anonymous
        """It came without a certificate."""
        self.state = SessionState.OPENED
        self.spoke = False
        self.name = ""
        """The device's, once it is known who it is."""
        self.device_id = ""
        self.enrolled = False
        """It enrolled on this link, so its firmware may be another than before."""
        self.on_record = False
        """Its Device's status tells of this session, so the end of it has to be told too."""
        self.connected_since = 0.0
        self.heard_at = 0.0
        """When the last heartbeat came."""
        self.written_at = 0.0
        """When a heartbeat was last handed over for writing, or is going to be."""
        self.heartbeat: Heartbeat | None = None
        self.metric_names: set[str] = set()
        """The names of all metrics it has sent."""
        self.recent_ids = RecentIds()
        """Of heartbeats and runtime errors, which carry fresh ids."""
        self.timer: Timer | None = None
        """The one thing the session waits for with a deadline: its first message, or the next heartbeat."""
        self.write_timer: Timer | None = None
        """Runs while the peer does not read what it is sent."""
        self.errors = 0
        """Answers of ``error`` since the last heartbeat."""
        self.applications: dict[str, ApplicationRecord] | None = None
        self.work: DeviceQueue | None = None

    def forget_states(self) -> None:
        """Let what the next heartbeat says of applications be news. A failed deployment stays failed."""
        for record in (self.applications or {}).values():
            if record.state is not ApplicationState.FAILED:
                record.state = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def stop_write_timer(self) -> None:
        if self.write_timer is not None:
            self.write_timer.cancel()
            self.write_timer = None


class Sessions:
    """All sessions. A device's name is claimed by one session at a time."""

    def __init__(self, settings: GatewaySettings, randomness: Randomness) -> None:
        self._settings, self._randomness = settings, randomness
        self._all: dict[Session, None] = {}
        self._unclaimed: dict[Session, None] = {}
        self._named: dict[str, Session] = {}
        self.draining = False

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def named(self) -> int:
        """How many sessions belong to a device."""
        return len(self._named)

    def get(self, name: str) -> Session | None:
        """The session of the device of that name, from its claim on."""
        return self._named.get(name)

    def connected(self, name: str) -> Session | None:
        """The same, if it got as far as its first heartbeat and is not on its way out."""
        session = self._named.get(name)
        return session if session is not None and session.state is SessionState.CONNECTED else None

    def open(self, session: Session) -> Session | None:
        """Take in a new session; returns one that has to make room for it, or itself if there is none to be had."""
        replaced = self._choose_replaced(session) if len(self._unclaimed) >= self._settings.unclaimed else None
        if replaced is not None:
            self.close(replaced)
        if replaced is not session:
            self._all[session] = self._unclaimed[session] = None
        return replaced

    def claim(self, session: Session, name: str, retry_after: float) -> None:
        """Make ``name`` this session's. Raises :class:`Refused` when the gateway is full, and when the name is taken:
        for ``retry_after`` seconds, as far as can be said."""
        self.check_open()
        if name in self._named:
            raise try_again(f"device {name} already has a session here", retry_after, ErrorCode.DUPLICATE_DEVICE)
        if len(self._named) >= self._settings.sessions:
            reason = f"all {self._settings.sessions} sessions are in use"
            raise try_again(reason, self.retry_after(), ErrorCode.GATEWAY_FULL)
        self._unclaimed.pop(session, None)
        self._named[name] = session
        session.name = name

    def check_open(self) -> None:
        """Raise :class:`Refused` while no session may begin."""
        if self.draining:
            raise try_again("the gateway is shutting down", self.retry_after(), ErrorCode.GATEWAY_DRAINING)

    def retry_after(self) -> float:
        """Seconds after which a peer that is turned away is to come back: for each another moment of a window that
        grows with the number of sessions, so that not all come at once."""
        half = max(len(self._all) - 1, 0) / self._settings.return_rate / 2
        middle = self._settings.retry_after + half
        return self._randomness.jitter(middle, half / middle)

    def release(self, session: Session) -> None:
        """Give the name back; the session stays until its link is closed."""
        if self._named.get(session.name) is session:
            del self._named[session.name]

    def close(self, session: Session) -> None:
        """The session is over."""
        self.release(session)
        self._all.pop(session, None)
        self._unclaimed.pop(session, None)

    def _choose_replaced(self, newcomer: Session) -> Session:
        silent = [session for session in self._unclaimed if not session.spoke]
        return next((session for session in silent if session.anonymous), silent[0] if silent else newcomer)
