"""The module store, to which an Application's ``wasmRef`` refers: modules by SHA-256, each in its own ConfigMap."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from hashlib import sha256

from harness.wasmbed.resources.api import Conflict, NotFound, ResourceApi
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.names import MODULE_KEY, PURPOSE_LABEL, PURPOSE_MODULE, module_config_map

__all__ = ["LARGEST_MODULE", "ConfigMapModuleStore", "ModuleMissing", "ModuleStore"]

LARGEST_MODULE = 1 << 20
"""Bytes; a ConfigMap can hold as many."""


class ModuleMissing(LookupError):
    """The store has no module with that hash."""


class ModuleStore(ABC):
    """Modules by content; a reference is the SHA-256 in lower-case hexadecimal."""

    @abstractmethod
    async def put(self, module: bytes) -> str:
        """Store ``module`` and return its reference. Raises :class:`ValueError` if it is too large."""

    @abstractmethod
    async def get(self, reference: str) -> bytes:
        """Return the module. Raises :class:`ModuleMissing`."""


class ConfigMapModuleStore(ModuleStore):
    """Immutable ConfigMaps ``wasm-<first 40 digits of the hash>``, in the namespace of ``api``."""

    def __init__(self, api: ResourceApi) -> None:
        self._api = api

    async def put(self, module: bytes) -> str:
        if len(module) > LARGEST_MODULE:
            raise ValueError(f"the module has {len(module)} bytes, the store holds at most {LARGEST_MODULE}")
        reference = sha256(module).hexdigest()
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": module_config_map(reference), "labels": {PURPOSE_LABEL: PURPOSE_MODULE}},
            "binaryData": {MODULE_KEY: b64encode(module).decode()},
            "immutable": True,
        }
        try:
            await self._api.create(CONFIG_MAP, body)
        except Conflict as error:
            if error.reason != "AlreadyExists":
                raise
        return reference

    async def get(self, reference: str) -> bytes:
        try:
            found = await self._api.get(CONFIG_MAP, module_config_map(reference))
        except NotFound as error:
            raise ModuleMissing(f"the module store has no module {reference}") from error
        module = b64decode((found.get("binaryData") or {}).get(MODULE_KEY, ""))
        if sha256(module).hexdigest() != reference:
            raise ModuleMissing(f"ConfigMap {module_config_map(reference)} does not hold the module {reference}")
        return module
