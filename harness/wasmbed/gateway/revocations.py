"""The revocation list of device certificates, which the cluster publishes in a ConfigMap."""

from __future__ import annotations

from base64 import b64decode

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.wasmbed.gateway.dismissals import Dismissals
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.names import CRL_CONFIG_MAP, CRL_KEY

__all__ = ["IN_FORCE", "REFUSED", "Revocations"]

log = get_log(__name__)

REFUSED = f"ConfigMap {CRL_CONFIG_MAP}: %s: the last revocation list stays in force"
"""The log line, with the reason, after a list was refused."""
IN_FORCE = "the revocation list of the cluster is in force"
"""The log line after a list was loaded, for programs that wait for it."""


class Revocations:
    """Hands every new revocation list to the certificate manager, and has the present sessions checked against it."""

    def __init__(
        self,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        certificates: CertificateManager,
        dismissals: Dismissals,
        tap: Tap | None,
    ) -> None:
        self._certificates, self._dismissals, self._tap = certificates, dismissals, tap
        selector = f"metadata.name={CRL_CONFIG_MAP}"
        self._informer = Informer(api, CONFIG_MAP, clock, randomness, field_selector=selector)
        self._informer.add_handler(self._update)

    async def start(self) -> None:
        """Return when the published list, if there is one, is in force."""
        await self._informer.start()

    async def stop(self) -> None:
        """Stop the watch."""
        await self._informer.stop()

    def _update(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            log.warning("ConfigMap %s was deleted: the last revocation list stays in force", CRL_CONFIG_MAP)
            return
        content = (new.get("binaryData") or {}).get(CRL_KEY)
        try:
            if content is None:
                raise CertificateInvalid(f"no {CRL_KEY} in binaryData")
            self._certificates.update_revocations(b64decode(content))
        except (CertificateInvalid, ValueError) as error:
            log.error(REFUSED, reason(error))
            if self._tap is not None:
                self._tap("Kubernetes", "Gateway", "RevocationListRefused", {"reason": reason(error)}, "")
            return
        log.info("%s", IN_FORCE)
        self._dismissals.certificates_changed()
