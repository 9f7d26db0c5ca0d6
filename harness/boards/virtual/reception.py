"""Receives a module: assembles its chunks and checks size, order and hash."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from harness.wasmbed.protocol.messages import Deploy, ModuleChunk

__all__ = ["DeploymentCode", "DeploymentRefused", "Reception"]


class DeploymentCode(StrEnum):
    """Why a board refuses a deployment: the codes of ``DeploymentResult``, beside the runtime's fault codes."""

    TOO_LARGE = "TOO_LARGE"
    """The module is larger than the board's largest."""
    BAD_CHUNK = "BAD_CHUNK"
    """A chunk was left out or has the wrong size."""
    HASH_MISMATCH = "HASH_MISMATCH"
    INVALID_MODULE = "INVALID_MODULE"
    """Not WebAssembly that devices support, not made for the host interface, or above the limits."""
    NOT_ENOUGH_MEMORY = "NOT_ENOUGH_MEMORY"
    """The board lacks the memory to load the module; the message says how much that takes and how much is free."""
    ALREADY_DEPLOYED = "ALREADY_DEPLOYED"
    """The application runs already: stop it first."""
    TOO_MANY_APPLICATIONS = "TOO_MANY_APPLICATIONS"
    UNAVAILABLE = "UNAVAILABLE"
    """The board has no WebAssembly runtime."""


class DeploymentRefused(Exception):
    """The deployment is refused, with a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Reception:
    """The chunks of one module, in order."""

    __slots__ = ("_data", "_next", "deploy")

    def __init__(self, deploy: Deploy, largest: int) -> None:
        """Raises :class:`DeploymentRefused` if the announced module cannot be received. ``largest`` is in bytes."""
        if deploy.size > largest:
            raise DeploymentRefused(
                DeploymentCode.TOO_LARGE, f"{deploy.size} bytes, the largest module this board loads is {largest}"
            )
        if not deploy.size or not deploy.chunk_size:
            raise DeploymentRefused(DeploymentCode.BAD_CHUNK, f"{deploy.size} bytes in chunks of {deploy.chunk_size}")
        self.deploy = deploy
        self._data = bytearray()
        self._next = 0

    @property
    def held(self) -> int:
        """Bytes received so far."""
        return len(self._data)

    @property
    def chunks(self) -> int:
        """The number of chunks of the module."""
        return -(-self.deploy.size // self.deploy.chunk_size)

    def add(self, chunk: ModuleChunk) -> bytes | None:
        """Take the next chunk; returns the whole module after the last one. A repeated chunk changes nothing.

        Raises :class:`DeploymentRefused`.
        """
        deploy = self.deploy
        if chunk.index < self._next:
            return None
        if chunk.index > self._next:
            raise DeploymentRefused(DeploymentCode.BAD_CHUNK, f"chunk {chunk.index} came when {self._next} was due")
        due = min(deploy.chunk_size, deploy.size - len(self._data))
        if len(chunk.data) != due:
            raise DeploymentRefused(
                DeploymentCode.BAD_CHUNK, f"chunk {chunk.index} holds {len(chunk.data)} bytes, not {due}"
            )
        self._data += chunk.data
        self._next += 1
        if len(self._data) < deploy.size:
            return None
        module = bytes(self._data)
        digest = hashlib.sha256(module).digest()
        if digest != deploy.sha256:
            raise DeploymentRefused(
                DeploymentCode.HASH_MISMATCH, f"SHA-256 is {digest.hex()}, announced was {deploy.sha256.hex()}"
            )
        return module
