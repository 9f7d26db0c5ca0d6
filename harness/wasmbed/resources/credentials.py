"""A kubeconfig's credentials: loaded, and renewed. The official client loads them once, but the tokens of credential
plugins and token files expire while a platform runs, some after 15 minutes.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, reason

__all__ = ["Credentials", "kubeconfig_of_environment"]


class Credentials:
    """The credentials of a kubeconfig file; without one, the pod's service account, which the client renews itself."""

    def __init__(self, kubeconfig: Path | None, context: str | None = None) -> None:
        """``context``: another than the current one."""
        self._kubeconfig, self._context = kubeconfig, context
        self._renewing = asyncio.Lock()

    async def load(self, configuration: Any) -> None:
        """Set server and credentials of a ``kubernetes.aio.client.Configuration``.

        Raises UsageError for a credential plugin that fails, and what the client raises for what is not a kubeconfig.
        """
        from kubernetes.aio import config as untyped

        config: Any = untyped
        if self._kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)
            return
        loader = await config.load_kube_config(
            str(self._kubeconfig), self._context, client_configuration=configuration, persist_config=False
        )
        if "token" not in vars(loader) and not vars(loader).get("cert_file"):
            await self._check_plugin(loader)

    async def renew(self, configuration: Any, used: dict[str, str]) -> bool:
        """Load the credentials again after the server refused those in ``used``; return whether there are others."""
        async with self._renewing:
            if self._kubeconfig is not None and configuration.api_key == used:
                try:
                    await self.load(configuration)
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


def kubeconfig_of_environment() -> Path | None:
    """The file in ``KUBECONFIG``; None where it is not set.

    Raises UsageError for several files: kubectl uses the current context of the first that has one, the official Python
    client that of the last.
    """
    names = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    found = [name for name in names if Path(name).is_file()] or names[:1]
    if len(found) > 1:
        raise UsageError(
            f"names {len(found)} files: {' and '.join(found)}",
            where="KUBECONFIG",
            do="merge them: kubectl config view --flatten --minify > FILE; and use --kubeconfig=FILE",
        )
    return Path(found[0]) if found else None
