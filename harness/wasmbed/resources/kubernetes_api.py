"""The adapter of the port to Kubernetes on the official asynchronous client.

The client handles kubeconfig files, TLS, and the connection pool. Its generated models are not used: objects stay the
JSON that the server sent.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from harness.core.errors import UsageError, reason
from harness.wasmbed.resources.answers import object_of, path_of, status_of
from harness.wasmbed.resources.api import Object, Resource, ResourceApi, ResourceList, WatchEvent, api_error
from harness.wasmbed.resources.credentials import Credentials
from harness.wasmbed.resources.kinds import POD
from harness.wasmbed.resources.outages import OutageLog, Unreachable

__all__ = ["KubernetesApi"]

PAGE = 500
SMALL = 64 * 1024
"""Bytes of a body that is sent in one piece."""
ANSWER_WITHIN = aiohttp.ClientTimeout(total=60)
WATCH = aiohttp.ClientTimeout(total=None, sock_connect=30)
_OUTPUT, _ERRORS, _RESULT = 1, 2, 3
"""Channels of a command."""
_LAST_ERRORS = 2000
"""Bytes of a command's errors that are kept."""


class KubernetesApi(ResourceApi):
    """One namespace of a real API server."""

    def __init__(
        self,
        client: Any,
        namespace: str,
        *,
        name: str = "",
        outages: OutageLog | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """``client`` is a ``kubernetes.aio.client.ApiClient``; it is closed with this. ``credentials`` renews
        its credentials when the server refuses them.

        With ``outages``, a server that cannot be reached is logged there, and network errors are :class:`Unreachable`.
        """
        self._client = client
        self.namespace = namespace
        self._credentials = credentials
        self._outages = outages
        self._headers = {"User-Agent": name} if name else {}
        self._owns_client = True
        self._open: set[aiohttp.ClientResponse] = set()

    @classmethod
    async def open(
        cls, namespace: str, *, kubeconfig: Path | None = None, context: str | None = None, name: str = ""
    ) -> KubernetesApi:
        """Connect with a kubeconfig file, or without one as the pod's service account.

        ``name`` becomes the user agent. Raises :class:`UsageError` if the configuration is not usable.
        """
        from kubernetes.aio import client

        credentials = Credentials(kubeconfig, context)
        configuration = client.Configuration()
        configuration.connection_pool_maxsize = 0  # Without a limit: each watch keeps its connection.
        where = str(kubeconfig or "the pod's service account")
        try:
            async with credentials.loaded(configuration):
                proxy = _proxy_of_environment(configuration.host)
                configuration.client_session_kwargs = {**proxy, "response_class": _Response}
                api_client = client.ApiClient(configuration)
        except UsageError:
            raise
        except Exception as error:  # the client raises anything for a file that is not a kubeconfig
            raise UsageError(
                f"not a usable Kubernetes configuration: {reason(error)}",
                where=where,
                do="name a kubeconfig file (and a context that is in it)",
            ) from error
        return cls(api_client, namespace, name=name, credentials=credentials)

    def share(self, namespace: str, name: str, outages: OutageLog | None = None) -> KubernetesApi:
        """Return another client, which uses the connections of this one until this one is closed."""
        other = KubernetesApi(self._client, namespace, name=name, outages=outages, credentials=self._credentials)
        other._owns_client = False
        return other

    @property
    def host(self) -> str:
        """The API server's URL."""
        return str(self._client.configuration.host)

    async def version(self) -> Object:
        """Return the API server's version: ``major``, ``minor``, ``gitVersion``."""
        return await self._call("GET", "/version", member="gitVersion")

    async def is_ready(self) -> bool:
        """Whether the API server says that it is ready. Raises :class:`OSError` where it does not answer."""
        with self._network():
            response = await self._request("GET", "/readyz")
            async with response:
                await response.read()
        return response.status == HTTPStatus.OK

    async def get(self, resource: Resource, name: str) -> Object:
        return await self._call("GET", self._path(resource, name))

    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList:
        query = {"limit": str(PAGE), "labelSelector": label_selector, "fieldSelector": field_selector}
        items: list[Object] = []
        while True:
            page = await self._call("GET", self._path(resource), query)
            items += page["items"]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return ResourceList(items, page["metadata"]["resourceVersion"])

    async def create(self, resource: Resource, body: Object) -> Object:
        return await self._call("POST", self._path(resource), body=body)

    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        return await self._call("PUT", self._path(resource, name), body=body)

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        return await self._call("PATCH", self._path(resource, name), body=patch)

    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        return await self._call("PATCH", f"{self._path(resource, name)}/status", body=patch)

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
    ) -> None:
        """As the port's; ``propagation``: what becomes of its dependents, as ``Background``. A Job's own stay."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if propagation:
            options["propagationPolicy"] = propagation
        if uid or resource_version:
            given = {"uid": uid, "resourceVersion": resource_version}
            options["preconditions"] = {key: value for key, value in given.items() if value}
        await self._call("DELETE", self._path(resource, name), body=options)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, resource_version: str, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        async with self._stream(self._path(resource), query) as response, aclosing(self._events(response)) as events:
            yield events

    @asynccontextmanager
    async def log(
        self,
        resource: Resource,
        name: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
        largest: int | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the ``log`` of an object in pieces. Pods have one, and Devices on the harness's own API server.

        It has all lines, or those of the last ``since`` seconds, at most ``tail`` of them; with ``follow`` also the
        lines to come. With ``timestamps`` each begins with its time (RFC 3339) and a space. ``largest`` is the most
        bytes that come.
        """
        query = {
            "follow": "true" if follow else "",
            "tailLines": "" if tail is None else str(tail),
            "sinceSeconds": "" if since is None else str(max(ceil(since), 1)),
            "timestamps": "true" if timestamps else "",
            "limitBytes": "" if largest is None else str(largest),
        }
        async with self._stream(f"{self._path(resource, name)}/log", query) as response:
            with self._network():
                yield response.content.iter_any()

    async def execute(self, pod: str, command: Sequence[str], output: Callable[[bytes], object]) -> None:
        """Run a command in a pod's only container, and pass on what it prints on standard output, in pieces.

        Raises :class:`ApiError` if the server refuses or the command fails (reason ``NonZeroExitCode``, with the end of
        its errors), and :class:`OSError` if the connection ends before the command.
        """
        query = [*(("command", part) for part in command), ("stdout", "true"), ("stderr", "true")]
        target = f"{self._path(POD, pod)}/exec?{urlencode(query)}"
        errors, status = b"", None
        with self._network():
            async with await self._websocket(target) as socket:
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                        raise ConnectionError(f"the connection broke: {message.data!r}")
                    channel, data = message.data[0], message.data[1:]
                    if channel == _OUTPUT:
                        output(data)
                    elif channel == _ERRORS:
                        errors = (errors + data)[-_LAST_ERRORS:]
                    elif channel == _RESULT:
                        status = json.loads(data)
        if status is None:
            raise ConnectionError("the connection ended before the command")
        if status.get("status") != "Success":
            said = errors.decode("utf-8", "replace").strip()
            raise api_error({**status, "message": f"{status.get('message')}: {said}"})

    async def close(self) -> None:
        for response in self._open:  # aiohttp would leave their readers waiting.
            response.content.set_exception(aiohttp.ClientConnectionError("the client was closed"))
        if self._owns_client:
            await self._client.close()

    def _path(self, resource: Resource, name: str | None = None) -> str:
        return path_of(resource, self.namespace, name)

    @asynccontextmanager
    async def _stream(self, path: str, query: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield an answer that goes on until it is closed."""
        with self._network():
            response = await self._request("GET", path, query, timeout=WATCH)
        self._open.add(response)
        try:
            if response.status >= 400:
                with self._network():
                    raise api_error(status_of(response.status, response.reason, await response.read()))
            yield response
        finally:
            self._open.discard(response)
            response.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        *,
        member: str = "kind",
    ) -> Object:
        """Return the answer; an API server's has this ``member``."""
        with self._network():
            response = await self._request(method, path, query, body)
            async with response:
                data = await response.read()
        if response.status >= 400:
            raise api_error(status_of(response.status, response.reason, data))
        return object_of(data, member)

    async def forward(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        """Send a request of another program with this client's credentials; returns the answer, whose body is unread
        and as the server sent it.

        ``target`` is the path with its query, as in the request's first line. Raises :class:`OSError`.
        """
        with self._network():
            return await self._send(method, target, dict(headers), body or None, WATCH, auto_decompress=False)

    async def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        timeout: aiohttp.ClientTimeout = ANSWER_WITHIN,
    ) -> aiohttp.ClientResponse:
        headers = {**self._client.default_headers, **self._headers, "Accept": "application/json"}
        headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        given = {key: value for key, value in (query or {}).items() if value}
        target = f"{path}{'?' + urlencode(given) if given else ''}"
        return await self._send(
            method, target, headers, json.dumps(body).encode() if body is not None else None, timeout
        )

    async def _send(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout: aiohttp.ClientTimeout,
        **more: Any,
    ) -> aiohttp.ClientResponse:
        """Send a request; once more if the server refuses the credentials and there are new ones."""
        configuration = self._client.configuration
        used = dict(configuration.api_key)
        response = await self._send_once(method, target, headers, body, timeout, **more)
        if response.status == 401 and self._credentials and await self._credentials.renew(configuration, used):
            response.release()
            response = await self._send_once(method, target, headers, body, timeout, **more)
        return response

    async def _send_once(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout: aiohttp.ClientTimeout,
        **more: Any,
    ) -> aiohttp.ClientResponse:
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], target, method, body)
        session, options = self._session()
        if body is not None:
            options["data"] = _payload(body)
        url = URL(f"{self._client.configuration.host}{target}", encoded=True)
        try:
            response = await session.request(method, url, headers=headers, timeout=timeout, **options, **more)
        except (aiohttp.ClientError, OSError) as error:
            if self._outages is not None:
                self._outages.failed(self.host, reason(error))
            raise
        if self._outages is not None:
            self._outages.answered(self.host)
        return response

    async def _websocket(self, target: str) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket with the channels of a command."""
        configuration, headers = self._client.configuration, dict(self._headers)
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], target, "GET", None)
        session, options = self._session()
        options["protocols"] = ("v4.channel.k8s.io",)
        url = URL(f"{configuration.host}{target}", encoded=True)
        try:
            socket: aiohttp.ClientWebSocketResponse = await session.ws_connect(url, headers=headers, **options)
        except aiohttp.WSServerHandshakeError as error:
            raise api_error({"code": error.status, "message": f"{url.path}: {error.message}"}) from error
        return socket

    def _session(self) -> tuple[aiohttp.ClientSession, dict[str, Any]]:
        """The session of all requests, and the options of each."""
        rest = self._client.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = rest._create_pool_manager()
        options = {
            "server_hostname": self._client.configuration.tls_server_name,
            "proxy": rest.proxy,
            "proxy_headers": rest.proxy_headers,
        }
        return rest.pool_manager, {name: value for name, value in options.items() if value is not None}

    def _network(self) -> _network_errors:
        return _network_errors(Unreachable if self._outages is not None else ConnectionError)

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[WatchEvent, None]:
        """Yield events, one JSON document per line. Lines have no limit, because an Application contains its module."""
        rest = b""
        with self._network():
            async for data in response.content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if line:
                        yield _event(orjson.loads(line))


def _proxy_of_environment(host: str) -> Object:
    """The settings of a session: aiohttp would look for a proxy, and for a password in ``.netrc``, before each
    request, in two threads; the proxy of the environment is looked up here, once."""
    try:
        proxy, authorization = get_env_proxy_for_url(URL(host))
    except LookupError:
        return {"trust_env": False}
    return {"trust_env": False, "proxy": proxy, "proxy_auth": authorization}


def _payload(body: bytes) -> bytes | BytesIO:
    """Return what aiohttp sends: a file in pieces, for which it takes a thread, or a small body as it is."""
    return body if len(body) <= SMALL else BytesIO(body)


class _Response(aiohttp.ClientResponse):
    """Ends its connection without a TLS closure alert, whose answer is not awaited: also when it is given up before it
    has begun, since the event loop may end then."""

    def close(self) -> None:
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        super().close()


class _network_errors:
    """Turns aiohttp's exceptions into :class:`OSError`, which the port promises for all network errors."""

    def __init__(self, unreachable: type[ConnectionError]) -> None:
        self._unreachable = unreachable

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiohttp.InvalidURL):
            raise ConnectionError(f"{error} is not a URL") from error
        if isinstance(error, aiohttp.ClientPayloadError):
            raise self._unreachable("the connection ended in the middle of an answer") from error
        if isinstance(error, aiohttp.ClientError) and not isinstance(error, OSError):
            raise self._unreachable(reason(error)) from error
        if isinstance(error, OSError) and self._unreachable is Unreachable:
            raise Unreachable(reason(error)) from error


def _event(raw: Object) -> WatchEvent:
    if raw["type"] == "ERROR":
        raise api_error(raw["object"])
    return WatchEvent(raw["type"], raw["object"])
