"""The kind ``reference``: this project's gateway, in the process of the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from harness.core.clock import Clock
from harness.core.network import Endpoint
from harness.core.processes import Processes, as_process, processes
from harness.gateways.gateway import FEATURES, Choice, Gateway, GatewaySetup
from harness.wasmbed.gateway.gateway import Gateway as WasmbedGateway
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.protocol.dialects.wires import VERSION_1

__all__ = ["ReferenceGateway"]


class ReferenceGateway(Gateway):
    """Records itself: its taps see what crosses its boundaries."""

    kind: ClassVar[str] = "reference"
    wires: ClassVar[frozenset[str]] = frozenset({VERSION_1})
    writes_everything = True
    features: ClassVar[frozenset[str]] = frozenset(FEATURES) - {"gateway-pause"}
    records: ClassVar[bool] = True

    def __init__(self, setup: GatewaySetup, choice: Choice) -> None:
        super().__init__(setup, choice)
        self._gateway = WasmbedGateway(
            setup.settings,
            setup.identities,
            _Certificates(setup.devices.certificate, setup.clock, setup.revocations_loaded),
            setup.api,
            setup.clock,
            setup.network,
            setup.randomness,
            tap=setup.tap,
            authority=setup.devices,
        )

    @property
    def endpoint(self) -> Endpoint:
        return self._gateway.endpoint

    @property
    def http_endpoint(self) -> Endpoint:
        return self._gateway.http_endpoint

    async def start(self) -> None:
        await as_process(self.setup.settings.name, self._gateway.start())

    async def stop(self) -> None:
        await self._gateway.stop()

    async def kill(self) -> None:
        await self._gateway.kill()

    async def pause(self) -> None:
        self._processes().stop_process(self.setup.settings.name)

    async def resume(self) -> None:
        self._processes().continue_process(self.setup.settings.name)

    def _processes(self) -> Processes:
        """A simulation's: in real time the gateway runs on the event loop of the test."""
        if (found := processes()) is None:
            raise self._lacks("gateway-pause", "be paused in real time")
        return found

    async def reload(self, identities: tuple[Identity, ...]) -> None:
        self._gateway.reload(identities)


class _Certificates(CertificateManager):
    """Tells when a revocation list is in force."""

    def __init__(self, authority: bytes, clock: Clock, loaded: Callable[[], object]) -> None:
        super().__init__(authority, clock)
        self._loaded = loaded

    def update_revocations(self, crl: bytes) -> None:
        super().update_revocations(crl)
        self._loaded()
