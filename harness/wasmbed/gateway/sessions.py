"""The table of all sessions: it bounds their number and finds them by device name."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.refusals import PeerRefused, try_again
from harness.wasmbed.gateway.session import Session, SessionState
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.messages import ErrorCode

__all__ = ["Sessions"]


class Sessions:
    """All sessions. At most one session at a time holds a device's name."""

    def __init__(self, settings: GatewaySettings, randomness: Randomness) -> None:
        self._settings, self._randomness = settings, randomness
        self._all: dict[Session, None] = {}
        self._unclaimed: dict[Session, None] = {}
        self._named: dict[str, Session] = {}
        self.draining = False
        """The gateway is shutting down and opens no further session."""
        self.disabled = False
        """The spec of its Gateway says that it opens no further session."""
        self.capacity: int | None = None
        """The most devices by the spec of its Gateway; None: without another bound than that of the settings."""

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def named(self) -> int:
        """The number of sessions that belong to a device."""
        return len(self._named)

    @property
    def most(self) -> int:
        """The largest number of devices, by the settings and by the spec."""
        own = self._settings.sessions
        return own if self.capacity is None else min(own, self.capacity)

    def others(self, name: str) -> int:
        """Return the number of sessions that belong to another device than ``name``."""
        return len(self._named) - (name in self._named)

    def full(self) -> PeerRefused:
        """Return the refusal of a device while there is no room for it."""
        return try_again(f"all {self.most} sessions are in use", self.retry_after(), ErrorCode.GATEWAY_FULL)

    def get(self, name: str) -> Session | None:
        """Return the session that holds the device name ``name``."""
        return self._named.get(name)

    def connected(self, name: str) -> Session | None:
        """Return the session of the device ``name`` if it is CONNECTED."""
        session = self._named.get(name)
        return session if session is not None and session.state is SessionState.CONNECTED else None

    def open(self, session: Session) -> Session | None:
        """Add a session. Returns the session that is dropped for it when all places are used: an older one that has
        not sent a message, or ``session`` itself."""
        replaced = self._choose_replaced(session) if len(self._unclaimed) >= self._settings.unclaimed else None
        if replaced is not None:
            self.close(replaced)
        if replaced is not session:
            self._all[session] = self._unclaimed[session] = None
        return replaced

    def claim(self, session: Session, name: str, retry_after: float) -> None:
        """Give ``name`` to ``session``.

        Raises :class:`PeerRefused` when the gateway is full, and when another session holds the name: that peer may
        retry in ``retry_after`` seconds.
        """
        self.check_open()
        if name in self._named:
            raise try_again(f"device {name} already has a session here", retry_after, ErrorCode.DUPLICATE_DEVICE)
        if len(self._named) >= self._settings.sessions:
            raise self.full()
        self._unclaimed.pop(session, None)
        self._named[name] = session
        session.claim_name(name)

    def check_open(self) -> None:
        """Raise :class:`PeerRefused` while the gateway shuts down or is disabled."""
        if not self.are_open:
            raise self.closing()

    @property
    def are_open(self) -> bool:
        """Whether devices may have sessions."""
        return not (self.draining or self.disabled)

    def closing(self) -> PeerRefused:
        """Return the refusal of a device while the gateway shuts down or is disabled."""
        return try_again(self.why_closed, self.retry_after(), ErrorCode.GATEWAY_DRAINING)

    @property
    def why_closed(self) -> str:
        """Why the gateway opens no further session."""
        return "the gateway is shutting down" if self.draining else "the gateway is disabled"

    def retry_after(self) -> float:
        """Return the seconds after which a refused peer may retry.

        The moments are spread over a window that grows with the number of sessions, so that peers do not all return
        at once.
        """
        half = max(len(self._all) - 1, 0) / self._settings.return_rate / 2
        middle = self._settings.retry_after + half
        return self._randomness.jitter(middle, half / middle)

    def release(self, session: Session) -> None:
        """Free the session's name; the session stays in the table until its link is closed."""
        if self._named.get(session.name) is session:
            del self._named[session.name]

    def close(self, session: Session) -> None:
        """Remove a session that has ended."""
        self.release(session)
        self._all.pop(session, None)
        self._unclaimed.pop(session, None)

    def _choose_replaced(self, newcomer: Session) -> Session:
        silent = [session for session in self._unclaimed if not session.spoke]
        return next((session for session in silent if session.anonymous), silent[0] if silent else newcomer)
