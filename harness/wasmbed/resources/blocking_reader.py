"""Reads of a command that lists once and ends, on the standard library's HTTP client.

:class:`~harness.wasmbed.resources.kubernetes_api.KubernetesApi` can do all of this and more, but its libraries take
0.4 s of processor to import, most of what a command such as ``wasmbed devices`` would need. :meth:`BlockingReader.open`
therefore takes only kubeconfigs with fixed credentials, and leaves all others to it.
"""

from __future__ import annotations

import os
from base64 import b64decode
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode, urlsplit

import yaml

from harness.core.errors import UsageError, reason
from harness.wasmbed.resources.answers import object_of, path_of, status_of
from harness.wasmbed.resources.api import Object, Resource, ResourceList, api_error
from harness.wasmbed.resources.kubeconfig_files import absolute_paths

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["BlockingReader", "Reader"]

PAGE = 500
ANSWER_WITHIN = 60.0
"""Seconds, as the asynchronous client's."""
_CLUSTER = {"server", "certificate-authority", "certificate-authority-data", "extensions"}
_USER = {"token", "tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}


class Reader(Protocol):
    """The reads of :class:`~harness.wasmbed.resources.api.ResourceApi`."""

    async def get(self, resource: Resource, name: str) -> Object: ...

    async def list(self, resource: Resource) -> ResourceList: ...


class BlockingReader:
    """One namespace of an API server, for coroutines that nothing else runs beside: each call blocks."""

    def __init__(self, connection: HTTPConnection, headers: dict[str, str], namespace: str) -> None:
        self._connection, self._headers, self.namespace = connection, headers, namespace

    @classmethod
    def open(cls, kubeconfig: Path, namespace: str, name: str) -> BlockingReader | None:
        """A reader of the current context's cluster, with the user agent ``name``; None where the kubeconfig, or a
        proxy in the environment, needs the asynchronous client. Raises UsageError for certificates that do not load."""
        found = None if _has_proxy() else _fixed(kubeconfig)
        if found is None:
            return None
        cluster, user = found
        server = urlsplit(cluster["server"])
        try:
            if server.scheme == "https":
                context = _context(cluster, user)
                connection: HTTPConnection = HTTPSConnection(
                    server.hostname or "", server.port, context=context, timeout=ANSWER_WITHIN
                )
            else:
                connection = HTTPConnection(server.hostname or "", server.port, timeout=ANSWER_WITHIN)
            headers = {"Accept": "application/json", "User-Agent": name}
            if token := _token(user):
                headers["Authorization"] = f"Bearer {token}"
        except (OSError, ValueError) as error:
            raise UsageError(
                f"not a usable Kubernetes configuration: {reason(error)}",
                where=str(kubeconfig),
                do="name a kubeconfig file (and a context that is in it)",
            ) from error
        return cls(connection, headers, namespace)

    async def get(self, resource: Resource, name: str) -> Object:
        """As the port's."""
        return self._get(path_of(resource, self.namespace, name))

    async def list(self, resource: Resource) -> ResourceList:
        """As the port's."""
        items: list[Object] = []
        query = {"limit": str(PAGE)}
        while True:
            page = self._get(f"{path_of(resource, self.namespace)}?{urlencode(query)}")
            items += page["items"]
            if not (rest := page["metadata"].get("continue")):
                return ResourceList(items, page["metadata"]["resourceVersion"])
            query["continue"] = rest

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _get(self, target: str) -> Object:
        try:
            self._connection.request("GET", target, headers=self._headers)
            response = self._connection.getresponse()
            data = response.read()
        except HTTPException as error:
            raise ConnectionError(reason(error)) from error
        if response.status >= 400:
            raise api_error(status_of(response.status, response.reason, data))
        return object_of(data)


def _has_proxy() -> bool:
    return any(name.lower() in ("http_proxy", "https_proxy", "all_proxy") for name in os.environ)


def _fixed(kubeconfig: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Cluster and user of the current context, if nothing but fixed credentials is in them."""
    try:
        content = yaml.load(kubeconfig.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        absolute_paths(content, kubeconfig.parent.absolute())
        context = _named(content, "contexts", "context", content["current-context"])
        cluster = _named(content, "clusters", "cluster", context["cluster"])
        user = _named(content, "users", "user", context["user"]) or {}
        server = urlsplit(cluster["server"])
        plain = server.scheme in ("http", "https") and bool(server.hostname) and not server.path.strip("/")
        texts = all(isinstance(cluster[key], str) for key in set(cluster) - {"extensions"})
        texts = texts and all(isinstance(value, str) for value in user.values())
    except (OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError, yaml.YAMLError):
        return None  # the asynchronous client says what is wrong with it
    return (cluster, user) if plain and texts and set(cluster) <= _CLUSTER and set(user) <= _USER else None


def _named(content: Any, kind: str, member: str, name: str) -> Any:
    (found,) = (each[member] for each in content[kind] if each["name"] == name)
    return found


def _token(user: dict[str, Any]) -> str:
    if "tokenFile" in user:
        return Path(user["tokenFile"]).read_text("utf-8").strip()
    return str(user.get("token", ""))


def _context(cluster: dict[str, Any], user: dict[str, Any]) -> SSLContext:
    import ssl

    data = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=None if data else cluster.get("certificate-authority"),
        cadata=b64decode(data, validate=True).decode("ascii") if data else None,
    )
    if any(key.startswith("client-") for key in user):
        _load_certificate(context, user)
    return context


def _load_certificate(context: SSLContext, user: dict[str, Any]) -> None:
    """Load the client certificate. The standard library reads it from files only: data is in files until then."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="wasmbed-credentials-") as folder:

        def file(part: str) -> Path | None:
            if data := user.get(f"{part}-data"):
                path = Path(folder) / part
                path.write_bytes(b64decode(data, validate=True))
                return path
            return Path(user[part]) if part in user else None

        certificate = file("client-certificate")
        if certificate is not None:
            context.load_cert_chain(certificate, file("client-key"))
