"""The server's work for one resource type: the verbs, their options, and their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.access.access import Access
from harness.clusters.embedded.api_services import GROUP as API_SERVICES
from harness.clusters.embedded.api_services import ApiServices
from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.bodies import media_type
from harness.clusters.embedded.budget import OutOfBudget
from harness.clusters.embedded.errors import StatusError, bad_request, method_not_allowed
from harness.clusters.embedded.field_changes import changes
from harness.clusters.embedded.kinds.access_rules import GROUP as RBAC
from harness.clusters.embedded.kinds.cluster_rules import SYSTEM_PRIORITIES
from harness.clusters.embedded.lifecycle import Lifecycle
from harness.clusters.embedded.messages import Listing, Plain, Request, Response
from harness.clusters.embedded.negotiation import requested_form, wants_protobuf
from harness.clusters.embedded.ownership import Manager, record
from harness.clusters.embedded.patches import (
    JSON_PATCH,
    JSON_TYPES,
    MERGE_PATCH,
    json_patch,
    merge_patch,
    strategic_patch,
)
from harness.clusters.embedded.pod_actions import PodActions
from harness.clusters.embedded.pod_subresources import POD_SUBRESOURCES
from harness.clusters.embedded.protobuf.answers import WATCHED, ProtobufWatch
from harness.clusters.embedded.reading import Reader, Selectors, plain_form
from harness.clusters.embedded.request_options import (
    check_delete_options,
    deletion_policy,
    is_dry_run,
    options_of,
)
from harness.clusters.embedded.scale import scale_of, scaled
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Key, StoredObject
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object, copy_value
from harness.clusters.embedded.write_options import Options
from harness.clusters.embedded.writing import Outcome, Writer
from harness.clusters.recording import RequestRecorder
from harness.clusters.requests import boolean, flag

__all__ = ["Resources", "Target"]

_WORDS = {"POST": "create", "DELETE": "delete"}
_ENDING = ("namespaces", "customresourcedefinitions.apiextensions.k8s.io")
"""Types whose objects end after a while: a deletion is answered with the object."""


@dataclass(frozen=True, slots=True)
class Target:
    """The object or collection that a request's path names."""

    served: ResourceType
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)


class Resources:
    """The verbs."""

    def __init__(
        self,
        state: State,
        reader: Reader,
        writer: Writer,
        lifecycle: Lifecycle,
        access: Access,
        recorder: RequestRecorder | None,
        commit: Callable[[], None] = lambda: None,
    ) -> None:
        """``commit`` ends a request that writes; it raises the refusal of one that cannot be kept."""
        self._state = state
        self._commit = commit
        self._reader = reader
        self._writer = writer
        self._lifecycle = lifecycle
        self._access = access
        self._recorder = recorder
        self._pods = PodActions(state, writer, lifecycle)
        self._api_services = ApiServices(state, writer, lifecycle)

    def ensure_namespace(self, name: str) -> None:
        served = self._state.registry.storing("namespaces")
        if self._state.collection(served).get(("", name)) is None:
            self._writer.create(served, "", {"metadata": {"name": name}}, Options())

    def ensure_priorities(self) -> None:
        """Make the classes of priority that every cluster has."""
        served = self._state.registry.storing("priorityclasses.scheduling.k8s.io")
        for name, (value, description) in SYSTEM_PRIORITIES.items():
            made = {"metadata": {"name": name}, "value": value, "description": description}
            self._writer.create(served, "", made, Options(manager="kube-apiserver"))

    def handle(self, request: Request, target: Target, body: Any) -> Response:
        """Answer a request for a resource. Raises refusals."""
        if target.served.group == API_SERVICES:
            self._api_services.refresh()
        deprecation = target.served.deprecation
        try:
            response = self._handled(request, target, body)
        except StatusError as refusal:
            if deprecation:
                refusal.headers = {**refusal.headers, "Warning": f'299 - "{deprecation}"'}
            raise
        if deprecation:
            response.warnings.append(deprecation)
        return response

    def _handled(self, request: Request, target: Target, body: Any) -> Response:
        method = request.method
        if method == "GET":
            return self._read(request, target)
        verb = self._verb(method, target)
        if target.served.verbs == ("create",):
            return Response(201, Plain(self._review(request, target, body)))
        if target.subresource == "token":
            return Response(201, Plain(self._access.tokens.request(target.namespace, target.name, body)))
        if method == "DELETE" and body is not None:
            check_delete_options(body)
        dry_run = is_dry_run(request, body)
        sent = copy_value(body) if self._recorder is not None and not dry_run else None
        try:
            try:
                response, name = verb(request, target, body, dry_run)
            finally:
                self._commit()
        except (StatusError, OutOfBudget) as error:
            name = target.name or _name_in(body)
            refusal = error if isinstance(error, StatusError) else _too_costly(target.served, name, error.path)
            self._record(request, target, name, refusal.code, sent, dry_run)
            raise refusal from error
        self._record(request, target, name, response.status, sent, dry_run)
        return response

    def _review(self, request: Request, target: Target, body: Any) -> Object:
        served, options = target.served, self._options(request, target, dry_run=False)
        review = self._access.review(served, target.namespace, request.user, body)
        manager = Manager(options.manager, "Update", served.api_version)
        change = changes({"spec": {}}, review, served.schema, options.budget, without="status")
        if entries := record([], change, manager, self._state.now()):
            review["metadata"]["managedFields"] = entries
        return review

    def _record(self, request: Request, target: Target, name: str, code: int, body: Any, dry_run: bool) -> None:
        if self._recorder is not None and not dry_run:
            self._recorder.request(
                request.client,
                request.method,
                target.served.kind,
                group=target.served.group,
                namespace=target.namespace,
                name=name,
                subresource=target.subresource,
                code=code,
                body=body,
            )

    def _verb(self, method: str, target: Target) -> Callable[..., tuple[Response, str]]:
        named = bool(target.name)
        scoped = bool(target.namespace) or not target.served.namespaced
        verbs: dict[str, Callable[..., tuple[Response, str]]] = {}
        if not named and scoped:
            verbs = {"POST": self._create, "DELETE": self._delete_collection}
        elif named and target.subresource == "token":
            verbs = {"POST": self._create}
        elif named and "create" in POD_SUBRESOURCES.get(target.subresource, ((),))[0]:
            verbs = {"POST": self._act_on_pod}
        elif named and target.subresource:
            verbs = {"PUT": self._replace, "PATCH": self._patch}
        elif named:
            verbs = {"PUT": self._replace, "PATCH": self._patch, "DELETE": self._delete}
        if target.served.verbs == ("create",):
            verbs = {"POST": self._create} if not named else {}
        if method not in verbs:
            if target.served.custom and target.subresource:
                raise errors.not_supported(_WORDS[method], target.served.group, target.served.plural)
            raise method_not_allowed(("GET", *verbs))
        return verbs[method]

    def _read(self, request: Request, target: Target) -> Response:
        served, query = target.served, request.query
        if "get" not in served.verbs or target.subresource == "token":
            raise method_not_allowed(("POST",))
        if target.subresource in POD_SUBRESOURCES and target.subresource != "ephemeralcontainers":
            return self._pods.read(target.key, target.subresource, query)
        if target.subresource == "scale":
            entry = self._state.collection(served).get(target.key)
            if entry is None:
                raise errors.not_found(served.group, served.plural, target.name)
            return Response(200, self._scale(served, entry))
        watched = flag(query, "watch") and not target.name
        listed = not target.name and not watched
        form = requested_form(served, request.headers.get("accept", ""), query, self._state, listed=listed)
        if watched:
            watcher = self._reader.watch(
                served,
                target.namespace,
                form,
                query,
                encoded=not request.in_process,
                delivered=self._deliveries(request.client, served),
            )
            if wants_protobuf(request.headers.get("accept", ""), custom=served.custom):
                return Response(200, Plain(None), content_type=WATCHED, watcher=ProtobufWatch(watcher))
            return Response(200, Plain(None), watcher=watcher)
        if target.name:
            return Response(200, self._reader.get(served, target.key, form, query))
        return Response(200, self._reader.list(served, target.namespace, form, query))

    @staticmethod
    def _scale(served: ResourceType, entry: StoredObject) -> Plain:
        assert served.scale is not None, "a subresource that is served has its paths"
        return Plain(scale_of(entry.object, served.scale))

    def _deliveries(self, client: str, served: ResourceType) -> Callable[[str, Object], object] | None:
        recorder = self._recorder
        if recorder is None or not recorder.records_watches_of(served.group):
            return None
        return lambda change, stored: recorder.delivery(client, change, served.kind, stored)

    def _act_on_pod(self, request: Request, target: Target, body: Any, dry_run: bool) -> tuple[Response, str]:
        self._pods.act(target.key, target.subresource, body, self._options(request, target, dry_run))
        return Response(201, Plain({**_success({}), "code": 201})), target.name

    def _create(self, request: Request, target: Target, body: Any, dry_run: bool) -> tuple[Response, str]:
        options = self._options(request, target, dry_run)
        outcome = self._writer.create(target.served, target.namespace, _object(body), options)
        return self._written(request, target, outcome), outcome.entry.object["metadata"]["name"]

    def _replace(self, request: Request, target: Target, body: Any, dry_run: bool) -> tuple[Response, str]:
        served, options = target.served, self._options(request, target, dry_run)
        proposed = _object(body)
        if target.subresource != "scale":
            self._writer.check_name(served, target.key, proposed)
        if served.put_creates and not target.subresource and self._state.collection(served).get(target.key) is None:
            outcome = self._writer.create(served, target.namespace, proposed, options, put=True)
        else:
            outcome = self._update(target, lambda _: proposed, options, put=True)
        return self._written(request, target, outcome), target.name

    def _patch(self, request: Request, target: Target, body: Any, dry_run: bool) -> tuple[Response, str]:
        served, media, options = target.served, media_type(request), self._options(request, target, dry_run)
        change: Callable[[Object], Any]
        if media == APPLY_PATCH:
            if not request.query.get("fieldManager"):
                cause = errors.required("fieldManager", "is required for apply patch")
                raise errors.invalid("meta.k8s.io", "PatchOptions", "", [cause])
            if target.subresource == "scale":
                raise bad_request("the scale of a custom resource cannot be applied: send a merge patch")
            outcome = self._writer.apply(served, target.key, target.subresource, _object(body), options)
            return self._written(request, target, outcome), target.name
        if boolean(request.query, "force") is not None:
            cause = errors.forbidden_field("force", "may not be specified for non-apply patch")
            raise errors.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        if media == JSON_PATCH:

            def change(old: Object) -> Any:
                return json_patch(old, body, options.budget)

        elif media == MERGE_PATCH:
            patch = _members(body, "error decoding patch: ")

            def change(old: Object) -> Any:
                return merge_patch(old, patch)

        else:
            if served.custom:
                raise errors.unsupported_media_type((JSON_PATCH, MERGE_PATCH, APPLY_PATCH))
            strategic = _members(body)

            def change(old: Object) -> Any:
                return copy_value(strategic_patch(old, strategic, served.schema))

        outcome = self._update(target, change, options)
        return self._written(request, target, outcome), target.name

    def _update(
        self, target: Target, change: Callable[[Object], Any], options: Options, *, put: bool = False
    ) -> Outcome:
        served = target.served
        if target.subresource == "scale" and served.scale is not None:
            change = scaled(served.scale, change, whole=put)
        return self._writer.update(served, target.key, target.subresource, change, options, put=put)

    def _delete(self, request: Request, target: Target, body: Any, dry_run: bool) -> tuple[Response, str]:
        served = target.served
        conditions = (body or {}).get("preconditions") or {}
        entry, gone = self._lifecycle.delete(
            served,
            target.key,
            uid=conditions.get("uid"),
            version=conditions.get("resourceVersion"),
            policy=deletion_policy(request, body),
            dry_run=dry_run,
        )
        if not gone or served.collection in _ENDING:
            form = requested_form(served, request.headers.get("accept", ""), request.query, self._state)
            return Response(200, self._reader.present(entry, form)), target.name
        details = {
            "name": target.name,
            "group": served.group,
            "kind": served.plural,
            "uid": entry.object["metadata"]["uid"],
        }
        return Response(200, Plain(_success(details))), target.name

    def _delete_collection(self, request: Request, target: Target, body: Any, dry_run: bool) -> tuple[Response, str]:
        served, policy = target.served, deletion_policy(request, body)
        if "deletecollection" not in served.verbs:
            raise method_not_allowed()
        selectors = Selectors(served, request.query, target.namespace)
        chosen, _ = selectors.choose(self._state.collection(served).entries(target.namespace))
        deleted = []
        for key, _ in chosen:
            if self._state.collection(served).get(key) is not None:
                deleted.append(self._lifecycle.delete(served, key, policy=policy, dry_run=dry_run)[0])
        metadata = {"resourceVersion": str(self._state.store.version)}
        content = Listing(served.lists_as, served.api_version, metadata, deleted, plain_form(served))
        return Response(200, content), ""

    def _options(self, request: Request, target: Target, dry_run: bool) -> Options:
        approve = None
        if target.served.group == RBAC and not request.user.is_master:
            approve = partial(self._access.check_grant, request.user, target.served.plural)
        return options_of(request, dry_run, approve)

    def _written(self, request: Request, target: Target, outcome: Outcome) -> Response:
        if target.subresource == "scale":
            return Response(200, self._scale(target.served, outcome.entry))
        form = requested_form(target.served, request.headers.get("accept", ""), request.query, self._state)
        response = Response(201 if outcome.created else 200, self._reader.present(outcome.entry, form))
        response.warnings += outcome.warnings
        return response


def _too_costly(served: ResourceType, name: str, field: str) -> StatusError:
    cause = errors.forbidden_field(field, "the object takes more work than one request may cause")
    return errors.invalid(served.group, served.kind, name, [cause])


def _object(body: Any) -> Object:
    if not isinstance(body, dict):
        raise bad_request("the body of the request is not a JSON object")
    return body


def _members(patch: Any, start: str = "") -> Object:
    if patch is None:
        raise bad_request("Invalid JSON Patch")
    if not isinstance(patch, dict):
        what = JSON_TYPES[type(patch)]
        raise bad_request(f"{start}json: cannot unmarshal {what} into Go value of type map[string]interface {{}}")
    return patch


def _name_in(body: Any) -> str:
    meta = body.get("metadata") if isinstance(body, dict) else None
    name = meta.get("name") if isinstance(meta, dict) else None
    return name if isinstance(name, str) else ""


def _success(details: Object) -> Object:
    shown = {"details": found} if (found := {name: value for name, value in details.items() if value}) else {}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", **shown}
