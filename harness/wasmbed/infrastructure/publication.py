"""Brings the revocation list to the gateways: they watch the ConfigMap that holds it."""

from __future__ import annotations

from base64 import b64encode

from harness.wasmbed.resources.api import NotFound, ResourceApi
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.names import CRL_CONFIG_MAP, CRL_KEY

__all__ = ["publish"]


async def publish(api: ResourceApi, crl: bytes) -> None:
    """Write a list, in DER, into the cluster. Raises :class:`ApiError`, OSError."""
    data = {CRL_KEY: b64encode(crl).decode()}
    try:
        await api.patch(CONFIG_MAP, CRL_CONFIG_MAP, {"binaryData": data})
    except NotFound:
        metadata = {"name": CRL_CONFIG_MAP}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}
        await api.create(CONFIG_MAP, body)
