"""The files that a gateway in another process reads: certificates, keys, kubeconfig."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import yaml

from harness.core.errors import RigError, reason
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import (
    Algorithm,
    PrivateKey,
    algorithm_of,
    private_key_der,
    public_key_der,
    write_file,
)

__all__ = ["CERTIFICATE_FORMS", "KEY_FORMS", "PREFIX", "GatewayFiles"]

PREFIX = "wasmbed-gateway-"
"""The prefix of the names of the folders, in the folder for temporary files."""


def _pkcs8(key: PrivateKey) -> bytes:
    return private_key_der(key)


def _pkcs8_v2(key: PrivateKey) -> bytes:
    """OneAsymmetricKey version 2 (RFC 5958), which holds the public key too; some libraries insist on it for Ed25519.

    For P-256 there is no difference: the public key is inside of the private one (RFC 5915).
    """
    if algorithm_of(key) is not Algorithm.ED25519:
        return private_key_der(key)
    head = bytes.fromhex("3051020101300506032b657004220420")
    return head + private_key_der(key)[-32:] + bytes.fromhex("812100") + public_key_der(key.public_key())[-32:]


def _pem(label: str, der: bytes) -> bytes:
    text = base64.encodebytes(der).replace(b"\n", b"")
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), lines, label.encode())


CERTIFICATE_FORMS: Mapping[str, Callable[[bytes], bytes]] = {
    "pem": lambda der: _pem("CERTIFICATE", der),
    "der": lambda der: der,
}
"""The forms of a certificate's file, from DER."""
KEY_FORMS: Mapping[str, Callable[[PrivateKey], bytes]] = {
    "pkcs8-pem": lambda key: _pem("PRIVATE KEY", _pkcs8(key)),
    "pkcs8-der": _pkcs8,
    "pkcs8-v2-pem": lambda key: _pem("PRIVATE KEY", _pkcs8_v2(key)),
    "pkcs8-v2-der": _pkcs8_v2,
}
"""The forms of a private key's file."""


class GatewayFiles:
    """A folder for one gateway, readable by its owner only. Without other forms, all files are DER."""

    def __init__(self, name: str, certificates: str = "der", keys: str = "pkcs8-der") -> None:
        """Make it. Raises RigError if that is not possible."""
        self._certificate_form, self._key_form = CERTIFICATE_FORMS[certificates], KEY_FORMS[keys]
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-"))
        except OSError as error:
            raise RigError(
                f"cannot make a folder: {reason(error)}", where=tempfile.gettempdir(), do="free space, or set TMPDIR"
            ) from error
        self._certificate_end, self._key_end = certificates, keys.rpartition("-")[2]
        self.device_authority = self.folder / f"device-ca-cert.{self._certificate_end}"
        self.device_authority_key = self.folder / f"device-ca-key.{self._key_end}"
        self.kubeconfig = self.folder / "kubeconfig"
        self.api_authority = self.folder / "api-ca.pem"

    def identity(self, number: int) -> tuple[Path, Path]:
        """Where certificate and key of an identity are, by its place from 1."""
        certificate, key = f"cert-{number}.{self._certificate_end}", f"key-{number}.{self._key_end}"
        return self.folder / certificate, self.folder / key

    async def write(
        self,
        identities: tuple[Identity, ...],
        devices: Authority,
        give_access: Callable[[Path], Awaitable[None]],
    ) -> None:
        """Write all of them. Raises UsageError for one that cannot be written."""
        self.write_identities(identities)
        write_file(self.device_authority, self._certificate_form(devices.certificate))
        write_file(self.device_authority_key, self._key_form(devices.private_key), secret=True)
        await give_access(self.kubeconfig)

    def api_access(self) -> tuple[str, str]:
        """The URL and the bearer token in the kubeconfig, whose authority is then in ``api-ca.pem``; a token that is
        empty, and no file, where the cluster has other credentials."""
        config = yaml.safe_load(self.kubeconfig.read_text("utf-8"))
        chosen = next(each for each in config["contexts"] if each["name"] == config["current-context"])["context"]
        cluster = next(each for each in config["clusters"] if each["name"] == chosen["cluster"])["cluster"]
        user = next(each for each in config["users"] if each["name"] == chosen["user"])["user"]
        if data := cluster.get("certificate-authority-data"):
            write_file(self.api_authority, base64.b64decode(data))
        return str(cluster["server"]), str(user.get("token") or "")

    def remove(self) -> None:
        """Remove the folder: its keys must not stay."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_identities(self, identities: tuple[Identity, ...]) -> None:
        """Write the certificates and keys, each whole or not at all."""
        for number, identity in enumerate(identities, 1):
            certificate, key = self.identity(number)
            write_file(certificate, self._certificate_form(identity.certificate))
            write_file(key, self._key_form(identity.private_key), secret=True)
