"""Creating and changing objects: everything between a decoded body and the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.clusters.embedded import apply, errors, metadata
from harness.clusters.embedded.addresses import give_addresses
from harness.clusters.embedded.body_checks import (
    check_finalizers,
    check_identity,
    check_time,
    metadata_of,
    other_uid,
    wrong_name,
)
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.builtin import CRD_TYPE
from harness.clusters.embedded.errors import StatusError, bad_request
from harness.clusters.embedded.field_changes import changes
from harness.clusters.embedded.judging import Judge
from harness.clusters.embedded.lifecycle import Lifecycle
from harness.clusters.embedded.ownership import Manager, are_valid, record, with_entries
from harness.clusters.embedded.pod_subresources import with_ephemeral_containers
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Key, StoredObject
from harness.clusters.embedded.typed import check_config
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object, copy_value, share
from harness.clusters.embedded.write_options import Options

__all__ = ["Outcome", "Writer"]

_CONTROLLERS = "kube-apiserver"
"""The manager of what the API server writes by itself."""
_SERVICES = "services"
"""The collection whose objects get addresses."""
_GENERATED_NAME_LIMIT = 63
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


@dataclass(slots=True)
class Outcome:
    """The result of a write: the object as it is now."""

    entry: StoredObject
    created: bool = False
    warnings: list[str] = field(default_factory=list)


class Writer:
    """Create, replace, patch."""

    def __init__(self, state: State, lifecycle: Lifecycle) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._judge = Judge(state, lifecycle)

    def create(
        self,
        served: ResourceType,
        namespace: str,
        body: Object,
        options: Options,
        managed: list[Object] | None = None,
        *,
        put: bool = False,
    ) -> Outcome:
        """A new object, with these ``managedFields``. Raises the refusals 400, 403, 404 (namespace), 409 and 422.

        ``put``: made by a PUT for an object that is not there, which may not demand a version or a uid.
        """
        meta = metadata_of(served, body, namespace, self._state.registry)
        if put:
            meta.pop("resourceVersion", None)
            if uid := meta.get("uid"):
                raise other_uid(served, (namespace, meta["name"]), uid, self._state.randomness.uuid())
        if not served.custom and meta.get("creationTimestamp"):
            check_time(served, body)
        if meta.get("resourceVersion"):
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        name = meta.get("name") or self._generate(meta.get("generateName"))
        if name:
            meta["name"] = name
        if served.namespaced:
            self._state.namespace_is_open(namespace, served, name)
        self._lifecycle.check_definition_open(served, name)
        for member in (*_KEPT, "resourceVersion", "selfLink", "managedFields"):
            meta.pop(member, None)
        if served.has_status and not served.keeps_status:
            body.pop("status", None)
        meta["uid"] = self._state.randomness.uuid()
        meta["creationTimestamp"] = self._state.now()
        new, warnings = self._judge.admit(served, body, None, options)
        meta = new["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        collection = self._state.collection(served)
        existing = collection.get(key)
        if existing is not None:
            refusal = errors.already_exists(served.group, served.plural, name)
            if "deletionTimestamp" in existing.object["metadata"]:
                refusal.message = f"object is being deleted: {refusal.message}"
            raise refusal
        if served.counts_generation:
            meta["generation"] = 1
        if managed is None:
            manager = Manager(options.manager, "Update", served.api_version)
            made = body if served.to_storage else new
            if served.from_storage is not None and not served.custom:
                made = served.from_storage(new)
            change = changes(served.blank, made, served.schema, options.budget, without=served.unset)
            change.set = [path for path in change.set if not _begins(path, served.unowned)]
            managed = record([], change, manager, self._state.now())
        if managed:
            meta["managedFields"] = managed
        if served.collection == _SERVICES:
            new = give_addresses(self._state, new, None)
        if options.dry_run:
            return Outcome(StoredObject(new, 0), True, warnings)
        entry = self._state.store.write(collection, "ADDED", key, new, options.size)
        self._lifecycle.created(served, self._establish(key, entry) if served is CRD_TYPE else entry)
        return Outcome(entry, True, warnings)

    def _establish(self, key: Key, entry: StoredObject) -> StoredObject:
        """Accept a new definition's names, in a write that follows the answer's, as the API server's controllers do."""
        new = {**entry.object, "status": self._judge.established(entry.object)}
        change = changes(entry.object, new, CRD_TYPE.schema, Budget())
        manager = Manager(_CONTROLLERS, "Update", CRD_TYPE.api_version, "status")
        new = with_entries(new, record(new["metadata"].get("managedFields") or [], change, manager, self._state.now()))
        return self._state.store.write(self._state.collection(CRD_TYPE), "MODIFIED", key, new)

    def apply(self, served: ResourceType, key: Key, subresource: str, config: Object, options: Options) -> Outcome:
        """Server-side apply; creates what is not there."""
        group, _, version = str(config.get("apiVersion", "")).rpartition("/")
        if (config.get("kind"), config.get("apiVersion")) != (served.kind, served.api_version):
            raise bad_request(f"invalid object type: {group}/{version}, Kind={config.get('kind', '')}")
        names_namespace = "namespace" in (config.get("metadata") or {})
        config_meta = metadata_of(served, config, key[0], self._state.registry)
        if not names_namespace:
            config_meta.pop("namespace", None)
        if config_meta.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if config_meta.setdefault("name", key[1]) != key[1]:
            raise wrong_name(config_meta["name"], key[1])
        check_config(config, served.schema, options.budget)
        config = _relevant(served, config, subresource)
        manager = Manager(options.manager, "Apply", served.api_version, subresource)
        schema, now = served.schema, self._state.now()
        if self._state.collection(served).get(key) is None:
            if subresource:
                raise errors.not_found(served.group, served.plural, key[1])
            if uid := config_meta.pop("uid", None):
                why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise errors.conflict(served.group, served.plural, key[1], why)
            owned = apply.apply_patch(
                None, config, schema, manager, options.budget, force=options.force, now=now, blank=served.blank
            )
            return self.create(served, key[0], config, options, owned["metadata"]["managedFields"])

        def applied(old: Object) -> Any:
            patched = apply.apply_patch(
                old, config, schema, manager, options.budget, force=options.force, now=now, blank=served.blank
            )
            return copy_value(patched)

        return self.update(served, key, subresource, applied, options, applied=True)

    def check_name(self, served: ResourceType, key: Key, body: Object) -> None:
        """Raise the refusal unless a replaced object says the name in its path."""
        name = metadata_of(served, body, key[0], self._state.registry).get("name")
        if not name:
            message = f"the name of the object ({key[1]} based on URL) was undeterminable: name must be provided"
            raise bad_request(message)
        if name != key[1]:
            raise wrong_name(name, key[1])

    def update(
        self,
        served: ResourceType,
        key: Key,
        subresource: str,
        change: Callable[[Object], Any],
        options: Options,
        *,
        put: bool = False,
        applied: bool = False,
    ) -> Outcome:
        """Make the object what ``change`` returns for it. ``change`` gets the stored object and must not alter it."""
        collection = self._state.collection(served)
        entry = collection.get(key)
        if entry is None:
            raise errors.not_found(served.group, served.plural, key[1])
        old = served.from_storage(entry.object) if served.from_storage else entry.object
        new = self._settable(served, key, subresource, change(old), old, put=put)
        if share(new, old) is old:
            return Outcome(entry)
        new, warnings = self._judge.admit(
            served, new, entry.object, options, subresource, applied=applied, patched=not put
        )
        check_finalizers(served, new["metadata"], entry.object["metadata"])
        if share(new, entry.object) is entry.object:
            return Outcome(entry, warnings=warnings)
        if served.counts_generation and self._spec_changed(served, new, entry.object):
            new["metadata"] = {**new["metadata"], "generation": entry.object["metadata"].get("generation", 0) + 1}
        if new["metadata"].get("managedFields") and not applied:
            new = self._tracked(served, subresource, new, entry.object, options)
        return Outcome(self._amend(served, key, new, options), warnings=warnings)

    def _tracked(self, served: ResourceType, subresource: str, new: Object, old: Object, options: Options) -> Object:
        """``new`` with the fields that changed given to the manager of the request."""
        without = "" if subresource == "status" else served.unset
        before, after = (served.from_storage(one) if served.from_storage else one for one in (old, new))
        change = changes(before, after, served.schema, options.budget, without=without)
        if not change:
            return new
        manager = Manager(options.manager, "Update", served.api_version, subresource)
        now = "" if subresource == "scale" else self._state.now()
        return with_entries(new, record(new["metadata"]["managedFields"], change, manager, now))

    def _settable(
        self, served: ResourceType, key: Key, subresource: str, proposed: Any, old: Object, *, put: bool
    ) -> Object:
        """The stored object with what the request may change of it taken from ``proposed``."""
        if not isinstance(proposed, dict):
            raise bad_request("the object is not a JSON object")
        new = dict(proposed)
        meta = new["metadata"] = dict(metadata_of(served, new, key[0], self._state.registry))
        check_identity(served, key, meta, old)
        managed, kept = meta.get("managedFields"), old["metadata"].get("managedFields")
        if managed is not kept and (not managed or (managed != [{}] and not are_valid(managed))):
            managed = kept
        if subresource == "status":
            meta = dict(old["metadata"])
            status = {"status": new["status"]} if "status" in new else {}
            new = {name: item for name, item in old.items() if name != "status"} | {"metadata": meta} | status
        else:
            if subresource == "ephemeralcontainers":
                new = with_ephemeral_containers(old, new)
            _keep(meta, old["metadata"], _KEPT)
            if served.has_status:
                _keep(new, old, ("status",))
        if managed and managed != [{}]:
            meta["managedFields"] = managed
        else:
            meta.pop("managedFields", None)
        return new

    def _amend(self, served: ResourceType, key: Key, new: Object, options: Options) -> StoredObject:
        """Store a changed object, or let it go when nothing holds it any more."""
        collection = self._state.collection(served)
        current = collection.get(key)
        if served.collection == _SERVICES and current is not None:
            new = give_addresses(self._state, new, current.object)
        if options.dry_run:
            return StoredObject(new, current.version if current else 0)
        meta = new["metadata"] = dict(new["metadata"])
        if "deletionTimestamp" in meta and not meta.get("finalizers") and self._lifecycle.may_go(served, key):
            return self._lifecycle.remove(served, key, new)
        entry = self._state.store.write(collection, "MODIFIED", key, new, options.size)
        self._lifecycle.changed(served, entry)
        return entry

    @staticmethod
    def _spec_changed(served: ResourceType, new: Object, old: Object) -> bool:
        beside = {"metadata", "status"} if served.has_status else {"metadata"}
        return any(new.get(name) is not old.get(name) for name in {**new, **old} if name not in beside)

    def _generate(self, prefix: str | None) -> str:
        if not prefix:
            return ""
        alphabet = metadata.NAME_SUFFIX_ALPHABET
        suffix = "".join(alphabet[byte % len(alphabet)] for byte in self._state.randomness.bytes(5))
        return prefix[: _GENERATED_NAME_LIMIT - 5] + suffix


def _begins(path: tuple[str, ...], starts: tuple[tuple[str, ...], ...]) -> bool:
    return any(path[: len(start)] == start for start in starts)


def _relevant(served: ResourceType, config: Object, subresource: str) -> Object:
    """The part of an applied configuration that the request can set."""
    if subresource:
        return {name: item for name, item in config.items() if name in ("apiVersion", "kind", "metadata", subresource)}
    return {name: item for name, item in config.items() if name != "status" or not served.has_status}


def _keep(new: Object, old: Object, members: tuple[str, ...]) -> None:
    for member in members:
        if member in old:
            new[member] = old[member]
        else:
            new.pop(member, None)
