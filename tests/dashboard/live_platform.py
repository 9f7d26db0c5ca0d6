"""A stack with virtual boards, and the REST API with the dashboard on it.

They run in a thread with an event loop of its own, since Playwright's synchronous API occupies the thread of the tests.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.messages import Request
from harness.core.history import Kind
from harness.core.identifiers import Randomness
from harness.core.loop import new_runner
from harness.core.network import Endpoint
from harness.emulators.manager import EmulatorManager
from harness.stack import Stack, StackOptions
from harness.stack.emulators import emulators
from harness.wasmbed.api.roles import ROLES
from harness.wasmbed.api.server import ApiServer
from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.kinds import DEVICE, SERVICE_ACCOUNT

T = TypeVar("T")


class LivePlatform:
    """``tokens`` are by role, and ``nobody`` has none. ``url`` is the dashboard's."""

    def __init__(self) -> None:
        self.stack: Stack
        self.tokens: dict[str, str] = {}
        self.url = ""
        self._server: ApiServer
        self._manager: EmulatorManager
        self._endpoint: Endpoint = ("127.0.0.1", 0)
        self._loop: asyncio.AbstractEventLoop

    @contextmanager
    def running(self) -> Iterator[LivePlatform]:
        """The platform, until the block ends."""
        ready, end = threading.Event(), asyncio.Event()
        failures: list[BaseException] = []

        async def live() -> None:
            self._loop = asyncio.get_running_loop()
            try:
                async with Stack(StackOptions(boards="virtual", cluster="embedded")) as self.stack:
                    for name in (*ROLES, "nobody"):
                        self.tokens[name] = await self._account(name)
                    await self._start_server()
                    ready.set()
                    await end.wait()
                    await self._server.stop()
            except BaseException as error:
                failures.append(error)
                raise
            finally:
                ready.set()

        def work() -> None:
            with new_runner() as runner:
                runner.run(live())

        thread = threading.Thread(target=work, name="platform")
        thread.start()
        ready.wait()
        try:
            if failures:
                raise failures[0]
            yield self
        finally:
            if thread.is_alive():
                self._loop.call_soon_threadsafe(end.set)
            thread.join()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the platform's event loop; returns its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def power_on(self, *names: str) -> None:
        """Switch on boards, and wait until their devices are connected."""

        async def on() -> None:
            for name in names:
                board = await self.stack.boards.power_on(name=name)
                await self.stack.device(board).until(phase="Connected")

        self.run(on())

    def add_devices(self, count: int, prefix: str = "device") -> None:
        """Write Devices that no board stands behind."""

        async def add() -> None:
            for number in range(count):
                name = f"{prefix}-{number:04}"
                wanted = manifests.device(name, public_key=name.encode() * 4, device_type="mcu")
                await self.stack.api.create(DEVICE, wanted)
                await self.stack.api.patch_status(DEVICE, name, {"status": {"phase": "Disconnected"}})

        self.run(add())

    @contextmanager
    def manager(self, name: str) -> Iterator[None]:
        """An emulator manager, until the block ends."""
        running = emulators(self.stack, name)
        self._manager = self.run(running.__aenter__())
        try:
            yield
        finally:
            self.run(running.__aexit__(None, None, None))

    def ask_for_board(self, device: str) -> None:
        """Write a Device that asks for a virtual board, and wait until it is connected."""

        async def ask() -> None:
            await self.stack.api.create(DEVICE, manifests.device_with_board(device, "virtual"))
            await self.stack.device(device).until(phase="Connected", board={"phase": "Running"})

        self.run(ask())

    def write(self, device: str, lines: Iterable[str]) -> None:
        """Let the board of a device write lines on its console."""

        async def write() -> None:
            for line in lines:
                self._manager.controller.boards[device].console.write(line)

        self.run(write())

    def stop_server(self) -> None:
        """Stop the REST API."""
        self.run(self._server.stop())

    def start_server(self) -> None:
        """Start the REST API again, at the same port."""
        self.run(self._start_server())

    async def _start_server(self) -> None:
        client = self.stack.cluster.client("ApiServer")
        settings = ApiSettings(http=self._endpoint, rate=1000.0, burst=1000)
        stack = self.stack
        self._server = ApiServer(settings, client, stack.clock, Randomness(), stack.network, self._note)
        self._endpoint = host, port = await self._server.start()
        self.url = f"http://{host}:{port}"

    def _note(self, source: str, target: str, name: str, data: Mapping[str, Any], about: str) -> None:
        self.stack.history.record(Kind.MESSAGE, source, target, name, data, about)

    def follows(self, *sequences: str) -> None:
        """Judge what has happened so far by these sequences."""

        async def judge() -> None:
            await self.stack.recorded()
            for sequence in sequences:
                self.stack.history.follows(sequence)

        self.run(judge())

    async def _account(self, name: str) -> str:
        """Make a ServiceAccount, with the rights of the role that it is named after; returns its token."""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        await self.stack.api.create(SERVICE_ACCOUNT, account)
        namespace = self.stack.api.namespace
        for each in ROLES[name].objects(namespace, name) if name in ROLES else ():
            group, version = each["apiVersion"].split("/")
            await self._post(f"/apis/{group}/{version}/namespaces/{namespace}/{each['kind'].lower()}s", each)
        answer = await self._post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", {"spec": {}})
        return str(answer["status"]["token"])

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        cluster = self.stack.cluster
        assert isinstance(cluster, EmbeddedCluster)
        request = Request("POST", path, {}, {"content-type": "application/json"}, body, "User", True)
        answer = await cluster.server.handle(request)
        assert answer.status == 201, answer.content.value()
        return answer.content.value()
