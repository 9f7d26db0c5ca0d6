"""Certificates that were taken back, as the cluster says in a ConfigMap."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.names import CRL_CONFIG_MAP, CRL_KEY

__all__ = ["Revocations"]

log = get_log(__name__)


class Revocations:
    """Hands every new revocation list to the certificate manager; ``changed`` is called when it has taken one over,
    ``refused`` with the reason why it did not."""

    def __init__(
        self,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        certificates: CertificateManager,
        changed: Callable[[], object],
        refused: Callable[[str], object],
    ) -> None:
        self._certificates, self._changed, self._refused = certificates, changed, refused
        selector = f"metadata.name={CRL_CONFIG_MAP}"
        self._informer = Informer(api, CONFIG_MAP, clock, randomness, field_selector=selector)
        self._informer.add_handler(self._update)

    async def start(self) -> None:
        """Returns when the list, if there is one, is in force."""
        await self._informer.start()

    async def stop(self) -> None:
        await self._informer.stop()

    def _update(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            log.warning("ConfigMap %s is gone: the last revocation list stays in force", CRL_CONFIG_MAP)
            return
        content = (new.get("binaryData") or {}).get(CRL_KEY)
        try:
            if content is None:
                raise CertificateInvalid(f"no {CRL_KEY} in binaryData")
            self._certificates.update_revocations(b64decode(content))
        except (CertificateInvalid, ValueError) as error:
            log.error("ConfigMap %s: %s: the last revocation list stays in force", CRL_CONFIG_MAP, reason(error))
            self._refused(reason(error))
            return
        self._changed()
