"""Where an Application's ``wasmRef`` leads: modules by their SHA-256, each in a ConfigMap of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from hashlib import sha256

from harness.wasmbed.resources.api import Conflict, NotFound, ResourceApi
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.names import MODULE_KEY, PURPOSE_LABEL, PURPOSE_MODULE, module_config_map

__all__ = ["LARGEST_MODULE", "ConfigMapModuleStore", "ModuleMissing", "ModuleStore"]

LARGEST_MODULE = 1 << 20
"""Bytes; also what a ConfigMap can hold."""


class ModuleMissing(LookupError):
    """The store has no module of that hash, or what it has under it is something else."""


class ModuleStore(ABC):
    """Modules by content; a reference is the SHA-256 in lower-case hexadecimal."""

    @abstractmethod
    async def put(self, module: bytes) -> str:
        """Keep ``module`` and return its reference. Raises :class:`ValueError` when it is too large."""

    @abstractmethod
    async def get(self, reference: str) -> bytes:
        """The module. Raises :class:`ModuleMissing`."""


class ConfigMapModuleStore(ModuleStore):
    """Immutable ConfigMaps ``wasm-<first 40 digits of the hash>``, in the namespace of ``api``."""

    def __init__(self, api: ResourceApi) -> None:
        self._api = api

    async def put(self, module: bytes) -> str:
        if len(module) > LARGEST_MODULE:
            raise ValueError(f"a module of {len(module)} bytes; the store takes {LARGEST_MODULE}")
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
