"""The TLS listener for devices: its bounds, its log of failed handshakes, and the errors of a port in use."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.core.history import Tap
from harness.core.logs import get_log
from harness.core.network import Admission, Endpoint, Listener, Network
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.enrollment_places import EnrollmentPlaces
from harness.wasmbed.gateway.gateway_address import GatewayAddress
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.service import LinkService
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.tls import tls_server
from harness.wasmbed.protocol.link import Link, Side

__all__ = ["CannotListen", "DeviceListener"]

log = get_log(__name__)

_UNREAD = 64 << 10
"""Bytes that the kernel buffers for a device that does not read; more wait in its link (see :class:`Link`)."""


class CannotListen(RigError):
    """A port is in use, or not available. ``setting`` is the field of :class:`GatewaySettings` that names it."""

    def __init__(self, setting: str, protocol: str, endpoint: Endpoint, error: OSError, *, gateway: str) -> None:
        host, port = endpoint
        super().__init__(
            f"cannot listen for {protocol} at {host}:{port}: {reason(error)}",
            where=f"gateway {gateway}",
            do="end what uses the port, or choose another (0: any free one)",
        )
        self.setting = setting


class DeviceListener:
    """Accepts devices and hands each link to ``service`` after its handshake.

    It presents the one of ``identities`` that a device can verify.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        network: Network,
        identities: Iterable[Identity],
        certificates: CertificateManager,
        service: LinkService,
        places: EnrollmentPlaces,
        metrics: Metrics,
        address: GatewayAddress,
        tap: Tap | None,
    ) -> None:
        self._settings, self._network, self._tap = settings, network, tap
        self._identities, self._certificates = tuple(identities), certificates
        self._service, self._places, self._metrics, self._address = service, places, metrics, address
        self._log = SummedLog(log, clock)
        self._listener: Listener | None = None

    @property
    def is_open(self) -> bool:
        """Whether the listener was started."""
        return self._listener is not None

    async def start(self) -> None:
        """Listen. Raises :class:`CannotListen`."""
        settings = self._settings
        admission = Admission(
            waiting=settings.waiting,
            handshakes=settings.handshakes,
            silence=settings.silence_timeout,
            handshake=settings.handshake_timeout,
            patience=settings.handshake_timeout_under_load,
            rejected=self._rejected,
            behind=self._places.places,
            unread=_UNREAD,
        )
        tls = tls_server(self._identities, self._certificates.authority)
        try:
            self._listener = await self._network.listen(self._make_link, settings.listen, tls=tls, admission=admission)
        except OSError as error:
            raise CannotListen("listen", "TLS", settings.listen, error, gateway=settings.name) from error
        self._address.set(self._listener.endpoint)

    def present(self, identities: Iterable[Identity]) -> None:
        """Use other identities for the handshakes that begin from now on."""
        self._identities = tuple(identities)
        if self._listener is not None:
            self._listener.secure(tls_server(self._identities, self._certificates.authority))

    async def close(self) -> None:
        """Accept no further connection."""
        if self._listener is not None:
            await self._listener.close()

    def close_log(self) -> None:
        """Write the log lines that were counted and not yet written."""
        self._log.close()

    def _make_link(self) -> Link:
        return Link(Side.GATEWAY, opened=self._service.opened, limit=self._settings.frame_limit)

    def _rejected(self, address: Endpoint, reason: str, refused: bool) -> None:
        self._metrics.tls_rejected()
        write = self._log.warning if refused else self._log.info
        write("%s:%d did not get through the handshake: %s", *address, reason)
        if self._tap is not None:
            self._tap("Device", "Gateway", "TlsRejected", {"reason": reason}, "")
