"""The kind ``command``: any program, as the table ``[gateways.NAME]`` of harness.toml describes it."""

from __future__ import annotations

import os
import re
import signal
import socket
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

from harness.core.errors import ProductFailure, RigError, UsageError
from harness.core.network import Endpoint
from harness.core.ports import on_free_port
from harness.gateways.command_table import CommandTable, fill
from harness.gateways.files import GatewayFiles
from harness.gateways.gateway import Choice, Gateway, GatewaySetup
from harness.gateways.listening import ports_of_group
from harness.gateways.program import Program, describe_end
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, algorithm_of, write_file

__all__ = ["CommandGateway"]

_HOST = "127.0.0.1"
_LOOKS_EVERY = 0.02
"""Seconds between two looks at whether the program listens."""


class CommandGateway(Gateway):
    """Started with files and a kubeconfig; its output is in the history as lines of the gateway."""

    kind: ClassVar[str] = "command"
    described: ClassVar[bool] = True

    def __init__(self, setup: GatewaySetup, choice: Choice) -> None:
        super().__init__(setup, choice)
        self._table = CommandTable.read(choice)
        self._where = f"gateway {setup.settings.name} ({choice.where})"
        self._program = Program(self._where, setup.clock, self._line)
        self._files: GatewayFiles | None = None
        self._endpoint: Endpoint | None = None
        self._http: Endpoint | None = None

    @classmethod
    def features_of(cls, choice: Choice) -> frozenset[str]:
        return CommandTable.read(choice).features

    @property
    def endpoint(self) -> Endpoint:
        if self._endpoint is None:
            raise RuntimeError("the gateway is not started")
        return self._endpoint

    @property
    def http_endpoint(self) -> Endpoint | None:
        table = self._table
        return self._http if "gateway-http" in table.features or table.ready[0] == "http" else None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._program.pid

    async def start(self) -> None:
        setup, table = self.setup, self._table
        self._files = files = GatewayFiles(setup.settings.name, table.certificates, table.keys)
        try:
            await files.write(self._in_order(setup.identities), setup.devices, setup.give_access)
            self._endpoint = _free(self._at("devices", setup.settings.listen))
            self._http = _free(self._at("http", setup.settings.http))
            values = self._values(files, self._endpoint, self._http)
            for name, text in table.files.items():
                self._write(files.folder / name, self._fill("files", text, values))
            environment = {**os.environ}
            environment |= {name: self._fill("environment", text, values) for name, text in table.environment.items()}
            command = [self._fill("command", word, values) for word in table.command]
            directory = self.choice.folder / self._fill("directory", table.directory, values)
            if not directory.is_dir():
                raise UsageError(
                    f"there is no folder {directory}", where=self.choice.at("directory"), do="name another"
                )
            await self._program.start(command, files.folder, environment=environment, directory=directory.resolve())
            await self._until_ready()
            self._program.on_own_end(setup.ended)
        except BaseException:
            await self._program.kill()
            files.remove()
            raise

    def _write(self, path: Path, text: str) -> None:
        try:
            if path.exists():
                raise UsageError(f"the harness has a file {path.name} of its own there", do="choose another name")
            write_file(path, text.encode(), secret=True)
        except UsageError as error:
            what = f"the file {path.name} cannot be written: {error.what.removeprefix('cannot be written: ')}"
            raise UsageError(what, where=self.choice.at("files"), do=error.do) from error

    def _at(self, which: str, wanted: Endpoint) -> Endpoint:
        """Where it has to listen: at the port that its table fixes, or at the wanted one."""
        return wanted[0], self._table.ports.get(which, wanted[1])

    def _fill(self, key: str, text: str, values: dict[str, str]) -> str:
        return fill(text, values, self.choice.at(key))

    def _in_order(self, identities: tuple[Identity, ...]) -> tuple[Identity, ...]:
        """The identities with the wanted algorithm first."""
        wanted = self._table.algorithm
        if wanted is None:
            return identities
        if wanted not in tuple(Algorithm):
            known = ", ".join(Algorithm)
            raise UsageError(f"unknown algorithm {wanted!r}", where=self.choice.at("algorithm"), do=f"one of {known}")
        return tuple(sorted(identities, key=lambda identity: algorithm_of(identity.private_key) != wanted))

    def _values(self, files: GatewayFiles, device: Endpoint, http: Endpoint) -> dict[str, str]:
        """The placeholders: ports, files, names, and each setting of the reference gateway."""
        settings = self.setup.settings
        url, token = files.api_access()
        values: dict[str, str] = {field.name: _text(getattr(settings, field.name)) for field in fields(settings)}
        values |= {
            "listen": _text(device),
            "http": _text(http),
            "host": device[0],
            "device_port": str(device[1]),
            "http_port": str(http[1]),
            "ca": str(files.device_authority),
            "ca_key": str(files.device_authority_key),
            "kubeconfig": str(files.kubeconfig),
            "api_url": url,
            "api_token": token,
            "api_ca": str(files.api_authority),
            "namespace": self.setup.namespace,
            "folder": str(files.folder),
        }
        for number in range(1, len(self.setup.identities) + 1):
            end = "" if number == 1 else f"_{number}"
            certificate, key = files.identity(number)
            values |= {f"certificate{end}": str(certificate), f"key{end}": str(key)}
        return values

    async def _until_ready(self) -> None:
        how, what = self._table.ready
        within = self._table.ready_within
        try:
            async with self.setup.clock.deadline(within):
                if how == "line":
                    await self._program.until_line(re.compile(what).search)
                elif how == "http":
                    await self._until_answered(what)
                await self._until_listening()
        except TimeoutError:
            raise self._never_ready(how, what, within) from None

    async def _until_listening(self) -> None:
        while (pid := self._program.pid) is not None and self.endpoint[1] not in ports_of_group(pid):
            await self.setup.clock.sleep(_LOOKS_EVERY)
        self._check_runs()

    async def _until_answered(self, path: str) -> None:
        assert self._http is not None
        async with aiohttp.ClientSession("http://{}:{}".format(*self._http)) as client:
            while self._program.pid is not None:
                try:
                    async with client.get(path) as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, OSError):
                    pass
                await self.setup.clock.sleep(_LOOKS_EVERY)
        self._check_runs()

    def _check_runs(self) -> None:
        ended = self._program.ended
        if ended.done():
            raise self._program.failure(f"ended before it was ready: {describe_end(ended.result())}")

    def _never_ready(self, how: str, what: str, within: float) -> RigError:
        pid = self._program.pid
        ports = sorted(ports_of_group(pid)) if pid is not None else []
        wanted = self.endpoint[1]
        if how == "port" or wanted not in ports:
            where = f"it listens on {', '.join(map(str, ports))}" if ports else "it listens on no port"
            return self._program.failure(
                f"did not listen on port {wanted} within {within:g} s: {where}",
                f"have the command use {{device_port}}, or raise ready_within ({self.choice.at('ready_within')})",
            )
        sought = f"line {what!r}" if how == "line" else f"answer 200 to GET {what}"
        return self._program.failure(
            f"no {sought} within {within:g} s", f"correct ready, or raise ready_within ({self.choice.at('ready')})"
        )

    async def stop(self) -> None:
        table = self._table
        if not await self._program.stop(table.stop, table.stop_within):
            name = signal.Signals(table.stop).name
            raise RigError(
                f"did not end within {table.stop_within:g} s of {name}: it was killed",
                where=self._where,
                do=f"correct stop, or raise stop_within ({self.choice.at('stop')})",
            )

    async def kill(self) -> None:
        await self._program.kill()

    async def reload(self, identities: tuple[Identity, ...]) -> None:
        table = self._table
        if self._files is None or table.reload is None or table.reload_line is None:
            await super().reload(identities)
            return
        self._files.write_identities(self._in_order(identities))
        self._program.signal(table.reload)
        await self._program.until_line(re.compile(table.reload_line).search)

    def check(self) -> None:
        ended = self._program.ended
        if ended.done() and not self._program.asked_to_end:
            what = f"ended by itself: {describe_end(ended.result())}{self._program.last_lines()}"
            raise ProductFailure(what, where=self._where, party="gateway")

    def _line(self, line: str) -> None:
        self.setup.console(line)
        pattern = self._table.revocation_line
        if pattern is not None and re.search(pattern, line):
            self.setup.revocations_loaded()


def _free(wanted: Endpoint) -> Endpoint:
    """``wanted``, or for port 0 a free one that no connection takes before the program does. Raises RigError if there
    is none."""
    host, port = wanted

    def bind(port: int) -> int:
        with socket.socket() as probe:
            probe.bind((host, port))
        return port

    try:
        return host, port or on_free_port(bind)
    except OSError as error:
        raise RigError(f"cannot listen on {host}: {error.strerror}", where="gateway", do="see: ip addr") from error


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0]}:{value[1]}"
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    return "" if value is None else str(value)
