"""Heartbeats: answer each, and notice when they stop.

A heartbeat only leaves its time in the session. The session's one timer looks at that when it fires, and either ends
the session or goes on for the rest, so a heartbeat costs the same however many devices there are.
"""

from __future__ import annotations

from harness.core.clock import Clock
from harness.wasmbed.gateway.sessions import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.messages import Heartbeat, HeartbeatAcknowledgment

__all__ = ["HeartbeatMonitor"]

_ROUNDING = 1e-6


class HeartbeatMonitor:
    """Watches every session from its enrollment, or its return, on."""

    def __init__(self, settings: GatewaySettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    def watch(self, session: Session) -> None:
        """From now on a heartbeat is expected."""
        session.stop_timer()
        session.heard_at = self._clock.now()
        self._wait(session, self._settings.heartbeat_timeout)

    def accept(self, session: Session, heartbeat: Heartbeat, message_id: int) -> None:
        """Note and answer a heartbeat."""
        session.heard_at = self._clock.now()
        session.heartbeat = heartbeat
        session.link.send(HeartbeatAcknowledgment(int(session.heard_at * 1000)), message_id)

    def _wait(self, session: Session, seconds: float) -> None:
        session.timer = self._clock.call_later(seconds, lambda: self._look(session))

    def _look(self, session: Session) -> None:
        left = session.heard_at + self._settings.heartbeat_timeout - self._clock.now()
        if left > _ROUNDING:
            self._wait(session, left)
        else:
            session.link.abort(f"{self._settings.missed_heartbeats} heartbeats missed")
