"""One session: a link, and the gateway's knowledge of the device at its other end.

Every change of a session is a method here, so that its life can be read in one file. Other modules read its fields
and never assign them.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from harness.core.clock import Timer
from harness.wasmbed.gateway.nonces import RecentIds
from harness.wasmbed.protocol.link import Link
from harness.wasmbed.protocol.messages import Heartbeat

if TYPE_CHECKING:
    from harness.wasmbed.gateway.application_status import ApplicationRecord
    from harness.wasmbed.gateway.device_queue import DeviceQueue

__all__ = ["Session", "SessionState"]


class SessionState(Enum):
    """The stage of a session's life. A session only moves forward."""

    OPENED = "opened"
    """The handshake is complete and no message has been accepted yet."""
    ENROLLING = "enrolling"
    ENROLLED = "enrolled"
    """The enrollment response is sent; the device has to acknowledge it and send its first heartbeat."""
    CONNECTED = "connected"
    CLOSING = "closing"


class Session:
    """One link and what the gateway knows about its device. It is small, because a gateway may hold 10,000 of them."""

    __slots__ = (
        "anonymous",
        "applications",
        "connected_since",
        "device_id",
        "enrolled",
        "errors",
        "heard_at",
        "heartbeat",
        "interval",
        "link",
        "metric_names",
        "name",
        "on_record",
        "queue",
        "recent_ids",
        "spoke",
        "state",
        "timer",
        "write_timer",
        "written_at",
    )

    def __init__(self, link: Link, *, anonymous: bool) -> None:
        self.link = link
        self.anonymous = anonymous
        """The peer presented no certificate."""
        self.state = SessionState.OPENED
        self.spoke = False
        """At least one message has arrived."""
        self.name = ""
        """The device's name, once the session has claimed it."""
        self.device_id = ""
        self.enrolled = False
        """The device enrolled on this link, so its firmware may differ from the one before."""
        self.on_record = False
        """The Device's status shows this session, so its end has to be written too."""
        self.connected_since = 0.0
        """Clock seconds of the first heartbeat; 0 before it."""
        self.heard_at = 0.0
        """Clock seconds of the last heartbeat, or of the moment from which one is expected."""
        self.interval = 0.0
        """Seconds between two heartbeats, as its gateway gave it at the enrollment; 0 before the admission."""
        self.written_at = 0.0
        """Clock seconds of the latest status write of a heartbeat, done or scheduled."""
        self.heartbeat: Heartbeat | None = None
        self.metric_names: set[str] = set()
        """The names of all metrics that the device has sent."""
        self.recent_ids = RecentIds()
        """The message ids of heartbeats and runtime errors, which must not repeat."""
        self.timer: Timer | None = None
        """The deadline of the first message, or of the next heartbeat."""
        self.write_timer: Timer | None = None
        """Runs while the peer leaves sent bytes unread."""
        self.errors = 0
        """Messages answered with ``error`` since the last heartbeat."""
        self.applications: dict[str, ApplicationRecord] | None = None
        """By name; None until the device has an application, to save memory."""
        self.queue: DeviceQueue | None = None
        """Present while there is work for the device."""

    # Transitions, in the order of a session's life.

    def message_arrived(self) -> None:
        """Note that the peer has sent a message."""
        self.spoke = True

    def claim_name(self, name: str) -> None:
        """Note that the session belongs to the device ``name``; :meth:`Sessions.claim` calls this."""
        self.name = name

    def begin_enrollment(self, interval: float) -> None:
        """Move from OPENED to ENROLLING. The answer will give the device ``interval`` (seconds)."""
        self.state, self.interval = SessionState.ENROLLING, interval

    def put_on_record(self) -> None:
        """Note that the Device's status is about to show this session."""
        self.on_record = True

    def complete_enrollment(self, device_id: str) -> None:
        """Move to ENROLLED after the device enrolled on this link."""
        self.device_id, self.enrolled, self.state = device_id, True, SessionState.ENROLLED

    def hand_over(self) -> None:
        """Note that another gateway is to write what becomes of the device, unless it stays here. If it comes nowhere,
        the next comparison of sessions with the record finds it."""
        self.on_record = False

    def resume(self, device_id: str, interval: float) -> None:
        """Move to ENROLLED for a device that enrolled on an earlier link, where it got ``interval`` (seconds)."""
        self.device_id, self.state, self.interval = device_id, SessionState.ENROLLED, interval

    def connect(self) -> None:
        """Move to CONNECTED at the first heartbeat."""
        self.state = SessionState.CONNECTED
        self.connected_since = self.heard_at
        self.put_on_record()

    def begin_closing(self) -> None:
        """Move to CLOSING: further messages are ignored."""
        self.state = SessionState.CLOSING
        self.stop_timer()

    # Heartbeats and errors.

    def expect_heartbeat(self, now: float) -> None:
        """Count the time without a heartbeat from ``now`` (clock seconds)."""
        self.heard_at = now

    def accept_heartbeat(self, heartbeat: Heartbeat, now: float) -> None:
        """Keep ``heartbeat``, received at ``now`` (clock seconds)."""
        self.heard_at, self.heartbeat = now, heartbeat

    def count_error(self) -> int:
        """Count a message that was answered with ``error``; returns the number since the last heartbeat."""
        self.errors += 1
        return self.errors

    def clear_errors(self) -> None:
        """Count errors from zero again."""
        self.errors = 0

    def mark_written(self, now: float) -> None:
        """Note that the device's status is written at ``now`` (clock seconds)."""
        self.written_at = now

    def schedule_write(self, now: float, interval: float) -> float:
        """Return the seconds from ``now`` until a heartbeat is to be written, at most one write per ``interval``."""
        if self.written_at <= now:
            self.written_at = max(now, self.written_at + interval)
        return self.written_at - now

    # The applications and the work on the device.

    def find_application(self, name: str) -> ApplicationRecord | None:
        """Return the record of the application ``name``, if the device has one."""
        return (self.applications or {}).get(name)

    def add_application(self, name: str, record: ApplicationRecord) -> None:
        """Keep ``record`` for the application ``name``."""
        if self.applications is None:
            self.applications = {}
        self.applications[name] = record

    def remove_application(self, name: str) -> None:
        """Drop the record of the application ``name``, if there is one."""
        if self.applications is not None:
            self.applications.pop(name, None)

    def forget_states(self) -> None:
        """Have the states in the next heartbeat written as changes. A failed deployment stays failed."""
        for record in (self.applications or {}).values():
            record.is_overwritten = True

    def attach_queue(self, queue: DeviceQueue) -> None:
        """Keep the device's work in ``queue``."""
        self.queue = queue

    def detach_queue(self) -> None:
        """Drop the queue: there is no work left."""
        self.queue = None

    # Timers.

    def start_timer(self, timer: Timer) -> None:
        """Keep the running ``timer`` as the session's one deadline."""
        self.timer = timer

    def stop_timer(self) -> None:
        """Cancel the deadline, if one runs."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def start_write_timer(self, timer: Timer) -> None:
        """Keep the running ``timer`` as the deadline for the peer to read."""
        self.write_timer = timer

    def stop_write_timer(self) -> None:
        """Cancel the deadline for the peer to read, if it runs."""
        if self.write_timer is not None:
            self.write_timer.cancel()
            self.write_timer = None
