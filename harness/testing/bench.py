"""Where a board is checked: a gateway that does only what the check tells it, and one board before it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeVar, cast

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials
from harness.core.clock import Clock
from harness.core.errors import ProductFailure
from harness.core.identifiers import Randomness
from harness.core.network import Admission, Endpoint, Listener, Network
from harness.stack.modules import assemble
from harness.testing.require import require
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.pki.tls import tls_server
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import (
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    DeviceMessage,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Envelope,
    Error,
    Heartbeat,
    HeartbeatAcknowledgment,
    Limits,
    ModuleChunk,
)

__all__ = ["LIMITS", "Bench", "BenchPeer", "BoardFactory", "Expectations", "ScriptedGateway", "module"]

M = TypeVar("M", bound=DeviceMessage)

BoardFactory = Callable[[BoardSettings, BoardEnvironment], Board]
"""Makes the board to check, powered off."""

LIMITS = Limits(memory=4 * 65_536, fuel=1_000_000, wall_time=2_000)
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the board is given: ``patience`` seconds for anything it has to do, and its ``heartbeat`` interval in
    seconds. A slow board wants more of both."""

    patience: float = 10.0
    heartbeat: float = 0.3


def module(name: str) -> bytes:
    """One of the modules that come with this package: ``probe``, ``faults``, ``stranger``."""
    path = files("harness.testing") / "modules" / f"{name}.wat"
    return assemble(path.read_text("utf-8"), str(path))


class ScriptedLink(Link):
    """A link past which bytes can be sent."""

    __slots__ = ("raw",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.raw = cast(asyncio.WriteTransport, transport)
        super().connection_made(transport)


class BenchPeer:
    """The gateway's end of one of the board's connections. Heartbeats are noted and answered while waiting."""

    def __init__(self, link: ScriptedLink, clock: Clock, expectations: Expectations) -> None:
        self.link = link
        self.device_id = ""
        self.heartbeats: list[Heartbeat] = []
        self.answers_heartbeats = True
        self._superfluous: int | None = None
        self._clock, self._expectations = clock, expectations

    async def receive(self, *, heartbeats: bool = False) -> Envelope:
        """The next message, by default the next that is no heartbeat. Raises ProductFailure if none comes."""
        try:
            async with self._clock.deadline(self._expectations.patience):
                while True:
                    envelope = await self.link.receive()
                    if isinstance(envelope.message, Heartbeat):
                        self._note(envelope.message, envelope.message_id)
                        if not heartbeats:
                            continue
                    if envelope.message_id == self._superfluous and isinstance(
                        envelope.message, Error | ChunkAcknowledgment
                    ):
                        continue
                    return envelope
        except TimeoutError:
            raise ProductFailure(f"the board sent nothing for {self._expectations.patience:g} s") from None
        except LinkClosed as error:
            raise ProductFailure(f"the board's connection ended: {error.reason}") from error
        except ProtocolError as error:
            raise ProductFailure(f"the board broke the protocol: {error.reason}") from error

    async def expect(self, kind: type[M], message_id: int | None = None) -> M:
        """The next message, which has to be of that kind, and the reply to ``message_id`` if given."""
        envelope = await self.receive(heartbeats=kind is Heartbeat)
        message = envelope.message
        if not isinstance(message, kind):
            raise ProductFailure(f"the board sent {message}, expected {kind.__name__}")
        if message_id is not None and envelope.message_id != message_id:
            raise ProductFailure(
                f"{kind.__name__} carried message id {envelope.message_id}, expected its request's, {message_id}"
            )
        return message

    async def closed(self) -> str:
        """Wait until the board has ended the connection, whatever it sends before; the reason."""
        try:
            async with self._clock.deadline(self._expectations.patience):
                while True:
                    envelope = await self.link.receive()
                    if isinstance(envelope.message, Heartbeat):
                        self._note(envelope.message, envelope.message_id)
        except LinkClosed as error:
            return error.reason
        except TimeoutError:
            raise ProductFailure("the board did not end the connection") from None

    async def enroll(self, device_id: str, *, interval: float | None = None) -> EnrollmentRequest:
        """Admit the board: from its request to its first heartbeat."""
        envelope = await self.receive()
        request = envelope.message
        if not isinstance(request, EnrollmentRequest):
            raise ProductFailure(f"the board began with {request}, expected EnrollmentRequest")
        self.device_id = device_id
        milliseconds = round(1000 * (interval or self._expectations.heartbeat))
        self.link.send(EnrollmentResponse(device_id, "scripted", f"{LOOPBACK}:0", milliseconds), envelope.message_id)
        acknowledgment = await self.expect(EnrollmentAcknowledgment, envelope.message_id)
        require(acknowledgment.device_id == device_id, f"acknowledged {acknowledgment.device_id}, not {device_id}")
        heartbeat = await self.expect(Heartbeat)
        require(heartbeat.device_id == device_id, f"the heartbeat is from {heartbeat.device_id}, not {device_id}")
        return request

    async def deploy(
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
    ) -> DeploymentResult:
        """Send a module, each chunk after the acknowledgment of the one before; the board's verdict."""
        sha256 = digest or hashlib.sha256(binary).digest()
        request = self.link.send(
            Deploy(
                application, application, len(binary), sha256, chunk_size, limits, entry, tuple(arguments), environment
            )
        )
        for index in range(-(-len(binary) // chunk_size)):
            sent = self.link.send(
                ModuleChunk(application, index, binary[index * chunk_size : (index + 1) * chunk_size])
            )
            envelope = await self.receive()
            if isinstance(envelope.message, DeploymentResult):
                # Refused before this chunk: whatever the board still says about it does not matter.
                self._superfluous = sent
                return self._verdict(envelope, application, request)
            acknowledgment = ChunkAcknowledgment(application, index)
            require(envelope == Envelope(sent, acknowledgment), f"sent {envelope}, expected {acknowledgment} to {sent}")
        return self._verdict(await self.receive(), application, request)

    def _verdict(self, envelope: Envelope, application: str, request: int) -> DeploymentResult:
        result = envelope.message
        if not isinstance(result, DeploymentResult) or result.application_id != application:
            raise ProductFailure(f"the board sent {result}, expected the DeploymentResult of {application}")
        require(envelope.message_id == request, f"DeploymentResult to {envelope.message_id}, expected to {request}")
        return result

    def _note(self, heartbeat: Heartbeat, message_id: int) -> None:
        self.heartbeats.append(heartbeat)
        if self.answers_heartbeats and not self.link.closed:
            self.link.send(HeartbeatAcknowledgment(round(self._clock.now() * 1000)), message_id)


class ScriptedGateway:
    """A TLS listener that hands over each connection and does nothing by itself."""

    def __init__(
        self,
        identities: Iterable[Identity],
        device_authority: bytes,
        clock: Clock,
        network: Network,
        expectations: Expectations,
    ) -> None:
        self._tls = tls_server(identities, device_authority)
        self._clock, self._network, self._expectations = clock, network, expectations
        self._listener: Listener | None = None
        self._links: list[ScriptedLink] = []
        self._arrived: asyncio.Queue[BenchPeer] = asyncio.Queue()
        self._rejected: asyncio.Queue[str] = asyncio.Queue()
        self.endpoint: Endpoint = (LOOPBACK, 0)

    async def start(self) -> None:
        """Listen, on the port it had before if it had one."""
        self._listener = await self._network.listen(
            lambda: ScriptedLink(Side.GATEWAY, opened=self._opened),
            self.endpoint,
            tls=self._tls,
            admission=Admission(rejected=lambda _, reason, __: self._rejected.put_nowait(reason)),
        )
        self.endpoint = self._listener.endpoint

    async def stop(self) -> None:
        """Drop every connection and listen no more."""
        if self._listener is not None:
            await self._listener.close()
        for link in self._links:
            link.abort()
            await link.close()
        self._links.clear()

    async def accept(self) -> BenchPeer:
        """The next connection that completed the handshake. Raises ProductFailure if there is none."""
        try:
            async with self._clock.deadline(self._expectations.patience):
                return await self._arrived.get()
        except TimeoutError:
            raise ProductFailure(f"the board did not connect within {self._expectations.patience:g} s") from None

    async def rejected(self) -> str:
        """Why the next handshake failed. Raises ProductFailure if none does."""
        try:
            async with self._clock.deadline(self._expectations.patience):
                return await self._rejected.get()
        except TimeoutError:
            raise ProductFailure("no handshake failed") from None

    async def silence(self, seconds: float) -> None:
        """Raise ProductFailure if the board connects during the next ``seconds``."""
        try:
            async with self._clock.deadline(seconds):
                await self._arrived.get()
        except TimeoutError:
            return
        raise ProductFailure("the board connected when it must not")

    def _opened(self, link: Link) -> None:
        assert isinstance(link, ScriptedLink)
        self._links = [old for old in self._links if not old.closed]
        self._links.append(link)
        self._arrived.put_nowait(BenchPeer(link, self._clock, self._expectations))


class Bench:
    """One check's board, gateway and authorities."""

    def __init__(
        self,
        name: str,
        factory: BoardFactory,
        environment: BoardEnvironment,
        expectations: Expectations,
        algorithm: str = Algorithm.ED25519,
    ) -> None:
        self.name, self.environment, self.expectations = name, environment, expectations
        self._factory, self._algorithm = factory, algorithm
        self.clock: Clock = environment.clock
        self.servers = ServerAuthorities("Check servers", environment.clock)
        self.devices = Authority.create("Check devices", environment.clock)
        self.gateway = self.make_gateway(self.servers.issue("scripted-gateway", ("localhost", LOOPBACK)))
        self.pairing_token = environment.randomness.token()
        self.certificate: bytes | None = None
        """The one that the board was made with."""
        self._board: Board | None = None

    @property
    def randomness(self) -> Randomness:
        return self.environment.randomness

    @property
    def board(self) -> Board:
        """The board, made with a certificate unless :meth:`make_board` made it otherwise."""
        return self._board or self.make_board()

    def make_gateway(self, identities: Iterable[Identity]) -> ScriptedGateway:
        """Another gateway; the caller starts and stops it."""
        return ScriptedGateway(
            identities, self.devices.certificate, self.clock, self.environment.network, self.expectations
        )

    def make_board(self, *, certificate: bool = True, server_name: str = "localhost") -> Board:
        """The board, for the gateway of this bench: with a certificate, or with a pairing token."""
        key = generate_key(self._algorithm)
        if certificate:
            self.certificate = self.devices.issue_device(self.name, key.public_key())
        credentials = Credentials(
            authority=self.servers.certificates,
            private_key=private_key_der(key),
            certificate=self.certificate,
            pairing_token=None if certificate else self.pairing_token,
        )
        settings = BoardSettings(self.name, credentials, self.gateway.endpoint, server_name)
        self._board = self._factory(settings, self.environment)
        return self._board

    def console_tail(self) -> list[str]:
        """What the board wrote last."""
        return self._board.console.lines[-12:] if self._board is not None else []

    async def connected(self) -> BenchPeer:
        """The board switched on, and its connection."""
        await self.board.power_on()
        return await self.gateway.accept()

    async def enrolled(self, *, interval: float | None = None) -> BenchPeer:
        """The board switched on and admitted."""
        peer = await self.connected()
        await peer.enroll(self.randomness.uuid(), interval=interval)
        return peer

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Bench]:
        """Gateway up; at the end the board is switched off and the gateway gone."""
        await self.gateway.start()
        try:
            yield self
        finally:
            if self._board is not None:
                await self._board.cut_power()
            await self.gateway.stop()
