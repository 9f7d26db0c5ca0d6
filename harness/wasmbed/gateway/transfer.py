"""Exchanges that the gateway begins: each waits for the replies with its message ids, with a deadline for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from harness.core.clock import Clock
from harness.wasmbed.gateway.modules import Module
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Link
from harness.wasmbed.protocol.messages import (
    CANCELLED,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    DeviceMessage,
    Error,
    Limits,
    ModuleChunk,
    Stop,
    StopResult,
)
from harness.wasmbed.resources.deployments import DeploymentRequest

__all__ = ["Exchange", "ExchangeFailed", "StopExchange", "Transfer"]


class ExchangeFailed(Exception):
    """An exchange ended without a result.

    ``code`` is ``CANCELLED``, ``CONNECTION_LOST``, ``TRANSFER_INTERRUPTED``, ``TIMEOUT``, or the device's own code.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Exchange:
    """A request to a device and the replies to it."""

    def __init__(self, application: str, link: Link, clock: Clock, settings: GatewaySettings) -> None:
        self.application = application
        self._link, self._clock, self._settings = link, clock, settings
        self._request_id: int | None = None
        self._progress: asyncio.Future[None] | None = None
        self._failure: ExchangeFailed | None = None
        self._result: DeploymentResult | StopResult | None = None

    def feed(self, message_id: int, message: DeviceMessage) -> bool:
        """Take ``message`` if it is a reply to this exchange; called by the session as messages arrive."""
        if isinstance(message, Error) and message_id == self._request_id:
            self.fail(message.code, message.message)
            return True
        return False

    def fail(self, code: str, reason: str) -> None:
        """End the exchange, unless it has its result.

        The first failure counts: errors after a refusal are about chunks that were already under way.
        """
        if self._result is None:
            self._failure = self._failure or ExchangeFailed(code, reason)
        self._advance()

    def check(self) -> None:
        """Raise :class:`ExchangeFailed` if it has failed."""
        if self._failure is not None:
            raise self._failure

    def _advance(self) -> None:
        if self._progress is not None and not self._progress.done():
            self._progress.set_result(None)

    async def _step(self) -> bool:
        """Wait for the next reply; returns False if none arrives in time. Raises :class:`ExchangeFailed`."""
        if self._failure is None:
            self._progress = asyncio.get_running_loop().create_future()
            try:
                async with self._clock.deadline(self._settings.reply_timeout):
                    await self._progress
            except TimeoutError:
                return False
        self.check()
        return True


class Transfer(Exchange):
    """A module on its way to a device, in acknowledged chunks."""

    def __init__(
        self,
        application: str,
        module: Module,
        request: DeploymentRequest,
        link: Link,
        clock: Clock,
        settings: GatewaySettings,
    ) -> None:
        super().__init__(application, link, clock, settings)
        self._module, self._request = module, request
        self._unacknowledged: dict[int, int] = {}
        self._result: DeploymentResult | None

    @property
    def unacknowledged(self) -> Iterable[int]:
        """The message ids of the chunks that the device has not acknowledged."""
        return self._unacknowledged.values()

    def cancel(self) -> None:
        """Send no further chunk. A :class:`StopExchange` removes from the device what it has received."""
        self.fail(CANCELLED, "it was stopped, or replaced by another deployment")

    def feed(self, message_id: int, message: DeviceMessage) -> bool:
        if isinstance(message, ChunkAcknowledgment):
            # One of a transfer that was cancelled, of another application, may come after this one has begun.
            is_own = message.application_id == self.application
            if is_own and self._unacknowledged.pop(message.index, None) is not None:
                self._advance()
            return True
        if isinstance(message, DeploymentResult) and message_id == self._request_id and self._failure is None:
            self._result = message
            self._advance()
            return True
        if isinstance(message, Error) and message_id in self._unacknowledged.values():
            message_id = self._request_id or message_id
        return super().feed(message_id, message)

    async def run(self) -> DeploymentResult:
        """Send the module and return the device's result. Raises :class:`ExchangeFailed`."""
        self.check()
        request = self._request
        try:
            self._request_id = self._link.send(
                Deploy(
                    self.application,
                    request.name or self.application,
                    len(self._module.data),
                    self._module.sha256,
                    self._settings.chunk_size,
                    Limits(request.memory, request.fuel, request.wall_time),
                    request.entry,
                    request.args,
                    request.env or None,
                )
            )
            return await self._send_chunks()
        except LinkClosed as closed:
            raise ExchangeFailed("CONNECTION_LOST", closed.reason) from closed
        except ValueError as error:
            raise ExchangeFailed("DEPLOYMENT_FAILED", f"cannot be sent: {error}") from error

    async def _send_chunks(self) -> DeploymentResult:
        """Send all chunks, again where the device is silent for too long, until the result arrives."""
        chunks, attempts = self._chunks(), 1
        while self._result is None:
            await self._fill_window(chunks)
            if self._result is not None:
                break
            if await self._step():
                attempts = 1
            elif self._result is None:
                attempts += 1
                if attempts > self._settings.chunk_attempts:
                    raise self._silence()
                await self._send_again()
        return self._result

    async def _fill_window(self, chunks: Iterator[int]) -> None:
        """Send chunks until as many are unacknowledged as may be, or all are sent."""
        while len(self._unacknowledged) < self._settings.chunk_window:
            index = next(chunks, None)
            if index is None:
                return
            self._send_chunk(index)
            await self._link.drain()
            self.check()

    async def _send_again(self) -> None:
        """Repeat the unacknowledged chunks. One may be acknowledged while an earlier one is sent."""
        for index in sorted(self._unacknowledged):
            if index in self._unacknowledged:
                self._send_chunk(index)
                await self._link.drain()

    def _chunks(self) -> Iterator[int]:
        return iter(range(-(-len(self._module.data) // self._settings.chunk_size)))

    def _send_chunk(self, index: int) -> None:
        size = self._settings.chunk_size
        data = self._module.data[index * size : (index + 1) * size]
        self._unacknowledged[index] = self._link.send(ModuleChunk(self.application, index, data))

    def _silence(self) -> ExchangeFailed:
        waited = f"for {self._settings.reply_timeout * self._settings.chunk_attempts:g} s"
        if self._unacknowledged:
            missing = f"the device did not acknowledge chunk {min(self._unacknowledged)} {waited}"
            return ExchangeFailed("TRANSFER_INTERRUPTED", missing)
        return ExchangeFailed("TIMEOUT", f"the device acknowledged the whole module and sent no result {waited}")


class StopExchange(Exchange):
    """The stop of an application.

    ``chunks``: the message ids of chunks that the device has to process before the stop. Each acknowledgment of one
    extends the deadline.
    """

    def __init__(
        self, application: str, link: Link, clock: Clock, settings: GatewaySettings, chunks: Iterable[int] = ()
    ) -> None:
        super().__init__(application, link, clock, settings)
        self._chunks_before = set(chunks)
        self._result: StopResult | None

    def feed(self, message_id: int, message: DeviceMessage) -> bool:
        if isinstance(message, ChunkAcknowledgment) and message_id in self._chunks_before:
            self._chunks_before.remove(message_id)
            self._advance()
            return True
        if isinstance(message, StopResult) and message_id == self._request_id:
            self._result = message
            self._advance()
            return True
        return super().feed(message_id, message)

    async def run(self) -> StopResult:
        """Ask the device to stop, and return its result. Raises :class:`ExchangeFailed`."""
        try:
            self._request_id = self._link.send(Stop(self.application))
        except LinkClosed as closed:
            raise ExchangeFailed("CONNECTION_LOST", closed.reason) from closed
        while self._result is None:
            if not await self._step() and self._result is None:
                raise ExchangeFailed("TIMEOUT", f"the device did not answer for {self._settings.reply_timeout:g} s")
        return self._result
