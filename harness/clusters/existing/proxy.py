"""Records the requests of another program at a cluster that is observed only through its clients.

The program's kubeconfig names this proxy, which passes its requests on with the harness's credentials. What it records
is what the cluster's own clients record: see :mod:`harness.clusters.cluster` and :mod:`.causality`.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from multidict import CIMultiDict

from harness.clusters.existing.causality import Write
from harness.clusters.existing.client import Tapped
from harness.clusters.existing.kinds import Kinds
from harness.clusters.files import replace_file
from harness.clusters.gate import GONE, GatedClient, GatedProgram
from harness.clusters.passing import EventLines, metadata_of, read_json
from harness.clusters.requests import ResourcePath, flag, read_path
from harness.core.clock import Clock
from harness.core.errors import UsageError, reason
from harness.core.http_door import HttpDoor, HttpPlaces
from harness.core.http_log import server_log
from harness.core.identifiers import Randomness
from harness.core.network import Listener, Network
from harness.wasmbed.resources.api import ApiError, Object, Resource
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = ["RecordingProxy"]

log = server_log(__name__)

_PLACES = HttpPlaces(connections=256, per_address=64, timeout=30.0, idle=300.0)
_BODY_LIMIT = 8 << 20
"""Bytes; more than an API server takes."""
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NOT_PASSED = frozenset(
    {
        "accept-encoding", "authorization", "connection", "content-length", "host", "keep-alive", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip


class RecordingProxy:
    """Passes on the requests of ``program``, over plain HTTP on the loopback interface.

    ``kubeconfig`` has the cluster and the credentials that the program gets. ``tapped`` is what the cluster's clients
    share, so that there is one order. Requests pass the program's gate first; those that switch protocols (exec,
    port-forward) are refused.
    """

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        program: GatedProgram,
        tapped: Tapped,
        clock: Clock,
        network: Network,
    ) -> None:
        self._kubeconfig, self._namespace, self._program, self._tapped = kubeconfig, namespace, program, tapped
        self._clock, self._network = clock, network
        self._token = Randomness().token(32)
        self._api: KubernetesApi | None = None
        self._kinds: Kinds | None = None
        self._server: web.Server | None = None
        self._door: HttpDoor | None = None
        self._listener: Listener | None = None

    @property
    def url(self) -> str:
        """Its address, once started."""
        if self._listener is None:
            raise RuntimeError("the proxy is not started")
        return "http://{}:{}".format(*self._listener.endpoint)

    async def start(self) -> None:
        """Listen on a free port. Raises UsageError if the kubeconfig is not usable."""
        self._api = await KubernetesApi.open(self._namespace, kubeconfig=self._kubeconfig, name=self._program.name)
        self._kinds = Kinds(self._api)
        self._server = web.Server(self._handle, handler_cancellation=True, access_log=None, logger=log)
        self._door = HttpDoor(self._server, _PLACES, self._clock)
        self._listener = await self._network.listen(self._door, ("127.0.0.1", 0))

    async def stop(self) -> None:
        """End everything that is open."""
        if self._listener is not None:
            await self._listener.close()
        if self._server is not None:
            await self._server.shutdown(0)
        if self._door is not None:
            self._door.close()
        if self._api is not None:
            await self._api.close()

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig for the program, readable by its owner only. Raises UsageError if it cannot be written."""
        name = "wasmbed"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.url}}],
            "users": [{"name": name, "user": {"token": self._token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": self._namespace}}],
            "current-context": name,
        }
        try:
            replace_file(path, yaml.safe_dump(config, sort_keys=False).encode())
        except OSError as error:
            raise UsageError(
                f"the kubeconfig cannot be written: {reason(error)}", where=str(path), do="name another file"
            ) from error

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._door is not None, "a request comes after the start"
        given = request.headers.get("Authorization", "").partition(" ")[2].strip()
        is_known = hmac.compare_digest(given.encode(), self._token.encode())
        async with self._door.request(request.protocol, knows_token=is_known):
            if not is_known:
                return await self._refuse(request, 401, "Unauthorized", "this is not the token of the kubeconfig")
            if "upgrade" in request.headers:
                return await self._refuse(request, 400, "BadRequest", "the recording proxy passes no other protocols")
            body = await _read(request)
            if body is None:
                message = f"the body is longer than {_BODY_LIMIT} bytes"
                return await self._refuse(request, 413, "RequestEntityTooLarge", message)
            try:
                await self._client(request).enter(request.method, request.rel_url.raw_path, request.query, body)
                return await self._pass(request, body)
            except ApiError as error:
                return await self._refuse(request, error.code, error.reason, str(error))
            except OSError:
                if request.transport is not None:
                    request.transport.abort()
                raise

    async def _pass(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        about = read_path(request.rel_url.raw_path)
        if about is not None and request.method in _WRITES:
            return await self._write(request, body, about)
        answer = await self._forward(request, body)
        async with answer:
            if about is not None and not about.name and flag(request.query, "watch") and answer.status == 200:
                return await self._watch(request, answer, await self._resource(about))
            content = await self._content(request, answer)
            await self._let_go(request, answer)
            if request.method == "GET" and answer.status == 200:
                content = self._client(request).answered(request.rel_url.raw_path, request.query, content)
            return await self._answer(request, answer, content)

    async def _resource(self, about: ResourcePath) -> Resource:
        assert self._kinds is not None, "a request comes after the start"
        return await self._kinds.resource(about)

    async def _write(self, request: web.BaseRequest, body: bytes, about: ResourcePath) -> web.StreamResponse:
        """Pass on a request that changes something, and record it with its answer before its effects."""
        client = self._client(request).name
        sent = read_json(body)
        name = about.name or str(metadata_of(sent).get("name") or "")
        resource = await self._resource(about)
        causality = self._tapped.causality
        write = causality.sent(resource, about.namespace, name, deletes=request.method == "DELETE")
        try:
            async with await self._forward(request, body) as answer:
                content = await self._content(request, answer)
            self._record(client, request.method, about, resource, write, sent, answer.status, read_json(content))
        finally:
            causality.ended(write)
        await self._let_go(request, answer)
        return await self._answer(request, answer, content)

    async def _let_go(self, request: web.BaseRequest, answer: aiohttp.ClientResponse) -> None:
        """Return when an answer may go to the program. Raises ApiError or OSError instead of one that is lost."""
        if answer.status < 400:
            await self._client(request).leave(request.method, request.rel_url.raw_path, request.query)

    def _record(
        self,
        client: str,
        method: str,
        about: ResourcePath,
        resource: Resource,
        write: Write,
        sent: Any,
        code: int,
        answer: Any,
    ) -> None:
        made = answer if isinstance(answer, dict) and answer.get("kind") != "Status" and "metadata" in answer else None
        name = str(metadata_of(made).get("name") or write.name)
        if made is not None and method == "POST" and about.namespace == self._namespace and not about.subresource:
            self._tapped.note(resource, made)
        put = self._tapped.causality.place(write, made) if code < 400 else None
        self._tapped.recorder.request(
            client,
            method,
            resource.kind,
            group=about.group,
            namespace=about.namespace,
            name=name,
            subresource=about.subresource,
            code=code,
            body=None if method == "DELETE" else sent,
            put=put,
        )

    async def _watch(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, resource: Resource
    ) -> web.StreamResponse:
        """Pass on a watch as it arrives, each event after its record."""
        assert self._door is not None, "a request comes after the start"
        stream = web.StreamResponse(status=answer.status, headers=_headers(answer))
        client, lines = self._client(request), EventLines()
        try:
            await stream.prepare(request)
            async for piece in client.watch(request.rel_url.raw_path, self._pieces(request, answer)):
                for event in lines.push(bytes(piece)):
                    self._deliver(client.name, resource, event)
                async with self._door.sending(request.protocol):
                    await stream.write(piece)
            await stream.write_eof()
        except (aiohttp.ClientError, OSError):  # one of the two has gone; so goes the watch
            if request.transport is not None:
                request.transport.abort()
        return stream

    def _deliver(self, client: str, resource: Resource, event: Object) -> None:
        kind, stored = str(event.get("type")), event.get("object", {})
        is_change = (
            kind in ("ADDED", "MODIFIED", "DELETED") and isinstance(stored, dict) and "name" in metadata_of(stored)
        )
        if is_change and self._tapped.recorder.records_watches_of(resource.group):
            self._tapped.causality.delivered(resource, kind, stored)
            self._tapped.recorder.delivery(client, kind, resource.kind, stored)

    async def _pieces(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse
    ) -> AsyncGenerator[bytes | memoryview, None]:
        what = self._called(request)
        try:
            async for piece in answer.content.iter_any():
                if b'"ERROR"' in piece:
                    for event in EventLines().push(piece + b"\n"):
                        self._note_end(event, what)
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            self._tapped.disturbances.cut(what, error)
            raise

    def _note_end(self, event: Object, watch: str) -> None:
        status = event.get("object")
        if event.get("type") != "ERROR" or not isinstance(status, dict):
            return
        if (code := status.get("code")) == GONE:
            self._tapped.disturbances.expired(watch)
        elif isinstance(code, int):
            self._tapped.disturbances.answered(code, watch, str(status.get("message") or ""))

    async def _forward(self, request: web.BaseRequest, body: bytes) -> aiohttp.ClientResponse:
        """Send the request to the API server. Raises OSError where that cannot be reached."""
        assert self._api is not None, "a request comes after the start"
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_PASSED}
        headers["Accept-Encoding"] = "identity"
        disturbances, what = self._tapped.disturbances, self._called(request)
        with disturbances.asking(what):
            answer = await self._api.forward(request.method, request.rel_url.raw_path_qs, headers, body)
            disturbances.answered(answer.status, what)
            return answer

    async def _content(self, request: web.BaseRequest, answer: aiohttp.ClientResponse) -> bytes:
        """The body of an answer. Raises OSError where it does not arrive whole."""
        with self._tapped.disturbances.asking(self._called(request)):
            try:
                return await answer.read()
            except aiohttp.ClientError as error:
                raise ConnectionError(reason(error)) from error

    def _client(self, request: web.BaseRequest) -> GatedClient:
        return self._program.client(request.headers.get("User-Agent", ""))

    def _called(self, request: web.BaseRequest) -> str:
        return f"{request.method} {request.rel_url.raw_path} of {self._client(request).name}"

    async def _answer(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, content: bytes
    ) -> web.StreamResponse:
        assert self._door is not None, "a request comes after the start"
        plain = web.Response(status=answer.status, reason=answer.reason, headers=_headers(answer), body=content)
        await self._door.send(request, plain)
        return plain

    async def _refuse(self, request: web.BaseRequest, code: int, word: str, message: str) -> web.StreamResponse:
        assert self._door is not None, "a request comes after the start"
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": word}
        plain = web.json_response({**status, "message": message}, status=code)
        await self._door.send(request, plain)
        return plain


async def _read(request: web.BaseRequest) -> bytes | None:
    """The request's body; None if it is too long."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > _BODY_LIMIT:
            return None
    return bytes(body)


def _headers(answer: aiohttp.ClientResponse) -> CIMultiDict[str]:
    kept = ((name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED)
    return CIMultiDict(kept)
