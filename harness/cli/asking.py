"""Asks a platform that ``wasmbed up`` runs, by the socket beside its kubeconfig."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import click

from harness.cli.kubeconfig import default_kubeconfig
from harness.core.errors import RigError, UsageError
from harness.wasmbed.resources.kubeconfig_files import kubeconfig_of_environment

__all__ = ["asked", "platform_option", "socket_of"]


def platform_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--kubeconfig``, which names the platform."""
    return click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        help="The file that wasmbed up has written.  [default: $KUBECONFIG, or the file that it writes by default]",
    )(command)


def socket_of(kubeconfig: Path) -> Path:
    """The socket of the platform that has written this kubeconfig. Raises UsageError for a path without a name."""
    if not kubeconfig.name:
        raise UsageError("names no file", where="--kubeconfig", do="name the file that wasmbed up writes, or omit it")
    return kubeconfig.with_name(f"{kubeconfig.name}.sock")


async def asked(kubeconfig: Path | None, do: str, **request: Any) -> AsyncGenerator[Any, None]:
    """The answers to a request, until the connection ends. Raises RigError if it ends without any."""
    from harness.platform.control import ask

    path, silent = kubeconfig or kubeconfig_of_environment() or default_kubeconfig(), True
    async for answer in ask(socket_of(path), "wasmbed up -d", do=do, **request):
        silent = False
        yield answer
    if silent:
        raise RigError("the platform ended, or has no boards", where=str(path), do="see wasmbed ps")
