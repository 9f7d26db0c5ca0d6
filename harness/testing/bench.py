"""The setup of a check: a mock gateway, and one board that connects to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials
from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.stack.mock_gateway import LIMITS, BoardConnection, MockGateway
from harness.stack.modules import assemble
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der
from harness.wasmbed.pki.server_authorities import ServerAuthorities

__all__ = ["LIMITS", "Bench", "BoardConnection", "BoardFactory", "Expectations", "module"]

BoardFactory = Callable[[BoardSettings, BoardEnvironment], Board]
"""Makes the board to check, powered off."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Expectations:
    """The times of a check: ``patience`` seconds for each action of the board, and its ``heartbeat`` interval in
    seconds.

    Give a slow board more of both. A board closes a link whose heartbeats are not answered for three intervals, so an
    interval has to be long against every pause of the board and of this process."""

    patience: float = 10.0
    heartbeat: float = 0.3


def module(name: str) -> bytes:
    """Assemble one of this package's modules: ``probe``, ``faults``, ``stranger``."""
    path = files("harness.testing") / "modules" / f"{name}.wat"
    return assemble(path.read_text("utf-8"), str(path))


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
        """The certificate that the board was made with."""
        self._board: Board | None = None

    @property
    def randomness(self) -> Randomness:
        return self.environment.randomness

    @property
    def board(self) -> Board:
        """The board; unless :meth:`make_board` was called it is made with a certificate."""
        return self._board or self.make_board()

    def make_gateway(self, identities: Iterable[Identity]) -> MockGateway:
        """Make another gateway; the caller starts and stops it."""
        return MockGateway(
            identities,
            self.devices.certificate,
            clock=self.clock,
            network=self.environment.network,
            patience=self.expectations.patience,
            heartbeat=self.expectations.heartbeat,
        )

    def make_board(self, *, certificate: bool = True, server_name: str = "localhost") -> Board:
        """Make the board for this bench's gateway, with a certificate or with a pairing token."""
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
        """Return the last lines of the board's console."""
        return self._board.console.lines[-12:] if self._board is not None else []

    async def connected(self) -> BoardConnection:
        """Power the board on; returns its connection."""
        await self.board.power_on()
        return await self.gateway.accept()

    async def enrolled(self, *, interval: float | None = None) -> BoardConnection:
        """Power the board on and enroll it; returns its connection."""
        peer = await self.connected()
        await peer.enroll(self.randomness.uuid(), interval=interval)
        return peer

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Bench]:
        """Start the gateway; at the end of the block, cut the board's power and stop the gateway."""
        await self.gateway.start()
        try:
            yield self
        finally:
            if self._board is not None:
                await self._board.cut_power()
            await self.gateway.stop()
