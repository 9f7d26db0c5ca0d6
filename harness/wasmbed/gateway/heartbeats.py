"""Heartbeats: answer each, and end sessions whose heartbeats stop.

A heartbeat only updates a time in its session. The session's one timer compares that time when it fires, and either
ends the session or waits for the rest, so a heartbeat costs the same however many devices there are.
"""

from __future__ import annotations

from harness.core.clock import Clock
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.messages import Heartbeat, HeartbeatAcknowledgment

__all__ = ["HeartbeatMonitor"]

_ROUNDING = 1e-6
"""Seconds; a timer may fire this much too early."""


class HeartbeatMonitor:
    """Watches every session from its enrollment, or from its return, on."""

    def __init__(self, settings: GatewaySettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    def watch(self, session: Session) -> None:
        """Expect heartbeats from now on."""
        session.stop_timer()
        session.expect_heartbeat(self._clock.now())
        self._wait(session, self._timeout(session))

    def accept(self, session: Session, heartbeat: Heartbeat, message_id: int) -> None:
        """Keep and answer a heartbeat."""
        now = self._clock.now()
        session.accept_heartbeat(heartbeat, now)
        session.link.send(HeartbeatAcknowledgment(int(now * 1000)), message_id)

    def _timeout(self, session: Session) -> float:
        return session.interval * self._settings.missed_heartbeats

    def _wait(self, session: Session, seconds: float) -> None:
        session.start_timer(self._clock.call_later(seconds, lambda: self._check(session)))

    def _check(self, session: Session) -> None:
        left = session.heard_at + self._timeout(session) - self._clock.now()
        if left > _ROUNDING:
            self._wait(session, left)
        else:
            session.link.abort(f"{self._settings.missed_heartbeats} heartbeats missed")
