"""A gateway that a test drives message by message, for real boards: this project's, or other people's firmware.

async with MockGateway(identities, device_authority, listen=("0.0.0.0", 8443)) as gateway:
    board = await gateway.accept()
    await board.enroll("3f2b...")
    board.send(Stop("pump"))
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self, cast

from harness.core.clock import Clock, SystemClock
from harness.core.errors import ProductFailure
from harness.core.history import Tap
from harness.core.network import Admission, Endpoint, Listener, Network, SystemNetwork
from harness.stack.mock_link import MockEnd, MockLink
from harness.wasmbed.gateway.link_recorder import LinkRecorder
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.tls import tls_server
from harness.wasmbed.protocol.dialects.messages import (
    BareHeartbeat,
    BareHeartbeatAcknowledgment,
    DeviceUuid,
    EnrollmentAccepted,
    EnrollmentCompleted,
    EnrollmentStart,
    PublicKey,
    UuidAcknowledgment,
)
from harness.wasmbed.protocol.dialects.wires import VERSION_1, find_wire
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import (
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Envelope,
    Error,
    Heartbeat,
    HeartbeatAcknowledgment,
    Limits,
    Message,
    ModuleChunk,
)

__all__ = ["LIMITS", "BoardConnection", "MockGateway"]

LIMITS = Limits(memory=4 * 65_536, fuel=1_000_000, wall_time=2_000)
BOARD = "board"
"""The party at the other end."""
ANY_PORT: Endpoint = ("127.0.0.1", 0)


class BoardConnection(MockEnd):
    """The gateway's end of one of a board's connections.

    Heartbeats are noted in ``heartbeats`` and answered while the test waits for something; between :meth:`hold` and
    :meth:`release` they are left unanswered. ``heartbeat`` is the interval in seconds that :meth:`enroll` gives.
    """

    other: ClassVar[str] = "the board"

    def __init__(self, name: str, link: MockLink, clock: Clock, patience: float, heartbeat: float) -> None:
        super().__init__(name, link, clock, patience)
        self.device_id = ""
        self.heartbeats: list[Heartbeat] = []
        self.recorder: LinkRecorder | None = None
        self._interval = heartbeat
        self._is_bare = False
        self._holds = False
        self._held: list[int] = []
        self._superfluous: int | None = None

    def hold(self) -> None:
        """Answer no heartbeat from now on."""
        self._holds = True

    def release(self) -> None:
        """Answer the heartbeats that were held back and not replied to, and those to come."""
        self._holds = False
        held, self._held = self._held, []
        for message_id in held:
            self._acknowledge(message_id)

    def send(self, message: Message, message_id: int | None = None) -> int:
        if message_id in self._held:
            self._held.remove(message_id)
        return super().send(message, message_id)

    async def admit(self, device_id: str, *, interval: float | None = None, certificate: bytes | None = None) -> None:
        """Answer an enrollment request that :meth:`receive` or :meth:`expect` returned; ``interval`` is in seconds."""
        self.device_id = device_id
        milliseconds = round(1000 * (interval or self._interval))
        self.reply(EnrollmentResponse(device_id, self.name, "127.0.0.1:0", milliseconds, certificate))

    async def enroll_bare(self, uuid: bytes) -> bytes:
        """Admit a board that speaks the dialect ``r`` under an id of 16 bytes; returns its key (DER). Raises
        ProductFailure where it does otherwise."""
        for wanted, answer in ((EnrollmentStart, EnrollmentAccepted()), (PublicKey, DeviceUuid(uuid))):
            message = await self.expect(cast(Any, wanted))
            self.reply(cast(Any, answer))
        await self.expect(cast(Any, UuidAcknowledgment))
        self.reply(cast(Any, EnrollmentCompleted()))
        assert isinstance(message, PublicKey)
        return message.public_key

    async def enroll(self, device_id: str, *, interval: float | None = None) -> EnrollmentRequest:
        """Admit the board: from its request to its first heartbeat. Raises ProductFailure where it does otherwise."""
        envelope = await self.receive()
        request = envelope.message
        if not isinstance(request, EnrollmentRequest):
            raise self._failure(f"began with {request}, expected EnrollmentRequest")
        await self.admit(device_id, interval=interval)
        acknowledgment = await self.expect(EnrollmentAcknowledgment, envelope.message_id)
        if acknowledgment.device_id != device_id:
            raise self._failure(f"acknowledged {acknowledgment.device_id}, not {device_id}")
        heartbeat = await self.expect(Heartbeat)
        if heartbeat.device_id != device_id:
            raise self._failure(f"sent a heartbeat as {heartbeat.device_id}, not {device_id}")
        return request

    def announce(
        self,
        application: str,
        binary: bytes,
        *,
        entry: str = "run",
        limits: Limits = LIMITS,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        chunk_size: int = 256,
        digest: bytes | None = None,
    ) -> int:
        """Send the announcement of a module and none of its chunks; returns the message id."""
        sha256 = digest or hashlib.sha256(binary).digest()
        announcement = (application, application, len(binary), sha256, chunk_size, limits, entry)
        return self.send(Deploy(*announcement, tuple(arguments), environment))

    async def deploy(
        self, application: str, binary: bytes, *, chunk_size: int = 256, **announcement: Any
    ) -> DeploymentResult:
        """Send a module, each chunk after the acknowledgment of the one before; returns the board's result.

        ``announcement``: as for :meth:`announce`. Raises ProductFailure where the board answers otherwise.
        """
        request = self.announce(application, binary, chunk_size=chunk_size, **announcement)
        for index in range(-(-len(binary) // chunk_size)):
            sent = self.send(ModuleChunk(application, index, binary[index * chunk_size : (index + 1) * chunk_size]))
            envelope = await self.receive()
            if isinstance(envelope.message, DeploymentResult):
                # Refused before this chunk: whatever the board still says about it does not matter.
                self._superfluous = sent
                return self._result(envelope, application, request)
            acknowledgment = ChunkAcknowledgment(application, index)
            if envelope != Envelope(sent, acknowledgment):
                raise self._failure(f"sent {envelope}, expected {acknowledgment} to {sent}")
        return self._result(await self.receive(), application, request)

    def _result(self, envelope: Envelope, application: str, request: int) -> DeploymentResult:
        result = envelope.message
        if not isinstance(result, DeploymentResult) or result.application_id != application:
            raise self._failure(f"sent {result}, expected the DeploymentResult of {application}")
        if envelope.message_id != request:
            raise self._failure(f"sent DeploymentResult to {envelope.message_id}, expected to {request}")
        return result

    def _is_aside(self, envelope: Envelope, wanted: tuple[type, ...]) -> bool:
        message: object = envelope.message
        if not isinstance(message, Heartbeat | BareHeartbeat):
            return envelope.message_id == self._superfluous and isinstance(message, Error | ChunkAcknowledgment)
        if isinstance(message, Heartbeat):
            self.heartbeats.append(message)
        self._is_bare = isinstance(message, BareHeartbeat)
        if self._holds:
            self._held.append(envelope.message_id)
        else:
            self._acknowledge(envelope.message_id)
        return not isinstance(message, wanted)

    def _acknowledge(self, message_id: int) -> None:
        if not self.link.closed:
            bare: Any = BareHeartbeatAcknowledgment() if self._is_bare else None
            self.link.send(bare or HeartbeatAcknowledgment(round(self._clock.now() * 1000)), message_id)

    def ended(self) -> None:
        """Record that the connection is over, if it is not in the record: no caller may have waited for its end."""
        self._over(LinkClosed("closed by the peer", by_peer=True))

    def _over(self, closed: LinkClosed) -> None:
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.closed(closed.by_peer, closed.reason)


class MockGateway:
    """A TLS listener that hands over each connection and does nothing by itself.

    ``identities`` are what it presents (boards get the one that they can verify), and ``device_authority`` is the
    certificate, DER, of the authority that signs devices. ``tap`` records what crosses its links, as a real gateway's
    does; each event says ``mock: Gateway``, so that no judge takes it for the platform's doing.
    """

    def __init__(
        self,
        identities: Iterable[Identity],
        device_authority: bytes,
        *,
        name: str = "mock-gateway",
        listen: Endpoint = ANY_PORT,
        clock: Clock | None = None,
        network: Network | None = None,
        patience: float = 30.0,
        heartbeat: float = 30.0,
        tap: Tap | None = None,
        wire: str = VERSION_1,
    ) -> None:
        """``wire``: what it speaks, of :data:`~harness.wasmbed.protocol.dialects.wires.WIRES`."""
        self.name, self.endpoint, self._codec = name, listen, find_wire(wire)
        self._tls = tls_server(identities, device_authority)
        self._clock, self._network = clock or SystemClock(), network or SystemNetwork()
        self._patience, self._heartbeat, self._tap = patience, heartbeat, tap
        self._listener: Listener | None = None
        self._connections: list[BoardConnection] = []
        self._arrived: asyncio.Queue[BoardConnection] = asyncio.Queue()
        self._rejected: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> Self:
        """Listen, on the port it had before if it had one."""
        self._listener = await self._network.listen(
            lambda: MockLink(Side.GATEWAY, opened=self._opened, codec=self._codec),
            self.endpoint,
            tls=self._tls,
            admission=Admission(rejected=lambda _, reason, __: self._rejected.put_nowait(reason)),
        )
        self.endpoint = self._listener.endpoint
        return self

    async def stop(self) -> None:
        """Drop every connection and stop listening."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        connections, self._connections = self._connections, []
        for connection in connections:
            await connection.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def accept(self, *, within: float | None = None) -> BoardConnection:
        """The next connection that completed the handshake. Raises ProductFailure if there is none."""
        seconds = self._patience if within is None else within
        try:
            async with self._clock.deadline(seconds):
                return await self._arrived.get()
        except TimeoutError:
            message = f"the board did not connect within {seconds:g} s"
            raise ProductFailure(message, where=self.name, party=BOARD) from None

    async def rejected(self) -> str:
        """Why the next handshake failed. Raises ProductFailure if none does."""
        try:
            async with self._clock.deadline(self._patience):
                return await self._rejected.get()
        except TimeoutError:
            message = f"no handshake failed within {self._patience:g} s"
            raise ProductFailure(message, where=self.name, party=BOARD) from None

    async def silence(self, seconds: float) -> None:
        """Raise ProductFailure if a board connects during the next ``seconds``."""
        try:
            async with self._clock.deadline(seconds):
                await self._arrived.get()
        except TimeoutError:
            return
        raise ProductFailure("the board connected when it must not", where=self.name, party=BOARD)

    def _opened(self, link: Link) -> None:
        assert isinstance(link, MockLink)
        connection = BoardConnection(self.name, link, self._clock, self._patience, self._heartbeat)
        if self._tap is not None:
            certificate = link.peer_certificate
            link.tap = connection.recorder = LinkRecorder(_marked(self._tap), self.name, link.peer_address)
            connection.recorder.opened(certificate, link.tls_version)
        for ended in (each for each in self._connections if each.link.closed):
            ended.ended()
        self._connections = [each for each in self._connections if not each.link.closed]
        self._connections.append(connection)
        self._arrived.put_nowait(connection)


def _marked(tap: Tap) -> Tap:
    def tell(source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        tap(source, target, name, {**data, "mock": "Gateway"}, correlation)

    return tell
