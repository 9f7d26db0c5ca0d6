"""The identity of a board: a key and a certificate in a Secret, so that whichever manager starts the board has them."""

from __future__ import annotations

from base64 import b64decode, b64encode

from harness.boards.board import Credentials
from harness.core.errors import RigError
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, generate_key
from harness.wasmbed.resources.api import Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import DEVICE, SECRET
from harness.wasmbed.resources.names import PURPOSE_BOARD, PURPOSE_LABEL, board_secret
from harness.wasmbed.resources.views import Device

__all__ = ["Identities"]

_KEY, _CERTIFICATE = "device-key.der", "device-cert.der"


class Identities:
    """Makes identities with ``authority``. ``trusted`` are the certificates of the gateways' authorities, DER."""

    def __init__(self, api: ResourceApi, authority: Authority, trusted: bytes) -> None:
        self._api, self._authority, self._trusted = api, authority, trusted

    async def get(self, device: Device, *, ed25519: bool) -> Credentials:
        """Return the credentials of a device's board; the first call for a device makes them."""
        name = board_secret(device.name)
        try:
            secret = await self._api.get(SECRET, name)
        except NotFound:
            try:
                secret = await self._api.create(SECRET, self._new(device, ed25519))
            except Conflict:
                secret = await self._api.get(SECRET, name)
        data = {key: b64decode(value) for key, value in (secret.get("data") or {}).items()}
        if absent := {_KEY, _CERTIFICATE} - data.keys():
            raise RigError(
                f"the Secret lacks {', '.join(sorted(absent))}",
                where=f"Secret {name}",
                do="delete it: the board gets a new identity",
            )
        return Credentials(self._trusted, data[_KEY], certificate=data[_CERTIFICATE])

    async def remove(self, device: str) -> None:
        """Delete the identity of a device that is deleted."""
        try:
            await self._api.delete(SECRET, board_secret(device))
        except NotFound:
            return

    def _new(self, device: Device, ed25519: bool) -> Object:
        key = generate_key(Algorithm.ED25519 if ed25519 else Algorithm.P256)
        identity = Identity(key, self._authority.issue_device(device.name, key.public_key()))
        owner = {"apiVersion": DEVICE.api_version, "kind": DEVICE.kind, "name": device.name, "uid": device.uid}
        return {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "metadata": {
                "name": board_secret(device.name),
                "labels": {PURPOSE_LABEL: PURPOSE_BOARD},
                "ownerReferences": [owner],
            },
            "type": "Opaque",
            "data": {
                _KEY: b64encode(identity.private_key_der).decode(),
                _CERTIFICATE: b64encode(identity.certificate).decode(),
            },
        }
