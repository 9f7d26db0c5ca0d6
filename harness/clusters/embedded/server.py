"""The API server itself: from a request to its answer, with no socket in between.

Everything here happens at once, on the event loop of the caller: two requests never overlap.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from harness.clusters.embedded import discovery, openapi_v2
from harness.clusters.embedded.access.access import Access
from harness.clusters.embedded.access.reviews import review_types
from harness.clusters.embedded.access.users import User
from harness.clusters.embedded.aggregated import Aggregated
from harness.clusters.embedded.bodies import read_body
from harness.clusters.embedded.durable.journal import Journal
from harness.clusters.embedded.errors import StatusError, method_not_allowed, no_such_path, not_found
from harness.clusters.embedded.expiry import Expiry
from harness.clusters.embedded.lifecycle import Lifecycle
from harness.clusters.embedded.messages import JSON, Content, Plain, Raw, Request, Response
from harness.clusters.embedded.negotiation import wants_protobuf
from harness.clusters.embedded.openapi import OpenApi
from harness.clusters.embedded.pod_subresources import CONNECTIONS
from harness.clusters.embedded.protobuf.answers import in_protobuf
from harness.clusters.embedded.reading import DEFAULT_QUEUE_LIMIT, Reader
from harness.clusters.embedded.resources import Resources, Target
from harness.clusters.embedded.snapshot import dump_snapshot, load_snapshot
from harness.clusters.embedded.state import DEFAULT_LOG_LIMIT, State
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import copy_value
from harness.clusters.embedded.writing import Writer
from harness.clusters.recording import RequestRecorder
from harness.clusters.watch_times import WatchTimes
from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.wasmbed.resources.api import Resource

__all__ = ["DEFAULT_BODY_LIMIT", "ApiServer"]

DEFAULT_BODY_LIMIT = 3 << 20
"""The longest body, in bytes; longer ones get 413."""

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_TEXT = "text/plain; charset=utf-8"
_log = get_log(__name__)


class NoSuchPage(Exception):
    """No part of the server is at a path: it answers in plain text."""


class ApiServer:
    """A Kubernetes API server in memory."""

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        *,
        tap: Tap | None = None,
        log_limit: int = DEFAULT_LOG_LIMIT,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
        body_limit: int = DEFAULT_BODY_LIMIT,
        watches: WatchTimes = WatchTimes.PROMPT,
    ) -> None:
        self.body_limit = body_limit
        self.closed = False
        self._state = State(clock, randomness, log_limit, watches)
        self._journal: Journal | None = None
        for served in review_types():
            self._state.registry.add(served)
        self._access = Access(self._state)
        self._lifecycle = Lifecycle(self._state)
        self._lifecycle.restored()
        self._expiry = Expiry(self._state, self._lifecycle)
        self._expiry.restored()
        self._openapi = OpenApi(self._state.registry)
        self._aggregated = Aggregated(self._state.registry)
        self._resources = Resources(
            self._state,
            Reader(self._state, queue_limit),
            Writer(self._state, self._lifecycle),
            self._lifecycle,
            self._access,
            RequestRecorder(tap) if tap is not None else None,
            self._commit,
        )
        for name in _NAMESPACES:
            self.create_namespace(name)
        self._resources.ensure_priorities()

    def start_types_late(self) -> None:
        """From now on let the paths of new types be 404 for a short time, where watch events are late too."""
        self._state.timing.starts_types_late = True

    def create_namespace(self, name: str) -> None:
        """Make a namespace that is not there yet."""
        self._resources.ensure_namespace(name)
        self._commit()

    async def handle(self, request: Request) -> Response:
        """As :meth:`answer`, for callers whose server may be elsewhere: their body stays theirs."""
        if not isinstance(request.body, bytes):
            request.body = copy_value(request.body)
        answer = self.answer(request)
        if self._journal is not None:
            answer = await self.kept(answer)
        if request.method not in ("GET", "HEAD"):
            await self._state.timing.before_answer()
        return answer

    def answer(self, request: Request) -> Response:
        """The answer to a request, made at once; refusals and failures too are answers."""
        in_form = in_protobuf if wants_protobuf(request.headers.get("accept", "")) else _as_it_is
        try:
            if self._journal is None:
                self._expiry.sweep()
            else:
                self._prepare(self._journal, writes=request.method not in ("GET", "HEAD"))
            self._access.admit(request)
            return in_form(self._answer(request))
        except StatusError as refusal:
            return in_form(_refused(refusal))
        except NoSuchPage:
            return Response(404, Raw(b"404 page not found\n"), content_type=_TEXT)
        except Exception as error:
            _log.exception("%s %s failed", request.method, request.path)
            message = f"Internal error occurred: {error!r}"
            return _refused(StatusError(500, "InternalError", message, {"causes": [{"message": repr(error)}]}))

    @property
    def keeps_state(self) -> bool:
        """Whether answers have to wait until what they show is :meth:`kept`."""
        return self._journal is not None

    async def kept(self, answer: Response) -> Response:
        """An answer once all that it shows outlasts this process; the 500 refusal where that fails."""
        if self._journal is not None:
            try:
                await self._journal.durable()
            except StatusError as refusal:
                if answer.watcher is not None:
                    answer.watcher.close()
                return _refused(refusal)
        return answer

    def _prepare(self, journal: Journal, *, writes: bool) -> None:
        """Raise the 500 refusal where the state can no longer be read, or not be written to."""
        journal.check()
        if writes:
            journal.check_writable()
        if not journal.is_full:
            self._expiry.sweep()
            with suppress(StatusError):
                journal.commit()

    def _commit(self) -> None:
        """End a request that has written. Raises the 500 refusal; nothing has happened then."""
        if self._journal is not None:
            self._journal.commit()

    def _answer(self, request: Request) -> Response:
        parts = [unquote(part) for part in request.path.split("/") if part]
        if len(parts) > 2 and parts[0] == "api":
            return self._resource(request, "", parts[1], parts[2:])
        if len(parts) > 3 and parts[0] == "apis":
            return self._resource(request, parts[1], parts[2], parts[3:])
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed(("GET", "HEAD"))
        return self._document(request, parts)

    def _document(self, request: Request, parts: list[str]) -> Response:
        registry = self._state.registry
        content: Content
        if parts in (["api"], ["apis"]) and (found := self._aggregated.answer(request, core=parts == ["api"])):
            return found
        match parts:
            case []:
                content = Plain(discovery.root_paths(registry))
            case ["version"]:
                content = Plain(discovery.VERSION)
            case [".well-known", "openid-configuration"]:
                content = Plain(self._access.tokens.configuration(request.headers.get("host", "127.0.0.1")))
            case ["openid", "v1", "jwks"]:
                return Response(200, Plain(self._access.tokens.keys()), content_type="application/jwk-set+json")
            case ["healthz" | "livez" | "readyz"]:
                return Response(200, Raw(b"ok"), content_type=_TEXT)
            case ["api"]:
                content = Plain(discovery.api_versions())
            case ["apis"]:
                content = Plain(discovery.api_groups(registry))
            case ["apis", group, *version] if not registry.knows(group, *version[:1]):
                raise NoSuchPage
            case ["apis", group]:
                content = Plain(discovery.group(registry, group))
            case ["api", version]:
                content = Plain(discovery.resources(registry, "", version))
            case ["apis", group, version]:
                content = Plain(discovery.resources(registry, group, version))
            case ["openapi", "v2"]:
                return self._openapi_2(request)
            case ["openapi", "v3"]:
                content = Plain(self._openapi.index())
            case ["openapi", "v3", "api", version]:
                return _tagged(request, self._openapi.group_version("", version))
            case ["openapi", "v3", "apis", group, version]:
                return _tagged(request, self._openapi.group_version(group, version))
            case _:
                raise NoSuchPage
        return Response(200, content)

    def _openapi_2(self, request: Request) -> Response:
        document = self._openapi.version_2()
        if "protobuf" in request.headers.get("accept", "").split(",")[0]:
            return _tagged(request, openapi_v2.encode(document), openapi_v2.MEDIA_TYPE)
        return _tagged(request, orjson.dumps(document))

    def _resource(self, request: Request, group: str, version: str, parts: list[str]) -> Response:
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2 and (group or parts[2] not in ("status", "finalize")):
            namespace, parts = parts[1], parts[2:]
        served = self._state.registry.find(group, version, parts[0])
        if served is None and not request.in_process and not self._state.registry.knows(group, version):
            raise NoSuchPage
        if served is None or len(parts) > 3 or (namespace and not served.namespaced):
            raise no_such_path()
        name = parts[1] if len(parts) > 1 else ""
        subresource = parts[2] if len(parts) > 2 else ""
        if subresource and subresource not in served.subresources:
            raise not_found(group, served.plural, name) if served.custom else no_such_path()
        if name and served.namespaced and not namespace:
            raise no_such_path()
        body = None if subresource in CONNECTIONS else self._body(request, served)
        return self._resources.handle(request, Target(served, namespace, name, subresource), body)

    def _body(self, request: Request, served: ResourceType) -> Any:
        if request.method not in ("POST", "PUT", "PATCH", "DELETE"):
            return None
        return read_body(request, self.body_limit, served.kind, custom=served.custom)

    def dump(self) -> bytes:
        """A snapshot of everything stored."""
        return dump_snapshot(self._state)

    def load(self, snapshot: bytes) -> None:
        """Go on from a snapshot. Raises :class:`ValueError` where it is none."""
        load_snapshot(self._state, snapshot)
        self._restored()

    def keep(self, journal: Journal, account_key: ec.EllipticCurvePrivateKey) -> None:
        """Go on from what a journal has, and keep everything there; ``account_key`` signs ServiceAccounts' tokens.

        Raises as :meth:`Journal.open` does.
        """
        journal.open(self._state, self._restored)
        self._journal = journal
        self._access.tokens.use(account_key)

    def _restored(self) -> None:
        self._lifecycle.restored()
        self._expiry.restored()
        self._access.restored()

    def bearer(self, authorization: str) -> User | None:
        """The user whom an ``Authorization`` header with a ServiceAccount's token names; None for any other header."""
        return self._access.bearer(authorization)

    def admit(self, request: Request) -> None:
        """Raise the refusal unless a request may be made; for those that are answered elsewhere."""
        self._access.admit(request)

    def break_watches(self) -> None:
        """End every watch, as a server that restarts does; clients go on from where they were."""
        for hub in self._state.hubs():
            hub.close()

    def forget_changes(self) -> None:
        """Forget what happened up to now: a client that resumes from before gets 410 and has to list again."""
        self._state.store.compact()

    def close(self) -> None:
        """End every watch and refuse further calls in this process."""
        self.closed = True
        self._lifecycle.close()
        self.break_watches()

    def is_namespaced(self, resource: Resource) -> bool:
        """Whether a type's objects live in namespaces; unknown types do."""
        served = self._state.registry.find(resource.group, resource.version, resource.plural)
        return served is None or served.namespaced

    @property
    def version(self) -> int:
        """The present resourceVersion."""
        return self._state.store.version

    def watch_count(self) -> int:
        """How many watches are open."""
        return sum(len(hub.watchers()) for hub in self._state.hubs())


def _tagged(request: Request, document: bytes, content_type: str = JSON) -> Response:
    """A document that clients keep, and ask for again by its tag."""
    tag = f'"{hashlib.sha512(document).hexdigest().upper()}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    if request.headers.get("if-none-match") == tag:
        return Response(304, Raw(b""), headers)
    return Response(200, Raw(document), headers, content_type=content_type)


def _as_it_is(answer: Response) -> Response:
    return answer


def _refused(refusal: StatusError) -> Response:
    return Response(refusal.code, Plain(refusal.status()), dict(refusal.headers))
