"""Packages: an application's module, found, checked, and made into the request that goes to gateways."""

from __future__ import annotations

import json
from base64 import b64decode
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.resources.modules import LARGEST_MODULE, ModuleMissing, ModuleStore
from harness.wasmbed.resources.views import Application

__all__ = ["BadModule", "Package", "Packages"]

MAGIC = b"\0asm"
BODIES = 16
"""The number of request bodies that are kept; each may have 1.4 MB."""


class BadModule(Exception):
    """The application's module cannot be deployed to any device. ``missing``: it may still be added to the store."""

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        self.missing = missing
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Package:
    """A module of one generation. ``revision`` changes with the module and its config, which need a redeployment, and
    with nothing else. ``size`` is in bytes."""

    generation: int
    revision: str
    size: int


class Packages:
    """The packages of applications. All packages are kept, and the request bodies of the last few."""

    def __init__(self, store: ModuleStore) -> None:
        self._store = store
        self._packages: dict[str, Package] = {}
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    async def get(self, application: Application) -> Package:
        """Return the package. Raises :class:`BadModule`, or what the module store's API raises."""
        package = self._packages.get(application.uid)
        if package is None or package.generation != application.generation:
            package = (await self._prepare(application))[0]
        return package

    async def body(self, application: Application) -> bytes:
        """Return the body of the request to a gateway. Raises what :meth:`get` raises."""
        package = self._packages.get(application.uid)
        body = self._bodies.get(application.uid)
        if body is None or package is None or package.generation != application.generation:
            body = (await self._prepare(application))[1]
        return body

    def forget(self, uid: str) -> None:
        """Drop the package of an application that was deleted."""
        self._packages.pop(uid, None)
        self._bodies.pop(uid, None)

    async def _prepare(self, application: Application) -> tuple[Package, bytes]:
        self.forget(application.uid)
        module, config = await self._module(application), application.spec.config
        request = DeploymentRequest(
            module=module,
            memory=config.memory_limit,
            fuel=config.fuel,
            wall_time=config.time_limit,
            name=application.spec.name or application.name,
            entry=config.entry,
            args=tuple(config.args),
            env=dict(config.env),
            generation=application.generation,
        )
        fields = request.to_json()
        body = json.dumps(fields).encode()
        decisive = {key: value for key, value in fields.items() if key not in ("generation", "name", "wasmBytes")}
        revision = sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
        package = self._packages[application.uid] = Package(application.generation, revision, len(module))
        self._bodies[application.uid] = body
        while len(self._bodies) > BODIES:
            self._bodies.popitem(last=False)
        return package, body

    async def _module(self, application: Application) -> bytes:
        spec = application.spec
        if spec.wasm_ref is not None:
            field = "spec.wasmRef"
            try:
                module = await self._store.get(spec.wasm_ref)
            except ModuleMissing as error:
                raise BadModule(f"{field}: {error}", missing=True) from error
        else:
            field = "spec.wasmBytes"
            try:
                module = b64decode(spec.wasm_bytes or "", validate=True)
            except ValueError as error:
                raise BadModule(f"{field}: not base64 ({error})") from error
        if len(module) > LARGEST_MODULE:
            raise BadModule(f"{field}: a module of {len(module)} bytes; at most {LARGEST_MODULE} can be deployed")
        if not module.startswith(MAGIC):
            raise BadModule(f"{field}: not a WebAssembly module; it does not begin with {MAGIC.hex()}")
        return module
