"""The secrets of an API server and where it listened: clients of before a restart go on with what they have."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from harness.clusters.files import replace_file
from harness.core.clock import Clock, SystemClock
from harness.core.errors import RigError, UsageError, reason
from harness.core.identifiers import Randomness
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.keys import load_private_key, private_key_der

__all__ = ["AccessKeys"]

_FILE = "access.json"
_AUTHORITY = "api-authority"


class AccessKeys:
    """The credentials by which an API server and its clients know each other."""

    def __init__(
        self, authority: Authority, token: str, account_key: ec.EllipticCurvePrivateKey, port: int = 0
    ) -> None:
        self.authority, self.token, self.account_key, self.port = authority, token, account_key, port

    @classmethod
    def create(cls) -> AccessKeys:
        """New ones. Other programs judge the authority by the machine's time, whatever clock the cluster runs on."""
        authority = Authority.create("wasmbed embedded cluster", SystemClock(), algorithm="p256")
        return cls(authority, Randomness().token(32), ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def kept_in(cls, folder: Path) -> AccessKeys:
        """Those of a state folder, made if it has none. Raises RigError naming an unusable file."""
        path = folder / _FILE
        if not path.exists():
            keys = cls.create()
            keys.authority.save(folder / _AUTHORITY)
            keys.save(folder, 0)
            return keys
        clock: Clock = SystemClock()
        try:
            read = orjson.loads(path.read_bytes())
            account_key = load_private_key(base64.b64decode(read["accountKey"]), str(path))
            token, port = str(read["token"]), int(read["port"])
            if not isinstance(account_key, ec.EllipticCurvePrivateKey):
                raise ValueError("the key of the accounts has another algorithm")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RigError(
                f"cannot be read: {reason(error) if isinstance(error, OSError) else error}",
                where=str(path),
                do="restore the file from a copy, or remove it: clients then need a new kubeconfig and new tokens",
            ) from error
        try:
            return cls(Authority.load(folder / _AUTHORITY, clock), token, account_key, port)
        except UsageError as error:
            do = f"restore the file from a copy, or remove {path}: clients then need a new kubeconfig and new tokens"
            raise RigError(error.what, where=error.where, do=do) from error

    def save(self, folder: Path, port: int) -> None:
        """Write them, with the port that the server listens on. Raises RigError."""
        self.port = port
        key = base64.b64encode(private_key_der(self.account_key)).decode()
        try:
            replace_file(folder / _FILE, orjson.dumps({"token": self.token, "port": port, "accountKey": key}))
        except OSError as error:
            raise RigError(
                f"cannot be written: {reason(error)}", where=str(folder / _FILE), do="free the disk"
            ) from error
