"""Operations on the consoles of the boards that emulator managers run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import aiohttp
import orjson
from aiohttp import web
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.http_events import send_events
from harness.core.http_site import HttpSite
from harness.core.network import Network
from harness.wasmbed.api.access import Access, Standing
from harness.wasmbed.api.console_client import ConsoleClient, ManagerAway, NoConsole
from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.operation import Answer, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import RETRY_AFTER, Problem
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.views import Device

__all__ = ["ConsoleOperations"]

_LARGEST = 8 << 20
"""Bytes of a manager's answer."""
_PIECE = 64 << 10
_READ = Right("get", "devices/log")


class ConsoleLine(TypedDict):
    """A line that the board wrote, or what its manager did."""

    at: Annotated[str, Field(description="When the manager read it (RFC 3339).")]
    source: Literal["board", "manager"]
    line: str


class ConsoleLines(TypedDict):
    """The latest lines of a board, oldest first."""

    lines: list[ConsoleLine]
    lastEventId: Annotated[str, Field(description="The stream goes on behind them with this Last-Event-ID.")]


_LINES = TypeAdapter(ConsoleLines)


class ConsoleOperations:
    """The operations. ``most``: streams at once."""

    def __init__(
        self,
        api: ResourceApi,
        copies: Copies,
        access: Access,
        site: HttpSite,
        clock: Clock,
        network: Network,
        most: int,
    ) -> None:
        self._copies, self._access, self._site, self._clock = copies, access, site, clock
        self._client = ConsoleClient(api, network)
        self._most, self._streams = most, 0

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        one = "/api/v1/devices/{id}/console"
        return [
            Operation(
                name="getConsole", method="GET", path=one, run=self._read, answer=ConsoleLines, right=_READ,
                refusals=(404, 502), summary="The latest lines of the console of a device's board.",
            ),
            Operation(
                name="watchConsole", method="GET", path=f"{one}/events", run=self._follow, answer=None,
                media_type="text/event-stream", right=_READ, refusals=(404,),
                summary="Those lines and all further ones as server-sent events, one for each line. Last-Event-ID asks "
                "for what came since; the event reset says that lines were missed, or that another manager is asked.",
            ),
        ]  # fmt: skip

    async def close(self) -> None:
        """Close the connections to managers."""
        await self._client.close()

    async def _read(self, call: Call[NoBody, NoQuery]) -> Answer:
        device = Device(self._copies.device(call.names["id"]))
        try:
            async with self._client.asked(device) as answer:
                content = await answer.content.read(_LARGEST + 1)
                while len(content) <= _LARGEST and (more := await answer.content.read(_LARGEST)):
                    content += more
        except NoConsole as error:
            raise Problem(404, str(error)) from error
        except (ManagerAway, aiohttp.ClientError, TimeoutError) as error:
            raise _away(error) from error
        try:
            return Answer(_LINES.validate_python(orjson.loads(content), strict=True))
        except ValueError as error:
            raise Problem(502, "the emulator manager answers with something else: is it of this version?") from error

    async def _follow(self, call: Call[NoBody, NoQuery]) -> web.StreamResponse:
        request, device = call.request, Device(self._copies.device(call.names["id"]))
        standing = Standing(self._access, request.headers.get("Authorization", ""), [_READ], self._clock)
        if self._streams >= self._most:
            raise Problem(503, f"{self._most} consoles are followed already", headers={"Retry-After": "5"})
        self._streams += 1
        try:
            async with self._client.asked(device, "/events", request.headers.get("Last-Event-ID", "")) as answer:
                return await send_events(request, self._site.door, _relayed(answer, standing))
        except NoConsole as error:
            raise Problem(404, str(error)) from error
        except ManagerAway as error:
            raise _away(error) from error
        finally:
            self._streams -= 1


async def _relayed(answer: aiohttp.ClientResponse, standing: Standing) -> AsyncIterator[bytes]:
    """Yield what the manager sends until it ends, or its caller may not have it any more."""
    try:
        async for piece in answer.content.iter_chunked(_PIECE):
            if not await standing.lasts():
                return
            yield piece
    except (aiohttp.ClientError, TimeoutError):
        return  # the manager is away: the subscriber comes back, and hears why


def _away(error: Exception) -> Problem:
    return Problem(503, reason(error), headers={"Retry-After": str(RETRY_AFTER)})
