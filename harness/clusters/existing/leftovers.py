"""Finds namespaces of killed runs by their labels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from harness.clusters.existing.access import check_context
from harness.clusters.existing.client import Connection, TappedClient
from harness.clusters.existing.namespaces import Leaving, delete_namespace
from harness.clusters.existing.ownership import SELECTOR, why_kept
from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import NAMESPACE

__all__ = ["sweep_namespaces"]


async def sweep_namespaces(
    kubeconfig: Path, allowed: str | None, clock: Clock
) -> AsyncIterator[tuple[str, str | None]]:
    """Yield each namespace that a run on this machine created, and why it stays; None if it was removed.

    Raises UsageError and RigError as the cluster kind ``kubeconfig`` does.
    """
    leaving = Leaving()
    connection = Connection(kubeconfig)
    client = TappedClient(connection, "default", "Harness")
    try:
        check_context(kubeconfig, (await connection.opened()).host, allowed)
        for namespace in (await client.list(NAMESPACE, label_selector=SELECTOR)).items:
            name = namespace["metadata"]["name"]
            kept = why_kept(namespace, clock.now())
            if kept is None:
                await delete_namespace(TappedClient(connection, name, "Harness"))
                leaving.add(kubeconfig, name)
            yield name, kept
        for stays in await leaving.settle(clock):
            raise RigError(stays, where=str(kubeconfig), do="see: kubectl get namespace -o yaml")
    except ApiError as error:
        raise RigError(
            f"the cluster refused: {reason(error)}", where=str(kubeconfig), do="use other credentials"
        ) from error
    except OSError as error:
        raise RigError(
            f"the cluster cannot be reached: {reason(error)}",
            where=str(kubeconfig),
            do="start it, or name another kubeconfig",
        ) from error
    finally:
        await connection.close()
