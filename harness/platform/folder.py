"""The folder of a platform: what stays from one run to the next, and the files of its programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.core.clock import Clock
from harness.core.errors import UsageError, reason
from harness.wasmbed.pki.authority import AUTHORITY_KEY_FILE, Authority
from harness.wasmbed.pki.identity import AUTHORITY_FILE
from harness.wasmbed.pki.keys import write_file
from harness.wasmbed.pki.server_authorities import ServerAuthorities

__all__ = ["Folder"]


class Folder:
    """Only its owner may read it: it has the authorities' keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = path / "control.sock"
        self.logs = path / "logs"
        self.kubeconfig = path / "kubeconfig"
        self.cluster = path / "cluster"
        self.authorities = path / "authorities"
        """As ``wasmbed secrets`` makes it."""
        self.gateway_authority = self.authorities / "gateways.der"
        """The certificates that boards trust."""
        self._identities = path / "identities"
        self._access = path / "access"

    def make(self) -> None:
        """Make what is missing of it. Raises UsageError if that is not possible."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in (self.logs, self._identities, self._access):
                part.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"cannot be made: {reason(error)}", where=str(self.path), do="name another platform.folder"
            ) from error

    def log(self, program: str) -> Path:
        """The log of a program."""
        return self.logs / f"{program}.log"

    def access(self, program: str) -> Path:
        """The kubeconfig of a program."""
        return self._access / program

    @property
    def device_authority(self) -> tuple[Path, Path]:
        """Certificate and key of the authority of devices."""
        folder = self.authorities / "devices"
        return folder / AUTHORITY_FILE, folder / AUTHORITY_KEY_FILE

    def prepare_authorities(self, clock: Clock) -> None:
        """Make the authorities at the first start; later ones go on with them."""
        Authority.kept_in(self.authorities / "devices", "Wasmbed devices", clock)
        write_file(self.gateway_authority, self._servers(clock).certificates)

    def issue(self, gateway: str, hosts: tuple[str, ...], clock: Clock) -> list[tuple[Path, Path]]:
        """Issue a gateway's identities anew; returns the files of certificates and keys."""
        files = []
        for number, identity in enumerate(self._servers(clock).issue(gateway, hosts), 1):
            certificate, key = (self._identities / f"{gateway}-{number}.{end}" for end in ("crt", "key"))
            write_file(certificate, identity.certificate)
            write_file(key, identity.private_key_der, secret=True)
            files.append((certificate, key))
        return files

    def _servers(self, clock: Clock) -> ServerAuthorities:
        return ServerAuthorities("Wasmbed gateways", clock, self.authorities / "gateways")

    def remove(self) -> None:
        """Remove it. Raises UsageError for a folder that no platform has made."""
        if not os.path.lexists(self.path):
            return
        if not self.logs.is_dir() or not self._access.is_dir():
            raise UsageError("is not a platform's folder", where=str(self.path), do="remove it yourself")
        shutil.rmtree(self.path)
