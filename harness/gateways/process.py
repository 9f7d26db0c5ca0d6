"""The kind ``process``: this project's gateway as a program of its own, ``wasmbed gateway``."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import ClassVar

from harness.core.errors import ProductFailure, RigError
from harness.core.network import Endpoint
from harness.gateways.files import GatewayFiles
from harness.gateways.gateway import FEATURES, Choice, Gateway, GatewaySetup
from harness.gateways.program import Program, describe_end
from harness.wasmbed.gateway.revocations import IN_FORCE, REFUSED
from harness.wasmbed.gateway.settings_file import parse_endpoint, write_settings
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import write_file
from harness.wasmbed.protocol.dialects.wires import VERSION_1

__all__ = ["ProcessGateway"]

_READY = re.compile(r"ready devices=(\S+) http=(\S+)")
_REFUSED = re.compile(re.escape(REFUSED).replace("%s", "(.*)"))
_STARTS_WITHIN = 15.0
"""Seconds for Python to start, beside the gateway's own ``start_timeout``."""
_OURS = "WASMBED_GATEWAY_"


class ProcessGateway(Gateway):
    """SIGTERM drains it, SIGHUP makes it read its certificates again."""

    kind: ClassVar[str] = "process"
    wires: ClassVar[frozenset[str]] = frozenset({VERSION_1})
    writes_everything = True
    features: ClassVar[frozenset[str]] = frozenset(FEATURES) - {"gateway-reasons"}

    def __init__(self, setup: GatewaySetup, choice: Choice) -> None:
        super().__init__(setup, choice)
        self._where = f"gateway {setup.settings.name}"
        self._program = Program(self._where, setup.clock, self._line)
        self._files: GatewayFiles | None = None
        self._endpoints: tuple[Endpoint, Endpoint] | None = None

    @property
    def endpoint(self) -> Endpoint:
        return self._started[0]

    @property
    def http_endpoint(self) -> Endpoint:
        return self._started[1]

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._program.pid

    async def start(self) -> None:
        setup = self.setup
        self._files = files = GatewayFiles(setup.settings.name)
        try:
            await files.write(setup.identities, setup.devices, setup.give_access)
            settings = files.folder / "settings.toml"
            write_file(settings, write_settings(setup.settings).encode())
            command = self._command(files, settings)
            environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
            await self._program.start(command, files.folder, environment=environment, directory=Path.cwd())
            await self._until_ready()
            self._program.on_own_end(setup.ended)
        except BaseException:
            await self._program.kill()
            files.remove()
            raise

    def _command(self, files: GatewayFiles, settings: Path) -> list[str]:
        setup = self.setup
        command = [sys.executable, "-P", "-m", "harness.cli", "gateway", "--settings", str(settings)]
        for number in range(1, len(setup.identities) + 1):
            certificate, key = files.identity(number)
            command += ["--certificate", str(certificate), "--key", str(key)]
        command += ["--device-authority", str(files.device_authority)]
        command += ["--device-authority-key", str(files.device_authority_key)]
        command += ["--kubeconfig", str(files.kubeconfig), "--namespace", setup.namespace]
        if self.choice.system is not None:
            command += ["--system", str(self.choice.system)]
        if (seed := setup.randomness.seed) is not None:
            command += ["--seed", str(seed)]
        return command

    async def _until_ready(self) -> None:
        within = _STARTS_WITHIN + self.setup.settings.start_timeout
        try:
            async with self.setup.clock.deadline(within):
                line = await self._program.until_line(_READY.fullmatch)
        except TimeoutError:
            raise self._program.failure(
                f"was not ready within {within:g} s", "see the machine's load, and the end of its log"
            ) from None
        found = _READY.fullmatch(line)
        assert found is not None
        self._endpoints = parse_endpoint(found[1]), parse_endpoint(found[2])

    async def stop(self) -> None:
        settings = self.setup.settings
        within = 3 * settings.drain_timeout + settings.api_timeout
        if not await self._program.stop(signal.SIGTERM, within):
            raise RigError(f"did not end within {within:g} s of SIGTERM: it was killed", where=self._where)

    async def kill(self) -> None:
        await self._program.kill()

    async def pause(self) -> None:
        self._program.signal(signal.SIGSTOP)

    async def resume(self) -> None:
        self._program.signal(signal.SIGCONT)

    async def reload(self, identities: tuple[Identity, ...]) -> None:
        if self._files is not None:
            self._files.write_identities(identities)
            self._program.signal(signal.SIGHUP)
            await self._program.until_line(lambda line: "certificates were" in line)

    def check(self) -> None:
        ended = self._program.ended
        if ended.done() and not self._program.asked_to_end:
            raise ProductFailure(
                f"ended by itself: {describe_end(ended.result())}{self._program.last_lines()}",
                where=self._where,
                party="gateway",
            )

    @property
    def _started(self) -> tuple[Endpoint, Endpoint]:
        if self._endpoints is None:
            raise RuntimeError("the gateway is not started")
        return self._endpoints

    def _line(self, line: str) -> None:
        self.setup.console(line)
        if line.endswith(IN_FORCE):
            self.setup.revocations_loaded()
        elif refused := _REFUSED.search(line):
            self.setup.tap("Kubernetes", "Gateway", "RevocationListRefused", {"reason": refused[1]}, "")
