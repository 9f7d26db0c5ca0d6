"""How objects end: finalizers, owners and their dependents, namespaces with all they hold, types with all of theirs.

What follows from a deletion happens at once, in the same request, as far as finalizers let it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.builtin import CRD_TYPE
from harness.clusters.embedded.definitions import types_of
from harness.clusters.embedded.owners import Owners
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Key, StoredObject
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object
from harness.core.clock import Timer

__all__ = ["Lifecycle"]

_FOREGROUND = "foregroundDeletion"
_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that holds a definition until its objects are gone."""
_LASTING = ("default", "kube-public", "kube-system")


class Lifecycle:
    """Deletion, and what follows from it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._owners = Owners()
        self._terminating: set[str] = set()
        self._ended: deque[tuple[str, ResourceType, StoredObject]] = deque()
        self._draining = False
        self._timers: set[Timer] = set()

    def created(self, served: ResourceType, entry: StoredObject) -> None:
        """An object came: serve what it defines; it goes again if all its owners are gone."""
        if served is CRD_TYPE:
            self._serve_soon(entry.object)
        owners = entry.object["metadata"].get("ownerReferences")
        namespace = entry.object["metadata"].get("namespace", "")
        if owners and not any(self._owners.exists(owner["uid"], namespace) for owner in owners):
            key = (namespace, entry.object["metadata"]["name"])
            self.delete(served, key)

    def changed(self, served: ResourceType, entry: StoredObject) -> None:
        """An object changed: serve what it defines now."""
        if served is CRD_TYPE:
            self._serve(entry.object)

    def _serve_soon(self, definition: Object) -> None:
        """Serve a new type now, or after the time that other clients may need to learn of it."""
        delay = self._state.timing.before_new_types
        if not delay:
            self._serve(definition)
            return
        key = ("", definition["metadata"]["name"])

        def serve() -> None:
            self._timers.discard(timer)
            entry = self._state.collection(CRD_TYPE).get(key)
            if entry is not None:
                self._serve(entry.object)

        timer = self._state.clock.call_later(delay, serve)
        self._timers.add(timer)

    def close(self) -> None:
        """Serve no further type."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _serve(self, definition: Object) -> None:
        spec = definition["spec"]
        if definition["status"]["conditions"][1]["status"] != "True" or "deletionTimestamp" in definition["metadata"]:
            return
        types = types_of(definition)
        names = {served.version for served in types}
        for served in tuple(self._state.registry):
            same_type = (served.group, served.plural) == (spec["group"], spec["names"]["plural"])
            if same_type and served.version not in names:
                self._state.registry.remove(served.group, served.plural, served.version)
        for served in types:
            self._state.registry.add(served)
        if types:
            self._owners.follow(types[0].collection, self._state.collection(types[0]))

    def kinds_taken(self, definition: Object) -> set[str]:
        """The kinds of a definition's group that other types have."""
        spec = definition["spec"]
        return {
            served.kind
            for served in self._state.registry
            if served.group == spec["group"] and served.plural != spec["names"]["plural"]
        }

    def check_definition_open(self, served: ResourceType, name: str) -> None:
        """Raise the refusal while a type is being removed."""
        if served.custom:
            definition = self._state.collection(CRD_TYPE).get(("", served.name))
            if definition is not None and "deletionTimestamp" in definition.object["metadata"]:
                message = "create not allowed while custom resource definition is terminating"
                raise errors.forbidden(served.group, served.plural, name, message)

    def delete(
        self,
        served: ResourceType,
        key: Key,
        *,
        uid: str | None = None,
        version: str | None = None,
        policy: str = "Background",
        dry_run: bool = False,
    ) -> tuple[StoredObject, bool]:
        """Delete an object: its last state, and whether it is gone. Raises the refusals 403, 404 and 409."""
        collection = self._state.collection(served)
        entry = collection.get(key)
        if entry is None:
            raise errors.not_found(served.group, served.plural, key[1])
        self._check_preconditions(served, entry, uid, version)
        is_namespace = served.name == "namespaces"
        if is_namespace and key[1] in _LASTING:
            raise errors.forbidden("", "namespaces", key[1], "this namespace may not be deleted")
        meta = entry.object["metadata"]
        finalizers = list(meta.get("finalizers") or ())
        if served is CRD_TYPE and _CLEANUP not in finalizers and "deletionTimestamp" not in meta:
            finalizers.append(_CLEANUP)
        if dry_run:
            if not finalizers or "deletionTimestamp" in meta:
                return entry, not finalizers
            return StoredObject(self._marked(served, entry, finalizers), entry.version), False
        if policy == "Orphan":
            self._orphan(meta["uid"])
        is_plain = not is_namespace and served is not CRD_TYPE
        in_foreground = policy == "Foreground" and "deletionTimestamp" not in meta
        if (
            in_foreground
            and _FOREGROUND not in finalizers
            and (is_plain or self._owners.blocked(meta["uid"], self._state.store))
        ):
            finalizers.append(_FOREGROUND)
        if not finalizers and self.may_go(served, key):
            return self.remove(served, key, {**entry.object, "metadata": dict(meta)}), True
        if "deletionTimestamp" not in meta:
            entry = self._mark(served, key, entry, finalizers)
            self._follow_deletion(served, key, entry, foreground=_FOREGROUND in finalizers)
        if in_foreground and is_plain:  # the answer comes before the garbage collector has looked at it
            self._maybe_release(meta["uid"])
            return entry, False
        return entry, collection.get(key) is None

    @staticmethod
    def _check_preconditions(served: ResourceType, entry: StoredObject, uid: str | None, version: str | None) -> None:
        meta = entry.object["metadata"]
        for label, wanted, actual, why in (
            ("UID", uid, meta["uid"], "deleted and then recreated"),
            ("ResourceVersion", version, meta["resourceVersion"], "modified"),
        ):
            if wanted and wanted != actual:
                message = f"the {label} in the precondition ({wanted}) does not match the {label} in record ({actual})"
                message += f". The object might have been {why}"
                raise errors.conflict(served.group, served.kind, meta["name"], message)

    def _mark(self, served: ResourceType, key: Key, entry: StoredObject, finalizers: list[str]) -> StoredObject:
        marked = self._marked(served, entry, finalizers)
        if served.name == "namespaces":
            self._terminating.add(key[1])
        return self._state.store.write(self._state.collection(served), "MODIFIED", key, marked)

    def _marked(self, served: ResourceType, entry: StoredObject, finalizers: list[str]) -> Object:
        """An object whose deletion has begun."""
        meta = {**entry.object["metadata"], "deletionTimestamp": self._state.now()}
        if served.name != "namespaces" and served is not CRD_TYPE:
            meta["deletionGracePeriodSeconds"] = 0
        if finalizers:
            meta["finalizers"] = finalizers
        if served.counts_generation and served is not CRD_TYPE:
            meta["generation"] = meta.get("generation", 0) + 1
        marked = {**entry.object, "metadata": meta}
        if served.name == "namespaces":
            marked["status"] = {**marked.get("status", {}), "phase": "Terminating"}
        elif served is CRD_TYPE:
            message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
            condition = {
                "type": "Terminating",
                "status": "True",
                "lastTransitionTime": meta["deletionTimestamp"],
                "reason": "InstanceDeletionPending",
                "message": message,
            }
            status = marked["status"]
            marked["status"] = {**status, "conditions": [*status["conditions"], condition]}
        return marked

    def _follow_deletion(self, served: ResourceType, key: Key, entry: StoredObject, *, foreground: bool) -> None:
        """Delete what a marked object holds: a namespace's contents, a definition's objects, dependents."""
        if served.name == "namespaces":
            self._empty_namespace(key[1])
        elif served is CRD_TYPE:
            for one in self._types_of(entry.object):
                for instance, _ in tuple(self._state.collection(one).entries()):
                    self._delete_if_there(one, instance)
            self._finish_definition(key[1])
        elif foreground:
            for name, dependent in self._owners.dependents(entry.object["metadata"]["uid"]):
                self._delete_if_there(self._state.registry.storing(name), dependent, policy="Foreground")

    def _delete_if_there(self, served: ResourceType, key: Key, policy: str = "Background") -> None:
        if self._state.collection(served).get(key) is not None:
            self.delete(served, key, policy=policy)

    def may_go(self, served: ResourceType, key: Key) -> bool:
        """Whether nothing but finalizers can hold an object: namespaces and definitions go when they are empty."""
        if served.name == "namespaces":
            return key[1] in self._terminating and self._is_empty(key[1])
        if served is CRD_TYPE:
            definition = self._state.collection(CRD_TYPE).get(key)
            return definition is None or all(
                not len(self._state.collection(one)) for one in self._types_of(definition.object)
            )
        return True

    def remove(self, served: ResourceType, key: Key, last: Object) -> StoredObject:
        """Take an object out of the store, and do what follows. ``last`` is its last state."""
        collection = self._state.collection(served)
        entry = self._state.store.write(collection, "DELETED", key, last)
        self._ended.append((key[0], served, entry))
        if not self._draining:
            self._draining = True
            try:
                while self._ended:
                    self._after_removal(*self._ended.popleft())
            finally:
                self._draining = False
        return entry

    def _after_removal(self, namespace: str, served: ResourceType, entry: StoredObject) -> None:
        meta = entry.object["metadata"]
        for name, key in self._owners.dependents(meta["uid"]):
            self._lost_owner(name, key)
        for owner in meta.get("ownerReferences") or ():
            self._maybe_release(owner["uid"])
        if served.name == "namespaces":
            self._terminating.discard(meta["name"])
        elif served is CRD_TYPE:
            self._withdraw(entry.object)
        if namespace in self._terminating:
            self._finish_namespace(namespace)
        if served.custom:
            self._finish_definition(served.name)

    def _lost_owner(self, name: str, key: Key) -> None:
        served = self._state.registry.storing(name)
        entry = self._state.collection(served).get(key)
        if entry is None:
            return
        owners = entry.object["metadata"]["ownerReferences"]
        left = [owner for owner in owners if self._owners.exists(owner["uid"], key[0])]
        if left:
            self._set_metadata(served, key, entry, {"ownerReferences": left})
        else:
            self.delete(served, key)

    def _set_metadata(self, served: ResourceType, key: Key, entry: StoredObject, members: dict[str, Any]) -> None:
        meta = {**entry.object["metadata"], **members}
        meta = {name: value for name, value in meta.items() if name not in members or value}
        self._state.store.write(self._state.collection(served), "MODIFIED", key, {**entry.object, "metadata": meta})

    def _orphan(self, uid: str) -> None:
        for name, key in self._owners.dependents(uid):
            served = self._state.registry.storing(name)
            entry = self._state.collection(served).get(key)
            if entry is not None:
                owners = [one for one in entry.object["metadata"]["ownerReferences"] if one["uid"] != uid]
                self._set_metadata(served, key, entry, {"ownerReferences": owners})

    def _maybe_release(self, uid: str) -> None:
        place = self._owners.place(uid)
        if place is None or self._owners.blocked(uid, self._state.store):
            return
        served = self._state.registry.storing(place[0])
        entry = self._state.collection(served).get(place[1])
        finalizers = entry.object["metadata"].get("finalizers") or [] if entry else []
        if entry is None or _FOREGROUND not in finalizers:
            return
        left = [item for item in finalizers if item != _FOREGROUND]
        if left:
            self._set_metadata(served, place[1], entry, {"finalizers": left})
        else:
            meta = {name: value for name, value in entry.object["metadata"].items() if name != "finalizers"}
            self.remove(served, place[1], {**entry.object, "metadata": meta})

    def _namespaced(self) -> list[ResourceType]:
        registry = self._state.registry
        return [one for one in registry if one.namespaced and one.from_storage is None and "get" in one.verbs]

    def _empty_namespace(self, namespace: str) -> None:
        for served in self._namespaced():
            for key, _ in tuple(self._state.collection(served).entries(namespace)):
                self._delete_if_there(served, key)
        self._finish_namespace(namespace)

    def _is_empty(self, namespace: str) -> bool:
        return all(self._state.collection(served).is_empty(namespace) for served in self._namespaced())

    def _finish_namespace(self, namespace: str) -> None:
        served = self._state.registry.storing("namespaces")
        entry = self._state.collection(served).get(("", namespace))
        if (
            entry is not None
            and not entry.object["metadata"].get("finalizers")
            and self.may_go(served, ("", namespace))
        ):
            self.remove(served, ("", namespace), {**entry.object, "metadata": dict(entry.object["metadata"])})

    def _types_of(self, definition: Object) -> list[ResourceType]:
        spec = definition["spec"]
        wanted = (spec["group"], spec["names"]["plural"])
        return [one for one in self._state.registry if (one.group, one.plural) == wanted and one.custom]

    def _finish_definition(self, name: str) -> None:
        entry = self._state.collection(CRD_TYPE).get(("", name))
        if entry is None or "deletionTimestamp" not in entry.object["metadata"]:
            return
        if not self.may_go(CRD_TYPE, ("", name)):
            return
        left = [item for item in entry.object["metadata"].get("finalizers") or () if item != _CLEANUP]
        if left:
            self._set_metadata(CRD_TYPE, ("", name), entry, {"finalizers": left})
            return
        meta = {member: value for member, value in entry.object["metadata"].items() if member != "finalizers"}
        self.remove(CRD_TYPE, ("", name), {**entry.object, "metadata": meta})

    def _withdraw(self, definition: Object) -> None:
        for served in self._types_of(definition):
            self._state.drop(served)
            self._owners.unfollow(served.collection)
        spec = definition["spec"]
        self._state.registry.remove(spec["group"], spec["names"]["plural"])

    def restored(self) -> None:
        """Take up the work on what a snapshot brought: indexes, types, namespaces in their end."""
        self._owners.clear()
        self._terminating.clear()
        for _, entry in tuple(self._state.collection(CRD_TYPE).entries()):
            self._serve(entry.object)
        for served in tuple(self._state.registry):
            self._owners.follow(served.collection, self._state.collection(served))
        for (_, name), entry in tuple(self._state.store.collection("namespaces").entries()):
            if "deletionTimestamp" in entry.object["metadata"]:
                self._terminating.add(name)
