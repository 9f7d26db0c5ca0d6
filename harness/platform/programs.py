"""The programs of a platform, as data: what each is called, how it is started, and which line says that it is ready."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.clock import Clock
from harness.platform.folder import Folder
from harness.platform.settings import Settings

__all__ = ["Specification", "specifications"]

_READY = re.compile(r"ready(?: .*)?")
_ADDRESS = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Specification:
    """``name`` is unique; ``arguments`` are those of the ``wasmbed`` command."""

    name: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The whole command."""
        return [sys.executable, "-P", "-m", "harness.cli", *self.arguments]

    @staticmethod
    def is_ready(line: str) -> bool:
        """Whether a line of its output says that it serves."""
        return _READY.fullmatch(line) is not None

    @staticmethod
    def addresses(line: str) -> dict[str, str]:
        """Where it serves, by name, from that line."""
        return dict(_ADDRESS.findall(line))


def specifications(
    settings: Settings, folder: Folder, clock: Clock, addresses: Mapping[str, Mapping[str, str]]
) -> Iterator[Specification]:
    """The programs in the order of their start, which is to be done before the next one is asked for. Issues the
    gateways' identities. ``addresses`` has those of the programs that run, by their names."""
    host = settings.platform.host
    hosts = tuple(dict.fromkeys(("localhost", "127.0.0.1", host, *settings.gateways.hosts)))
    for number in range(1, settings.gateways.count + 1):
        yield _gateway(settings, folder, number, folder.issue(f"gateway-{number}", hosts, clock))
    yield Specification(
        "controllers",
        ("controllers", "--http", f"{host}:{settings.controllers.port}", *_cluster(settings, folder, "controllers")),
    )
    options = [part for origin in settings.api.origins for part in ("--origin", origin)]
    if settings.infrastructure.enabled:
        at = f"{host}:{settings.infrastructure.port}"
        access = _cluster(settings, folder, "infrastructure")
        yield Specification("infrastructure", ("infrastructure", str(folder.authorities), "--http", at, *access))
        options += ["--infrastructure", f"http://{addresses['infrastructure']['http']}"]
    yield Specification(
        "api", ("api", "--http", f"{host}:{settings.api.port}", *options, *_cluster(settings, folder, "api"))
    )
    if settings.emulators.enabled:
        yield _emulators(settings, folder, addresses["gateway-1"]["devices"])


def _emulators(settings: Settings, folder: Folder, gateway: str) -> Specification:
    authority, key = folder.device_authority
    files = ("--gateway-authority", folder.gateway_authority, "--device-authority", authority)
    access = _cluster(settings, folder, "emulators")
    return Specification(
        "emulators",
        ("emulators", "--gateway", gateway, *map(str, files), "--device-authority-key", str(key), *access),
    )


def _gateway(settings: Settings, folder: Folder, number: int, identities: list[tuple[Path, Path]]) -> Specification:
    host, name = settings.platform.host, f"gateway-{number}"
    port, http_port = (settings.gateways.port, settings.gateways.http_port) if number == 1 else (0, 0)
    authority, key = folder.device_authority
    files = [part for certificate, secret in identities for part in ("--certificate", certificate, "--key", secret)]
    files += ["--device-authority", authority, "--device-authority-key", key]
    if settings.gateways.settings is not None:
        files += ["--settings", settings.gateways.settings]
    return Specification(
        name,
        (
            "gateway", "--name", name, "--listen", f"{host}:{port}", "--http", f"{host}:{http_port}",
            *map(str, files), *_cluster(settings, folder, name),
        ),
    )  # fmt: skip


def _cluster(settings: Settings, folder: Folder, name: str) -> tuple[str, ...]:
    return "--kubeconfig", str(folder.access(name)), "--namespace", settings.platform.namespace
