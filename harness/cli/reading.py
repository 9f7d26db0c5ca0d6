"""Reads of a cluster by commands that list once and end: see :mod:`harness.wasmbed.resources.blocking_reader`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from harness.cli.cluster import asynchronous, chosen_kubeconfig, connected, explained, has_own_types
from harness.core.errors import UsageError, suggestion
from harness.wasmbed.resources.api import ApiError, NotFound
from harness.wasmbed.resources.blocking_reader import BlockingReader, Reader
from harness.wasmbed.resources.kinds import NAMESPACE

__all__ = ["check_namespace", "read"]

T = TypeVar("T")


def read(work: Callable[[Reader], Coroutine[Any, Any, T]], kubeconfig: Path | None, namespace: str) -> T:
    """Do ``work``, which awaits nothing but the reader's calls. Raises as :func:`harness.cli.cluster.opened`."""
    path = chosen_kubeconfig(kubeconfig)
    reader = None if has_own_types() else BlockingReader.open(path, namespace, "User")
    if reader is None:
        return asynchronous(_read)(work, kubeconfig, namespace)
    try:
        with explained(str(path), namespace):
            return _complete(work(reader))
    finally:
        reader.close()


async def check_namespace(api: Reader, namespace: str) -> None:
    """Raise UsageError if the namespace, in which nothing was found, does not exist."""
    try:
        await api.get(NAMESPACE, namespace)
    except NotFound as error:
        raise UsageError(
            f"unknown namespace {namespace!r}", where="--namespace", do=await _offer(api, namespace)
        ) from error
    except ApiError:
        pass  # an account that may not read namespaces may still list what is in one


async def _offer(api: Reader, namespace: str) -> str:
    try:
        known = sorted(item["metadata"]["name"] for item in (await api.list(NAMESPACE)).items)
    except ApiError:
        return "ask the cluster's administrator for its name"
    return f"{suggestion(namespace, known)}existing namespaces: {', '.join(known[:20])}"


async def _read(work: Callable[[Reader], Awaitable[T]], kubeconfig: Path | None, namespace: str) -> T:
    async with connected(kubeconfig, namespace) as api:
        return await work(api)


def _complete(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits for an event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("a blocking read waits for an event loop")
