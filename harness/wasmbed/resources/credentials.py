"""A kubeconfig's credentials: loaded, and renewed. The official client loads them once, but the tokens of credential
plugins and token files expire while a platform runs, some after 15 minutes.

The client copies certificates and keys that a kubeconfig holds itself into files, and deletes them when Python ends; a
process that is killed leaves them. Here they exist only until the client has read them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import UsageError, reason
from harness.wasmbed.resources.kubeconfig_files import absolute_paths

__all__ = ["Credentials"]


class Credentials:
    """The credentials of a kubeconfig file; without one, the pod's service account, which the client renews itself."""

    def __init__(self, kubeconfig: Path | None, context: str | None = None) -> None:
        """``context``: another than the current one."""
        self._kubeconfig, self._context = kubeconfig, context
        self._renewing = asyncio.Lock()

    @asynccontextmanager
    async def loaded(self, configuration: Any) -> AsyncIterator[None]:
        """Set server and credentials of a ``kubernetes.aio.client.Configuration``. Inside, the files that it names
        exist, for a client that reads them.

        Raises UsageError for a credential plugin that fails, and what the client raises for what is not a kubeconfig.
        """
        from kubernetes.aio import config as untyped

        config: Any = untyped
        if self._kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)
            yield
            return
        content = yaml.safe_load(self._kubeconfig.read_bytes())
        absolute_paths(content, self._kubeconfig.parent.absolute())
        with tempfile.TemporaryDirectory(prefix="wasmbed-credentials-") as folder:
            try:
                loader = await config.load_kube_config_from_dict(
                    content, self._context, client_configuration=configuration, temp_file_path=folder
                )
                if "token" not in vars(loader) and not vars(loader).get("cert_file"):
                    await self._check_plugin(loader)
                yield
            finally:
                _forget(folder)

    async def renew(self, configuration: Any, used: dict[str, str]) -> bool:
        """Load the credentials again after the server refused those in ``used``; return whether there are others."""
        async with self._renewing:
            if self._kubeconfig is not None and configuration.api_key == used:
                try:
                    async with self.loaded(configuration):
                        pass
                except Exception:  # a plugin that fails, or a file that is gone: the refusal stands
                    return False
            return bool(configuration.api_key != used)

    async def _check_plugin(self, loader: Any) -> None:
        """Raise UsageError for a plugin without credentials: the client would go on as nobody."""
        from kubernetes.aio.config import exec_provider as untyped

        provider: Any = untyped
        if loader._user is None or "exec" not in loader._user:
            return
        plugin = loader._user["exec"]
        why = "its answer has neither a token nor a certificate"
        try:
            await provider.ExecProvider(plugin).run()
        except Exception as error:  # the client raises anything for a plugin that fails
            why = reason(error)
        command = " ".join([str(plugin["command"]), *map(str, plugin.safe_get("args") or ())])
        raise UsageError(
            f"the credential plugin failed: {why}",
            where=str(self._kubeconfig),
            do=f"see what it prints: {command}",
        )


def _forget(folder: str) -> None:
    """Make the client forget its files in a folder that is deleted: it would use them again."""
    from kubernetes.aio.config import kube_config as untyped

    client: Any = untyped
    for content, path in tuple(client._temp_files.items()):
        if path.startswith(folder):
            del client._temp_files[content]
