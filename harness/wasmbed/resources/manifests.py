"""Objects of the three custom resources, in the form in which they are created."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.errors import UsageError
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.modules import LARGEST_MODULE

__all__ = ["application", "device", "device_spec", "device_with_board", "gateway", "new_object", "wasm_bytes"]


def device(
    name: str,
    *,
    public_key: bytes,
    device_type: str,
    mcu_type: str | None = None,
    architecture: str | None = None,
    capabilities: Sequence[str] = (),
    firmware_version: str | None = None,
    largest_module: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> Object:
    """Return a Device; ``public_key`` is SubjectPublicKeyInfo DER, ``largest_module`` in bytes."""
    spec = device_spec(
        public_key=public_key,
        device_type=device_type,
        mcu_type=mcu_type,
        architecture=architecture,
        capabilities=capabilities,
        firmware_version=firmware_version,
        largest_module=largest_module,
    )
    return new_object(DEVICE, name, spec, labels)


def device_with_board(
    name: str,
    kind: str,
    *,
    running: bool = True,
    restart_policy: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Object:
    """Return a Device that asks for a board; it enrolls when an emulator manager has started that."""
    board = _present({"kind": kind, "running": running, "restartPolicy": restart_policy})
    return new_object(DEVICE, name, {"board": board}, labels)


def device_spec(
    *,
    public_key: bytes,
    device_type: str,
    mcu_type: str | None = None,
    architecture: str | None = None,
    capabilities: Sequence[str] = (),
    firmware_version: str | None = None,
    largest_module: int | None = None,
) -> Object:
    """Return the spec of a Device; ``public_key`` is SubjectPublicKeyInfo DER, ``largest_module`` in bytes."""
    return _present(
        {
            "publicKey": b64encode(public_key).decode(),
            "deviceType": device_type,
            "mcuType": mcu_type,
            "architecture": architecture,
            "capabilities": list(dict.fromkeys(capabilities)),
            "firmwareVersion": firmware_version,
            "largestModule": largest_module,
        }
    )


def application(
    name: str,
    *,
    module: bytes | None = None,
    reference: str | None = None,
    device_names: Sequence[str] | None = None,
    match_labels: Mapping[str, str] | None = None,
    match_expressions: Sequence[Mapping[str, Any]] | None = None,
    all_devices: bool | None = None,
    stopped: bool | None = None,
    config: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Object:
    """Return an Application of ``module``, or of the module ``reference`` in the store, for one of the three kinds of
    targets: names, a selector (labels, expressions, or both), or all. ``config`` has the resource's own field names
    (``memoryLimit``, ``fuel``, ``timeLimit``, ...)."""
    selector = _present(
        {
            "matchLabels": dict(match_labels) if match_labels is not None else None,
            "matchExpressions": [dict(each) for each in match_expressions] if match_expressions is not None else None,
        }
    )
    targets: dict[str, Any] = {
        "deviceNames": list(device_names) if device_names is not None else None,
        "selector": selector or None,
        "allDevices": all_devices,
    }
    spec = {
        "wasmBytes": wasm_bytes(module) if module is not None else None,
        "wasmRef": reference,
        "targetDevices": _present(targets),
        "stopped": stopped,
        "config": dict(config) if config else None,
    }
    return new_object(APPLICATION, name, spec, labels)


def wasm_bytes(module: bytes) -> str:
    """Return the value of ``wasmBytes``. Raises :class:`UsageError` for a module that is too large: the schema's error
    would name the length of its base64."""
    if len(module) > LARGEST_MODULE:
        raise UsageError(
            f"the module has {len(module):,} bytes, an Application holds at most {LARGEST_MODULE:,} (1 MiB)",
            do="make it smaller: rustc -Copt-level=z -Cstrip=symbols, clang -Oz -Wl,--strip-all, wasm-opt -Oz",
        )
    return b64encode(module).decode()


def gateway(name: str, *, endpoint: str, capacity: int | None = None) -> Object:
    """Return a Gateway; ``endpoint`` is ``host:port``."""
    return new_object(GATEWAY, name, {"endpoint": endpoint, "capacity": capacity}, None)


def new_object(
    resource: Resource, name: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> Object:
    """Return an object of any resource. Fields of ``spec`` without a value are left out."""
    metadata: Object = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        "spec": _present(spec),
    }


def _present(fields: Mapping[str, Any]) -> Object:
    return {key: value for key, value in fields.items() if value is not None}
