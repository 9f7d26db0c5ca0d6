"""Sessions that the gateway ends itself: of deleted and suspended devices, of revoked certificates, at its shutdown."""

from __future__ import annotations

import asyncio

from harness.core.clock import Clock
from harness.wasmbed.gateway.refusals import PeerRefused, certificate_invalid, suspended, try_again
from harness.wasmbed.gateway.service import LinkService
from harness.wasmbed.gateway.session import SessionState
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.status_patches import Status
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import DEVICE

__all__ = ["Dismissals"]

_BATCH = 64
"""Certificates that are checked in one go when the revocation list changes."""


class Dismissals:
    """Ends sessions with an error for the device."""

    def __init__(
        self, clock: Clock, sessions: Sessions, certificates: CertificateManager, service: LinkService
    ) -> None:
        self._clock, self._sessions, self._certificates, self._service = clock, sessions, certificates, service
        self._checks: set[asyncio.Task[None]] = set()

    def device_deleted(self, name: str) -> None:
        """End the session of a device whose resource was deleted."""
        session = self._sessions.connected(name)
        if session is not None:
            refusal = try_again("the device was deleted: enroll again", self._sessions.retry_after())
            self._service.dismiss(session, refusal.error)

    def device_suspended(self, name: str) -> None:
        """End the session of a device that was suspended, also if it is only enrolling."""
        session = self._sessions.get(name)
        if session is not None and session.state is not SessionState.CLOSING:
            self._service.dismiss(session, suspended(name, self._sessions.retry_after()).error)

    def gone(self, resource: Resource, name: str, _: Status) -> None:
        """End the session of a device of which a status write found no resource: it was deleted while it enrolled."""
        if resource == DEVICE:
            self.device_deleted(name)

    def certificates_changed(self) -> None:
        """Check the certificates of all sessions again, in the background."""
        task = asyncio.create_task(self._check_certificates())
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    def shut_down(self) -> None:
        """End all sessions, and open no further one."""
        self._sessions.draining = True
        self.end_all()

    def end_all(self) -> None:
        """End all sessions of a gateway that shuts down or is disabled."""
        for session in self._sessions:
            if session.state is not SessionState.CLOSING:
                self._service.dismiss(session, self._sessions.closing().error)

    async def abandon(self) -> None:
        """Stop the background checks."""
        for task in self._checks:
            task.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    async def _check_certificates(self) -> None:
        for count, session in enumerate(self._sessions, 1):
            certificate = session.link.peer_certificate
            if certificate is None:
                continue
            refusal = self._refusal(certificate)
            if refusal is not None:
                self._service.dismiss(session, refusal.error)
            if count % _BATCH == 0:
                await self._clock.sleep(0)

    def _refusal(self, certificate: bytes) -> PeerRefused | None:
        try:
            self._certificates.check(certificate)
        except CertificateInvalid as error:
            return certificate_invalid(error.reason)
        return None
