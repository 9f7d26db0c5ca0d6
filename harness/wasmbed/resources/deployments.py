"""The application controller's request to a gateway for one device.

It is the body of ``PUT /api/v1/applications/{application}/devices/{device}``. Both sides use this class, so they cannot
disagree.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

__all__ = ["DeploymentRequest"]


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """A module, its limits and its input.

    ``memory`` is in bytes, ``fuel`` in the runtime's units, and ``wall_time`` in milliseconds; the last two are for one
    call. ``generation`` is the Application's. The gateway repeats it in ``status.deviceStatuses``, so that a late
    report about an old module differs from one about the new.
    """

    module: bytes
    memory: int
    fuel: int
    wall_time: int
    name: str = ""
    entry: str = "run"
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    generation: int | None = None

    @property
    def sha256(self) -> bytes:
        return sha256(self.module).digest()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole request: equal requests have the same one."""
        parts = {key: value for key, value in self.to_json().items() if key != "wasmBytes"}
        return sha256(json.dumps(parts, sort_keys=True).encode()).digest()

    def to_json(self) -> dict[str, Any]:
        """Return the request's body."""
        return {
            "name": self.name,
            "wasmBytes": b64encode(self.module).decode(),
            "sha256": self.sha256.hex(),
            "limits": {"memory": self.memory, "fuel": self.fuel, "wallTime": self.wall_time},
            "entry": self.entry,
            "args": list(self.args),
            "env": dict(self.env),
            "generation": self.generation,
        }

    @classmethod
    def from_json(cls, body: Any) -> DeploymentRequest:
        """Read a request's body. Raises :class:`ValueError` that names the missing or invalid field."""
        fields = _Fields(body, "body")
        limits = _Fields(fields.take("limits", dict), "limits")
        try:
            module = b64decode(fields.take("wasmBytes", str), validate=True)
        except ValueError as error:
            raise ValueError(f"wasmBytes: {error}") from error
        request = cls(
            module=module,
            memory=limits.take("memory", int),
            fuel=limits.take("fuel", int),
            wall_time=limits.take("wallTime", int),
            name=fields.take("name", str, ""),
            entry=fields.take("entry", str, "run"),
            args=tuple(fields.take("args", list, [])),
            env=fields.take("env", dict, {}),
            generation=fields.take("generation", int | None, None),
        )
        if not all(isinstance(text, str) for text in (*request.args, *request.env, *request.env.values())):
            raise ValueError("args and env: every value must be a string")
        if min(request.memory, request.fuel, request.wall_time) < 0:
            raise ValueError("limits: must not be negative")
        if fields.take("sha256", str).lower() != request.sha256.hex():
            raise ValueError("sha256: does not match wasmBytes")
        return request


class _Fields:
    def __init__(self, raw: Any, where: str) -> None:
        if not isinstance(raw, dict):
            raise ValueError(f"{where}: must be an object")
        self._raw = raw

    def take(self, key: str, kind: Any, default: Any = ...) -> Any:
        value = self._raw.get(key, default)
        if value is ...:
            raise ValueError(f"{key}: missing")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{key}: has the wrong type")
        return value
