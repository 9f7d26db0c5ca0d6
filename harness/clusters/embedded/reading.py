"""Getting, listing and watching."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import orjson

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import StatusError, bad_request
from harness.clusters.embedded.messages import Content, Listing, Plain, Stored
from harness.clusters.embedded.query import check_list_options, integer
from harness.clusters.embedded.selectors import FieldSelector, parse_field_selector, parse_label_selector
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Key, StoredObject
from harness.clusters.embedded.tables import GROUP_VERSION, MetadataForm, TableForm
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object, copy_value
from harness.clusters.embedded.watching import Presentation, Selection, Watcher
from harness.clusters.requests import boolean, flag

__all__ = ["METADATA", "AsStored", "Reader", "Selectors", "WithoutKind", "plain_form"]

_LONGEST_WATCH = 365 * 86_400
"""Seconds; what a client may name is more than a clock can wait."""
DEFAULT_QUEUE_LIMIT = 10_000
"""How many events wait for one watcher before it is ended."""


class AsStored:
    """Objects in the form in which they are kept."""

    shared = True

    def encode(self, entry: StoredObject) -> bytes:
        return entry.json

    def copy(self, entry: StoredObject) -> Object:
        copied: Object = orjson.loads(entry.json)  # a tenth of what a walk in Python takes
        return copied


@dataclass(frozen=True)
class _Converted:
    """Objects in the form of another version or group."""

    convert: Callable[[Object], Object]
    shared: ClassVar[bool] = True

    def encode(self, entry: StoredObject) -> bytes:
        return orjson.dumps(self.convert(entry.object))

    def copy(self, entry: StoredObject) -> Object:
        copied: Object = copy_value(self.convert(entry.object))
        return copied


class WithoutKind:
    """Objects of a built-in kind in a list, which names their kind once."""

    shared = True

    def __init__(self, form: Presentation) -> None:
        self._form = form

    def encode(self, entry: StoredObject) -> bytes:
        return orjson.dumps(self.copy(entry))

    def copy(self, entry: StoredObject) -> Object:
        copied = self._form.copy(entry)
        return {name: item for name, item in copied.items() if name not in ("kind", "apiVersion")}


AS_STORED = AsStored()
METADATA = MetadataForm()


def plain_form(served: ResourceType) -> Presentation:
    """A type's own form."""
    return _Converted(served.from_storage) if served.from_storage else AS_STORED


class Selectors:
    """The restrictions of a list or a watch, from the query."""

    def __init__(self, served: ResourceType, query: Mapping[str, str], namespace: str, name: str = "") -> None:
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        self.namespace, self.name = namespace, name
        self.selective = bool(labels or fields)
        self.predicate: Callable[[Object], bool] | None = None
        by_label = parse_label_selector(labels) if labels else None
        by_field = parse_field_selector(fields, served.selectable, served.custom) if fields else None
        if by_field is not None:
            self._narrow(by_field, served)
        if by_label is not None and by_field is not None:
            one, other = by_label, by_field
            self.predicate = lambda stored: one(_labels(stored)) and other(stored)
        elif by_label is not None:
            only = by_label
            self.predicate = lambda stored: only(_labels(stored))
        else:
            self.predicate = by_field

    def _narrow(self, by_field: FieldSelector, served: ResourceType) -> None:
        """Names in a field selector find objects without looking at others."""
        self.name = self.name or by_field.name
        if served.namespaced:
            self.namespace = self.namespace or by_field.namespace

    def choose(
        self, entries: Iterable[tuple[Key, StoredObject]], limit: int = 0
    ) -> tuple[list[tuple[Key, StoredObject]], int]:
        """The objects that match, up to ``limit`` if that is above zero, and how many more there are: at least one, if
        a selector would have to look at each."""
        matching = filter(self._matches, entries)
        if limit <= 0:
            return list(matching), 0
        chosen = list(islice(matching, limit))
        rest = islice(matching, 1) if self.selective else matching
        return chosen, sum(1 for _ in rest)

    def _matches(self, found: tuple[Key, StoredObject]) -> bool:
        key, entry = found
        return (not self.name or key[1] == self.name) and (self.predicate is None or self.predicate(entry.object))


def _labels(stored: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = stored["metadata"].get("labels") or {}
    return labels


class Reader:
    """Get, list, watch."""

    def __init__(self, state: State, queue_limit: int = DEFAULT_QUEUE_LIMIT) -> None:
        self._state = state
        self._queue_limit = queue_limit

    def get(self, served: ResourceType, key: Key, form: Presentation, query: Mapping[str, str]) -> Content:
        """One object. Raises the 404 refusal."""
        if query.get("resourceVersion"):
            self._state.check_version(query["resourceVersion"], 500)
        entry = self._state.collection(served).get(key)
        if entry is None:
            raise errors.not_found(served.group, served.plural, key[1])
        return self.present(entry, form)

    @staticmethod
    def present(entry: StoredObject, form: Presentation) -> Content:
        """One object in the form that the client wants."""
        if isinstance(form, TableForm):
            return Plain(form.table([entry], {"resourceVersion": str(entry.version)}))
        return Stored(entry, form)

    def list(self, served: ResourceType, namespace: str, form: Presentation, query: Mapping[str, str]) -> Content:
        """The objects that match, or a page of them. Raises the refusals 400, 410, 422 and 504."""
        check_list_options(query)
        selectors = Selectors(served, query, namespace)
        collection = self._state.collection(served)
        version, after, past = self._page_start(query)
        if past:
            entries = collection.entries_at(version, selectors.namespace)
        elif selectors.name and (selectors.namespace or not served.namespaced):
            key = (selectors.namespace, selectors.name)
            found = collection.get(key)
            entries = iter([(key, found)] if found is not None else [])
        else:
            entries = collection.entries(selectors.namespace)
        if after is not None:
            entries = (found for found in entries if found[0] > after)
        limit = integer(query, "limit") or 0
        if query.get("resourceVersion") == "0" and not query.get("continue"):
            limit = 0  # what is in the cache is sent as a whole
        chosen, left = selectors.choose(entries, limit)
        metadata: Object = {"resourceVersion": str(version)}
        if served.custom:
            metadata["continue"] = ""
        if left:
            metadata["continue"] = _continue_token(version, chosen[-1][0])
            if not selectors.selective:
                metadata["remainingItemCount"] = left
        found_entries = [entry for _, entry in chosen]
        if isinstance(form, TableForm):
            return Plain(form.table(found_entries, metadata))
        if isinstance(form, MetadataForm):
            return Listing("PartialObjectMetadataList", GROUP_VERSION, metadata, found_entries, form)
        items = form if served.custom else WithoutKind(form)
        return Listing(served.lists_as, served.api_version, metadata, found_entries, items)

    def _page_start(self, query: Mapping[str, str]) -> tuple[int, Key | None, bool]:
        """The version to list, the key to go on after, and whether that version may be in the past."""
        token, wanted, match = (query.get(name, "") for name in ("continue", "resourceVersion", "resourceVersionMatch"))
        if token:
            if wanted not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            version, after = _read_continue(token)
            return min(version, self._state.store.version), after, True
        if wanted and wanted != "0":
            version = self._state.check_version(wanted)
            if match == "Exact":
                return version, None, True
        return self._state.store.version, None, False

    def watch(
        self,
        served: ResourceType,
        namespace: str,
        form: Presentation,
        query: Mapping[str, str],
        *,
        encoded: bool,
        delivered: Callable[[str, Object], object] | None,
    ) -> Watcher:
        """A watch from the query's resourceVersion on; from the present state where it names none. Raises the refusals
        400 and 422."""
        check_list_options(query)
        selectors = Selectors(served, query, namespace)
        selection = Selection(selectors.namespace, selectors.name, selectors.predicate)
        timing = self._state.timing
        watcher = Watcher(selection, form, encoded=encoded, limit=self._queue_limit, timing=timing, delivered=delivered)
        collection = self._state.collection(served)
        wanted = query.get("resourceVersion", "")
        initial = boolean(query, "sendInitialEvents")
        version = self._state.store.version
        try:
            if initial or (initial is None and wanted in ("", "0")):
                entries = [entry for _, entry in selectors.choose(collection.entries(selectors.namespace))[0]]
                watcher.begin(
                    entries, self._initial_end(served) if initial and flag(query, "allowWatchBookmarks") else None
                )
            else:
                version = self._state.store.parse_version(wanted, 500) if wanted else version
                for change in collection.changes_after(version):
                    if _concerns(selection, change.key):
                        watcher.offer(change, {})
        except StatusError as refusal:
            if refusal.code != 410:
                raise
            watcher.put("ERROR", refusal.status())
            watcher.close()
            return watcher
        watcher.begin_after(max(version, self._state.store.version))
        self._state.hub(served).add(watcher)
        if seconds := integer(query, "timeoutSeconds"):
            watcher.limit_time(self._state.clock, min(max(seconds, 0), _LONGEST_WATCH))
        if flag(query, "allowWatchBookmarks"):
            watcher.send_bookmarks(self._state.clock, lambda: self._bookmark(served, self._state.kept_version))
        return watcher

    @staticmethod
    def _bookmark(served: ResourceType, version: int) -> Object:
        metadata: Object = {"resourceVersion": str(version)}
        return {"kind": served.kind, "apiVersion": served.api_version, "metadata": metadata}

    def _initial_end(self, served: ResourceType) -> Object:
        bookmark = self._bookmark(served, self._state.store.version)
        bookmark["metadata"]["annotations"] = {"k8s.io/initial-events-end": "true"}
        return bookmark


def _concerns(selection: Selection, key: Key) -> bool:
    return selection.namespace in ("", key[0]) and selection.name in ("", key[1])


def _continue_token(version: int, key: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "rv": version, "after": key})).decode()


def _read_continue(token: str) -> tuple[int, Key]:
    try:
        decoded = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        read: Any = orjson.loads(decoded)
        return int(read["rv"]), (str(read["after"][0]), str(read["after"][1]))
    except (ArithmeticError, ValueError, KeyError, IndexError, TypeError, binascii.Error) as error:
        raise bad_request("invalid continue token: continue key is not valid") from error
