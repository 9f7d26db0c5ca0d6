"""The file with which ``kubectl`` and every other client find a cluster."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import yaml

from harness.clusters.files import replace_file
from harness.core.errors import UsageError, reason
from harness.core.network import Endpoint

__all__ = ["write_kubeconfig"]


def write_kubeconfig(path: Path, endpoint: Endpoint, authority: bytes, token: str, namespace: str) -> None:
    """Write a kubeconfig, readable by its owner only. ``authority`` is a certificate, DER.

    Raises :class:`UsageError` where the file cannot be written.
    """
    name = "wasmbed"
    host, port = endpoint
    pem = base64.b64encode(ssl.DER_cert_to_PEM_cert(authority).encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": f"https://{host}:{port}", "certificate-authority-data": pem}}
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        "current-context": name,
    }
    try:
        replace_file(path, yaml.safe_dump(config, sort_keys=False).encode())
    except OSError as error:
        raise UsageError(
            f"the kubeconfig cannot be written: {reason(error)}", where=str(path), do="name a file that can be written"
        ) from error
