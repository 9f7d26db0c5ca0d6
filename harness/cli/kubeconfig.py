"""The kubeconfig that ``wasmbed up`` writes for the other commands, and removes at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from harness.cli.output import say
from harness.core.errors import UsageError, reason

if TYPE_CHECKING:
    from harness.clusters.cluster import Cluster
    from harness.core.clock import Clock

__all__ = ["Kubeconfig", "default_kubeconfig", "is_alive", "server_of"]

CONTEXT = "wasmbed"
ANSWERS_WITHIN = 2.0


def default_kubeconfig() -> Path:
    """The default path of the kubeconfig of ``wasmbed up``."""
    return Path(click.get_app_dir("wasmbed")) / "kubeconfig"


def server_of(path: Path) -> tuple[str, int] | None:
    """The API server of a kubeconfig that ``wasmbed up`` wrote; None for any other file."""
    import yaml

    try:
        config = yaml.safe_load(path.read_text("utf-8"))
        if config["current-context"] != CONTEXT or [each["name"] for each in config["clusters"]] != [CONTEXT]:
            return None
        server = urlsplit(str(config["clusters"][0]["cluster"]["server"]))
        return (server.hostname, server.port) if server.hostname and server.port else None
    except (OSError, ValueError, yaml.YAMLError, TypeError, LookupError, RecursionError):
        return None


async def is_alive(server: tuple[str, int], clock: Clock) -> bool:
    """Whether the server accepts connections."""
    import asyncio

    try:
        async with clock.deadline(ANSWERS_WITHIN):
            _, writer = await asyncio.open_connection(*server)
    except (OSError, ValueError):  # ValueError: not a valid host name
        return False
    writer.transport.abort()
    return True


class Kubeconfig:
    """The kubeconfig at ``path``, by default :func:`default_kubeconfig`."""

    def __init__(self, path: Path | None) -> None:
        self.path = path or default_kubeconfig()
        self._is_default = path is None
        self._written: bytes | None = None

    async def check(self, clock: Clock) -> None:
        """Raise UsageError if the file cannot be written; called before the platform starts."""
        if not self._is_default and not self.path.parent.is_dir():
            raise UsageError(
                f"the folder {self.path.parent} does not exist",
                where=f"--kubeconfig {self.path}",
                do="create it, or name a file elsewhere",
            )
        try:
            self.path.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unwritable(error) from error
        server = server_of(self.path)
        if server is None:
            raise UsageError(
                "the file exists and is not from wasmbed up: it is not overwritten",
                where=str(self.path),
                do="name another file with --kubeconfig",
            )
        if await is_alive(server, clock):
            raise UsageError(
                "the file belongs to a running platform",
                where=str(self.path),
                do="stop that platform, or start another beside it: --kubeconfig=FILE --port=0 --http-port=0",
            )
        say(f"note: {self.path} is from a platform that has ended; it is replaced", err=True)

    async def write(self, cluster: Cluster) -> None:
        """Write the file. Raises UsageError if that fails."""
        try:
            if self._is_default:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            await cluster.write_kubeconfig(self.path)
            self._written = self.path.read_bytes()
        except OSError as error:
            raise self._unwritable(error) from error

    def remove(self) -> None:
        """Remove the file, unless another program has replaced it."""
        written, self._written = self._written, None
        try:
            if written is not None and self.path.read_bytes() == written:
                self.path.unlink()
        except FileNotFoundError:
            pass  # it was removed already
        except OSError as error:
            say(f"note: {self.path} cannot be removed: {reason(error)}", err=True)

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(
            f"cannot be written: {reason(error)}", where=str(self.path), do="name another file with --kubeconfig"
        )
