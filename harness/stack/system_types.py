"""Sees to it that the cluster serves the resource types of a system that has its own ones."""

from __future__ import annotations

from harness.clusters.cluster import Cluster
from harness.clusters.existing.definitions import install
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.stack.system import System
from harness.wasmbed.resources.api import NotFound
from harness.wasmbed.resources.kinds import GATEWAY, load_crds

__all__ = ["install_types"]

_INSTALLER = "Harness"


async def install_types(system: System, cluster: Cluster, clock: Clock) -> None:
    """Install the definitions that the system's file names. Raises UsageError for a type that the cluster lacks.

    For a system without Gateways the documents' type is installed: controllers and waits look there, and find none.
    """
    if not system.mapping:
        return
    api = cluster.client(_INSTALLER)
    await install(api, clock, system.definitions)
    if not system.extent.has(GATEWAY.kind):
        await install(api, clock, (each for each in load_crds() if each["spec"]["names"]["kind"] == GATEWAY.kind))
    brought = {(spec["group"], spec["names"]["plural"]) for spec in (each["spec"] for each in system.definitions)}
    for own in (form.own for form in system.mapping.forms):
        if (own.group, own.plural) in brought:
            continue
        try:
            await api.list(own)
        except NotFound:
            raise UsageError(
                f"the cluster has no {own.plural}.{own.group} of version {own.version}",
                where=f"{system.where} resources",
                do="correct the names, or name the files with the CustomResourceDefinitions in definitions",
            ) from None
