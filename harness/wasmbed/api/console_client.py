"""Asks the emulator managers for the consoles of their boards: each has an HTTP API, whose address and token are in its
Secret."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import orjson

from harness.core.errors import reason
from harness.core.network import Network
from harness.wasmbed.resources.api import NotFound, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import TOKEN_KEY, URL_KEY, emulators_api_secret
from harness.wasmbed.resources.views import Device

__all__ = ["ConsoleClient", "ManagerAway", "NoConsole"]

_CONNECTS_WITHIN = 5.0
_SILENT_AT_MOST = 45.0
"""Seconds: the manager sends a comment every 15 s."""
_DATA = b"data: "
_UNAUTHORIZED, _NOT_FOUND, _GOOD = 401, 404, 200


class NoConsole(Exception):
    """No manager has a console of the device."""


class ManagerAway(ConnectionError):
    """The manager that has the console does not answer."""


class ConsoleClient:
    """``api`` has the Secrets of the managers. :meth:`close` ends its connections."""

    def __init__(self, api: ResourceApi, network: Network) -> None:
        self._api, self._network = api, network
        self._session: aiohttp.ClientSession | None = None
        self._known: dict[str, tuple[str, str]] = {}
        """Address and token by manager."""

    @asynccontextmanager
    async def asked(self, device: Device, path: str = "", last_id: str = "") -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of the manager that has the board, or had it last, at ``path`` of the console.

        Raises :class:`NoConsole`, :class:`ManagerAway`, and :class:`ApiError`.
        """
        manager, is_on = device.status.board.console_host, device.status.board.host is not None
        if not device.spec.board.kind:
            raise NoConsole(f"device {device.name} has no board of an emulator manager: see the console at the board")
        if manager is None:
            raise NoConsole(f"no emulator manager has started the board of device {device.name} yet")
        headers = {"Last-Event-ID": last_id} if last_id else {}
        is_known = manager in self._known
        answer = await self._ask(manager, device.name, path, headers, is_on)
        if is_known and (answer is None or answer.status == _UNAUTHORIZED):
            if answer is not None:
                answer.release()
            self._known.pop(manager, None)  # it may have started again, elsewhere
            answer = await self._ask(manager, device.name, path, headers, is_on)
        if answer is None:
            self._known.pop(manager, None)
            raise ManagerAway(f"the emulator manager {manager}, which has the board of {device.name}, does not answer")
        try:
            if answer.status == _NOT_FOUND:
                raise NoConsole(
                    f"the emulator manager {manager} has started again since the board of {device.name} ran"
                )
            if answer.status != _GOOD:
                self._known.pop(manager, None)
                raise ManagerAway(f"the emulator manager {manager} refuses: {answer.status} {answer.reason}")
            yield answer
        finally:
            answer.close()

    async def lines(
        self, device: Device, *, follow: bool = False
    ) -> AsyncGenerator[tuple[bool, list[tuple[str, str]]], None]:
        """Yield lines with their times (RFC 3339): True and the latest ones, then, with ``follow``, False and one of
        the next ones, until the manager ends. Raises as :meth:`asked`, and OSError."""
        try:
            async with self.asked(device) as answer:
                shown = await answer.json()
            yield True, [(each["at"], each["line"]) for each in shown["lines"]]
            if not follow:
                return
            async with self.asked(device, "/events", shown["lastEventId"]) as answer:
                async for text in answer.content:
                    if text.startswith(_DATA) and "line" in (each := orjson.loads(text[len(_DATA) :])):
                        yield False, [(each["at"], each["line"])]
        except aiohttp.ClientError as error:
            raise ConnectionError(f"the console broke off: {reason(error)}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, manager: str, device: str, path: str, headers: dict[str, str], is_on: bool
    ) -> aiohttp.ClientResponse | None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECTS_WITHIN, sock_read=_SILENT_AT_MOST)
            self._session = aiohttp.ClientSession(connector=self._network.connector(), timeout=timeout)
        url, token = await self._access(manager, is_on)
        try:
            return await self._session.get(
                f"{url}/api/v1/consoles/{quote(device, safe='')}{path}",
                headers={"Authorization": f"Bearer {token}", **headers},
            )
        except (aiohttp.ClientError, OSError, ValueError):
            return None

    async def _access(self, manager: str, is_on: bool) -> tuple[str, str]:
        if manager not in self._known:
            try:
                data = (await self._api.get(SECRET, emulators_api_secret(manager))).get("data") or {}
                self._known[manager] = b64decode(data[URL_KEY]).decode(), b64decode(data[TOKEN_KEY]).decode()
            except (NotFound, KeyError, ValueError) as error:
                what = f"the emulator manager {manager} shows no consoles: {reason(error)}"
                raise (ManagerAway if is_on else NoConsole)(what) from error
        return self._known[manager]
