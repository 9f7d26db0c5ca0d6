"""Connections of the commands to an existing cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from harness.cli.kubeconfig import default_kubeconfig
from harness.core.errors import RigError, UsageError, reason
from harness.wasmbed.resources.api import ApiError, Invalid, NotFound
from harness.wasmbed.resources.kubeconfig_files import kubeconfig_of_environment
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from harness.stack.system import System
    from harness.wasmbed.resources.api import ResourceApi
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = [
    "access_options",
    "asynchronous",
    "check_applications",
    "chosen_kubeconfig",
    "cluster_options",
    "connected",
    "explained",
    "has_applications",
    "has_gateways",
    "has_own_types",
    "in_documents_form",
    "opened",
    "program",
]

P = ParamSpec("P")
T = TypeVar("T")


_GATEWAY = f"{__name__}.gateway"


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--kubeconfig``, ``--namespace``, and ``--gateway``, which :func:`connected` finds by itself."""
    command = click.option(
        "--gateway",
        metavar="NAME",
        expose_value=False,
        callback=_remember,
        help="The gateway whose table names a system with its own resource types, as wasmbed up has it.",
    )(command)
    return access_options(command)


def _remember(context: click.Context, option: click.Parameter, value: str | None) -> None:
    context.meta[_GATEWAY] = value


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--kubeconfig`` and ``--namespace``."""
    command = click.option(
        "-n", "--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Namespace of Wasmbed's resources."
    )(command)
    return click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        help="Kubeconfig of the cluster.  [default: $KUBECONFIG, or the file that wasmbed up wrote]",
    )(command)


def asynchronous(command: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an ``async def`` command on asyncio's own event loop: uvloop's logs an error when a client ends a TLS
    connection in the middle of an answer."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> T:
        import asyncio

        with asyncio.Runner() as runner:
            return runner.run(command(*arguments, **options))

    return run


def program(command: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an ``async def`` command that serves many connections, on the event loop for those."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> T:
        from harness.core.loop import new_runner

        with new_runner() as runner:
            return runner.run(command(*arguments, **options))

    return run


@asynccontextmanager
async def connected(kubeconfig: Path | None, namespace: str) -> AsyncIterator[ResourceApi]:
    """The cluster's API in the documents' form, whatever the system's own is; errors as in :func:`opened`."""
    async with opened(kubeconfig, namespace) as api:
        yield in_documents_form(api)


def in_documents_form(api: KubernetesApi) -> ResourceApi:
    """A client in the documents' form, whatever the resource types of the system are that ``--gateway`` names."""
    system = _system()
    if system is None:
        return api
    from harness.clusters.mapped import MappedApi

    return MappedApi(api, system.mapping)


def has_own_types() -> bool:
    """Whether ``--gateway`` names a system, whose resource types may not be those of the documents."""
    return _system() is not None


def has_applications() -> bool:
    """Whether the system that ``--gateway`` names has Applications."""
    system = _system()
    return system is None or system.extent.has("Application")


def has_gateways() -> bool:
    """Whether the system that ``--gateway`` names has Gateway resources."""
    system = _system()
    return system is None or system.extent.has("Gateway")


def check_applications() -> None:
    """Raise UsageError if the system that ``--gateway`` names has no Applications."""
    system = _system()
    if system is not None and not has_applications():
        raise UsageError("the system has no Applications", where=system.where, do="deploy with its own tools")


def _system() -> System | None:
    """The system that ``--gateway`` names."""
    name = click.get_current_context().meta.get(_GATEWAY)
    if name is None:
        return None
    from harness.stack.gateway_choice import find_system
    from harness.stack.options import StackOptions

    return find_system(StackOptions(gateway=name))


@asynccontextmanager
async def opened(kubeconfig: Path | None, namespace: str) -> AsyncIterator[KubernetesApi]:
    """The cluster's API; within the block its errors become harness errors."""
    path = chosen_kubeconfig(kubeconfig)
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

    api = await KubernetesApi.open(namespace, kubeconfig=path, name="User")
    try:
        with explained(str(path), namespace):
            yield api
    finally:
        await api.close()


def chosen_kubeconfig(given: Path | None) -> Path:
    """The kubeconfig that counts. Raises UsageError if it cannot be read."""
    path = given or kubeconfig_of_environment() or default_kubeconfig()
    try:
        path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            "the kubeconfig does not exist",
            where=str(path),
            do="start a platform with wasmbed up, or name a file with --kubeconfig",
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the kubeconfig cannot be read: {reason(error)}",
            where=str(path),
            do="make it readable, or name another file with --kubeconfig",
        ) from error
    return path


class explained:
    """Turns errors of a cluster into UsageError or RigError."""

    def __init__(self, where: str, namespace: str) -> None:
        self._where, self._namespace = where, namespace

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NotFound):
            where = f"namespace {self._namespace}"
            raise UsageError(str(error), where=where, do="see wasmbed status, and --namespace") from error
        if isinstance(error, Invalid):
            raise UsageError(str(error), do="correct those fields") from error
        if isinstance(error, ApiError):
            raise RigError(f"the cluster refused: {error} ({error.code} {error.reason})", where=self._where) from error
        if isinstance(error, OSError):
            raise RigError(
                f"the cluster cannot be reached: {reason(error)}",
                where=self._where,
                do="start the platform: wasmbed up",
            ) from error
