"""The supervisor: brings a platform up in order, keeps it running, and takes it down in the opposite order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import UsageError, suggestion
from harness.core.identifiers import Randomness
from harness.platform.cluster import EmbeddedServer, ExistingServer, Server
from harness.platform.folder import Folder
from harness.platform.forward import Forward
from harness.platform.programs import specifications
from harness.platform.settings import Settings
from harness.platform.supervised import Supervised
from harness.wasmbed.gateway.settings_file import parse_endpoint
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Supervisor"]


class Supervisor:
    """``tell`` gets a line for each step of :meth:`start` and :meth:`stop`."""

    def __init__(
        self,
        settings: Settings,
        folder: Folder,
        clock: Clock,
        randomness: Randomness,
        tell: Callable[[str], object],
    ) -> None:
        self._settings, self._folder, self._clock, self._randomness, self._tell = (
            settings, folder, clock, randomness, tell
        )  # fmt: skip
        self._server: Server | None = None
        self._programs: dict[str, Supervised] = {}
        self._since = clock.now()
        self.watchers: set[Callable[[], object]] = set()
        """Each is called when what :meth:`status` says has changed."""
        self._ends = AsyncExitStack()

    async def start(self) -> None:
        """Return when all programs serve. Raises RigError, with nothing left running, if one of them does not."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings, folder = self._settings, self._folder
        folder.prepare_authorities(self._clock)
        kubeconfig, namespace = settings.cluster.kubeconfig, settings.platform.namespace
        self._server = (
            EmbeddedServer(folder.cluster, namespace, self._clock, self._randomness)
            if kubeconfig is None
            else ExistingServer(kubeconfig, namespace, self._clock, self._randomness)
        )
        self._ends.push_async_callback(self._server.stop)
        await self._server.start()
        await self._server.cluster.write_kubeconfig(folder.kubeconfig)
        self._tell(f"cluster        export KUBECONFIG={folder.kubeconfig}")
        addresses: dict[str, dict[str, str]] = {}
        for specification in specifications(settings, folder, self._clock, addresses):
            name = specification.name
            await self._server.give_access(name, folder.access(name))
            program = Supervised(specification, folder.log(name), self._clock, self._randomness, self._changed)
            self._programs[name] = program
            self._ends.push_async_callback(self._stop, program)
            await program.start()
            addresses[name] = program.addresses
            served = ", ".join(f"{what} {where}" for what, where in program.addresses.items())
            self._tell(f"{name:<14} {served or 'runs'}")
        await self._open_aliases()

    async def _open_aliases(self) -> None:
        for alias, program, address in (("dashboard", "api", "http"), ("gateway_http", "gateway-1", "http")):
            port = getattr(self._settings.aliases, alias)
            if port is None:
                continue
            forward = Forward(
                (self._settings.platform.host, port), parse_endpoint(self._programs[program].addresses[address])
            )
            self._ends.push_async_callback(forward.stop)
            await forward.start()
            self._tell(f"{alias:<14} {self._settings.platform.host}:{port}")

    def _changed(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()

    async def stop(self) -> None:
        """Take everything down."""
        await self._ends.aclose()

    async def _stop(self, program: Supervised) -> None:
        await program.stop()
        self._tell(f"{program.specification.name:<14} stopped")

    async def restart(self, names: Collection[str]) -> list[str]:
        """Restart these programs, or all. Returns their names. Raises UsageError for an unknown one."""
        chosen = self.find(names)
        await asyncio.gather(*(program.restart() for program in chosen))
        return [program.specification.name for program in chosen]

    def find(self, names: Collection[str]) -> list[Supervised]:
        """The programs of these names, or all. Raises UsageError for an unknown one."""
        for name in names:
            if name not in self._programs:
                known = ", ".join(self._programs)
                raise UsageError(
                    f"unknown program {name!r}", do=f"{suggestion(name, self._programs)}the programs are {known}"
                )
        return [self._programs[name] for name in names or self._programs]

    def status(self) -> dict[str, Any]:
        """The programs: where each runs, since when, and how often it was started again."""
        cluster = "embedded" if self._settings.cluster.kubeconfig is None else str(self._settings.cluster.kubeconfig)
        return {
            "since": format_timestamp(self._since),
            "folder": str(self._folder.path),
            "kubeconfig": str(self._folder.kubeconfig),
            "namespace": self._settings.platform.namespace,
            "cluster": {"kind": cluster, "restarts": self._server.restarts if self._server else 0},
            "programs": [program.status() for program in self._programs.values()],
        }
