"""The well-known names that the platform and the harness agree on: finalizers, labels, annotations, and object names.

Two rooms that use the same Secret or label read its name here, so they cannot disagree.
"""

from __future__ import annotations

__all__ = [
    "BOARD_FINALIZER",
    "CONTROLLER_LEASE",
    "CRL_CONFIG_MAP",
    "CRL_KEY",
    "DEFAULT_GATEWAY",
    "DEFAULT_NAMESPACE",
    "EMULATORS_LEASE_PREFIX",
    "GROUP",
    "HOST_LABEL",
    "MANAGED_BY_HARNESS",
    "MANAGED_BY_LABEL",
    "MODULE_KEY",
    "NAMESPACE_NAME_LABEL",
    "PAIRING_SECRET_PREFIX",
    "PROCESS_ANNOTATION",
    "PURPOSE_BOARD",
    "PURPOSE_EMULATORS_API",
    "PURPOSE_GATEWAY_API",
    "PURPOSE_LABEL",
    "PURPOSE_MODULE",
    "PURPOSE_PAIRING",
    "STOP_FINALIZER",
    "TOKEN_KEY",
    "URL_KEY",
    "USED_BY_ANNOTATION",
    "board_secret",
    "emulators_api_secret",
    "gateway_api_secret",
    "module_config_map",
    "pairing_secret",
]

GROUP = "wasmbed.io"
"""The API group of the custom resources, and the prefix of the platform's own finalizers, labels, and annotations."""
DEFAULT_NAMESPACE = "wasmbed"
DEFAULT_GATEWAY = "gateway-1"

STOP_FINALIZER = f"{GROUP}/stop"
"""Keeps a deleted Application until its devices have stopped it."""

BOARD_FINALIZER = f"{GROUP}/board"
"""Keeps a deleted Device until its board is off, so that the board does not enroll again."""

PURPOSE_LABEL = f"{GROUP}/purpose"
"""Says what a Secret or ConfigMap is for: one of the values below."""
PURPOSE_BOARD = "board"
PURPOSE_PAIRING = "pairing"
PURPOSE_GATEWAY_API = "gateway-api"
PURPOSE_EMULATORS_API = "emulators-api"
PURPOSE_MODULE = "module"

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""Kubernetes' own label: every namespace carries its name in it."""
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
"""Kubernetes' recommended label for the tool that manages an object."""
MANAGED_BY_HARNESS = "wasmbed-harness"
HOST_LABEL = f"{GROUP}/host"
"""The machine whose harness made a namespace."""
PROCESS_ANNOTATION = f"{GROUP}/process"
"""The process that uses a namespace: machine, pid, and start time."""

CONTROLLER_LEASE = "wasmbed-controllers"
"""The Lease of the controller manager that leads."""
EMULATORS_LEASE_PREFIX = "wasmbed-emulators-"
"""The beginning of the name of each emulator manager's own Lease."""
CRL_CONFIG_MAP = "wasmbed-device-crl"
"""The ConfigMap with the revocation list of device certificates, DER in ``binaryData``."""
CRL_KEY = "crl.der"
MODULE_KEY = "module.wasm"
"""The key of the module in its ConfigMap's ``binaryData``."""
TOKEN_KEY = "token"
"""The key of the token in the Secrets of pairing, and of the APIs of gateways and emulator managers."""
URL_KEY = "url"
"""The key of the address in the Secret of an emulator manager's API."""

USED_BY_ANNOTATION = f"{GROUP}/used-by"
"""The use of a pairing token: the SHA-256 of token and device key (SubjectPublicKeyInfo), in hexadecimal."""

PAIRING_SECRET_PREFIX = "pairing-"


def board_secret(device: str) -> str:
    """The Secret with key and certificate of the board that an emulator manager runs for ``device``."""
    return f"board-{device}"


def pairing_secret(device: str) -> str:
    """The Secret with the one-time token that lets ``device`` enroll without a certificate."""
    return f"{PAIRING_SECRET_PREFIX}{device}"


def gateway_api_secret(gateway: str) -> str:
    """The Secret with the bearer token of the HTTP API of ``gateway``."""
    return f"gateway-{gateway}-api"


def module_config_map(reference: str) -> str:
    """The ConfigMap of the module whose SHA-256, in lower-case hexadecimal, is ``reference``."""
    return f"wasm-{reference[:40]}"


def emulators_api_secret(manager: str) -> str:
    """The Secret with address and bearer token of the HTTP API of the emulator manager ``manager``."""
    return f"emulators-{manager}-api"
