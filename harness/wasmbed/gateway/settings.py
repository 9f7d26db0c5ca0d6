"""Every bound and period of a gateway in one place. Times are seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from harness.core.errors import UsageError
from harness.core.http_door import HttpPlaces
from harness.core.network import Endpoint
from harness.wasmbed.protocol.framing import DEFAULT_LIMIT, HARD_LIMIT
from harness.wasmbed.resources.names import DEFAULT_GATEWAY

__all__ = ["CHANGEABLE", "KNOWN_CAPABILITIES", "REQUIRED_CAPABILITIES", "GatewaySettings"]

KNOWN_CAPABILITIES = frozenset({"wasm", "tls", "cbor", "gpio", "sensor", "publish"})
REQUIRED_CAPABILITIES = frozenset({"tls", "cbor"})


CHANGEABLE = frozenset(
    {
        "device_types", "missed_heartbeats", "status_interval", "heartbeat_write_interval", "last_seen_interval",
        "unclaimed", "first_message_timeout", "close_timeout", "write_timeout", "session_errors", "frame_limit",
        "enrollment_wait", "enrollment_timeout", "retry_after", "return_rate", "reply_timeout", "chunk_attempts",
        "device_queue", "device_applications", "drain_timeout",
    }
)  # fmt: skip
"""The settings that a running gateway takes on. Others are part of what it has told devices and cluster, or bounds of
what it has already made."""


@dataclass(slots=True, kw_only=True)
class GatewaySettings:
    """The settings of one gateway, which has a copy of its own. Raises :class:`UsageError` for an invalid value."""

    name: str = DEFAULT_GATEWAY
    """The name of its Gateway resource."""
    listen: Endpoint = ("127.0.0.1", 8081)
    http: Endpoint = ("127.0.0.1", 8080)
    advertise: str | None = None
    """The ``host:port`` that is sent to devices; None: the address at which the gateway listens."""
    advertise_http: str | None = None
    """The URL of the HTTP API that its status names; None: the address at which the API listens."""
    device_types: frozenset[str] = frozenset({"mcu", "virtual"})

    heartbeat_interval: float = 30.0
    missed_heartbeats: int = 3
    """Missed heartbeats after which a session is closed."""
    status_interval: float = 10.0
    """A device's changes that heartbeats tell, and an application's outputs, are written at most once per interval."""
    heartbeat_write_interval: float = 300.0
    """Heartbeats that change nothing are written at most once per interval: a Device's ``lastHeartbeat`` and
    ``deviceMetrics`` are as old at most, and one heartbeat more. The HTTP API has the latest."""
    last_seen_interval: float = 10.0
    """Seconds between two writes of the gateway's own heartbeat; its status names the interval, and a gateway that
    misses several is Offline. Sessions are compared with the record as often."""

    sessions: int = 10_000
    unclaimed: int = 512
    """The most connections that have not claimed a device name after their handshake."""
    waiting: int = 16_384
    """The most connections that have not begun the handshake."""
    handshakes: int = 256
    """The most handshakes at the same time."""
    silence_timeout: float = 5.0
    handshake_timeout: float = 10.0
    handshake_timeout_under_load: float = 2.0
    """``handshake_timeout`` while other connections wait."""
    first_message_timeout: float = 10.0
    close_timeout: float = 2.0
    """Seconds for a peer to read the last message and close."""
    write_timeout: float = 10.0
    """Seconds for a peer to read, once 64 KiB wait for it."""
    session_errors: int = 32
    """The most messages of one session that are answered with an error between two heartbeats; one more ends the
    session."""
    frame_limit: int = DEFAULT_LIMIT

    enrollments: int = 64
    """The most enrollments under way; fewer after some were not completed in time. While others wait, no handshake
    begins, so that those under way are completed."""
    enrollment_wait: float = 15.0
    """Seconds for an enrollment to begin; a device waits 30 s for the answer."""
    enrollment_timeout: float = 10.0
    """Seconds for the device controller to confirm an enrollment."""
    retry_after: float = 5.0
    """Seconds: the shortest ``retry_after`` that is sent to a refused peer."""
    return_rate: float = 100.0
    """Devices per second that are asked to return, when many are refused at the same time."""
    nonces: int = 65_536
    """Enrollment nonces that are remembered, to detect replays."""

    chunk_size: int = 4096
    chunk_window: int = 4
    """The most chunks that are sent ahead of their acknowledgment."""
    reply_timeout: float = 10.0
    """Seconds for each step of an exchange that the gateway begins."""
    chunk_attempts: int = 3
    """The times that a chunk is sent, or the result awaited, before a transfer fails."""
    modules: int = 64
    """The most different modules in memory at the same time."""
    device_queue: int = 32
    """The most deployments and stops that wait for one device."""
    device_applications: int = 64
    """The most applications that one device may report on."""

    api_timeout: float = 10.0
    """Seconds for one request to the API server."""
    api_requests: int = 32
    """Status writes at the same time."""
    http_connections: int = 128
    http_per_address: int = 32
    """The most connections from one address on which no request has shown the token."""
    http_body_limit: int = 2 << 20
    http_timeout: float = 10.0
    """Seconds for a client to send a request, from the connection or the last answer on, and to read the answer."""
    start_timeout: float = 30.0
    """Seconds for the API server to answer at all."""
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value <= 0:
                raise UsageError(f"{field.name} is {value}", where=f"gateway {self.name}", do="use a value above zero")
        if self.frame_limit > HARD_LIMIT or self.chunk_size + 512 > self.frame_limit:
            raise UsageError(
                f"chunks of {self.chunk_size} bytes do not fit frames of {self.frame_limit}",
                where=f"gateway {self.name}",
                do=f"keep frame_limit at most {HARD_LIMIT}, and chunk_size 512 below it",
            )

    def take_on(self, other: GatewaySettings) -> tuple[list[str], list[str]]:
        """Change to the values of ``other`` where that is possible. Returns the names of the settings that are changed,
        and of those that need a restart. Raises UsageError if the result is invalid, and then changes nothing."""
        differ = [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]
        changed = {name: getattr(other, name) for name in differ if name in CHANGEABLE}
        replace(self, **changed)
        for name, value in changed.items():
            setattr(self, name, value)
        return list(changed), [name for name in differ if name not in CHANGEABLE]

    @property
    def http_places(self) -> HttpPlaces:
        """The bounds of the HTTP API."""
        return HttpPlaces(self.http_connections, self.http_per_address, self.http_timeout, idle=self.http_timeout)
