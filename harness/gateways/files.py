"""The files that a gateway in another process reads: certificates, keys, kubeconfig."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from harness.core.errors import RigError, reason
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import write_file

__all__ = ["PREFIX", "GatewayFiles"]

PREFIX = "wasmbed-gateway-"
"""The prefix of the names of the folders, in the folder for temporary files."""


class GatewayFiles:
    """A folder for one gateway, readable by its owner only."""

    def __init__(self, name: str) -> None:
        """Make it. Raises RigError if that is not possible."""
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-"))
        except OSError as error:
            raise RigError(
                f"cannot make a folder: {reason(error)}", where=tempfile.gettempdir(), do="free space, or set TMPDIR"
            ) from error
        self.device_authority = self.folder / "device-ca-cert.der"
        self.device_authority_key = self.folder / "device-ca-key.der"
        self.kubeconfig = self.folder / "kubeconfig"

    def identity(self, number: int) -> tuple[Path, Path]:
        """Where certificate and key of an identity are, by its place from 1."""
        return self.folder / f"cert-{number}.der", self.folder / f"key-{number}.der"

    async def write(
        self,
        identities: tuple[Identity, ...],
        devices: Authority,
        give_access: Callable[[Path], Awaitable[None]],
    ) -> None:
        """Write all of them, DER and PKCS #8. Raises UsageError for one that cannot be written."""
        self.write_identities(identities)
        write_file(self.device_authority, devices.certificate)
        write_file(self.device_authority_key, devices.private_key_der, secret=True)
        await give_access(self.kubeconfig)

    def write_identities(self, identities: tuple[Identity, ...]) -> None:
        """Write the certificates and keys, each whole or not at all."""
        for number, identity in enumerate(identities, 1):
            certificate, key = self.identity(number)
            write_file(certificate, identity.certificate)
            write_file(key, identity.private_key_der, secret=True)
