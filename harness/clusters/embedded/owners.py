"""Owners and their dependents (``metadata.ownerReferences``), kept up to date with every change."""

from __future__ import annotations

from harness.clusters.embedded.store import Change, Collection, Key, Store, StoredObject

__all__ = ["Owners", "Place"]

Place = tuple[str, Key]
"""A collection's name and a key in it."""


class Owners:
    """Every object by its uid, and the objects that name it as their owner."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Place] = {}
        self._dependents: dict[str, dict[Place, None]] = {}
        self._followed: set[str] = set()

    def clear(self) -> None:
        """Know nothing; collections have to be followed anew."""
        self._by_uid.clear()
        self._dependents.clear()
        self._followed.clear()

    def follow(self, name: str, collection: Collection) -> None:
        """Take in what a collection has and what will happen to it; a second call does nothing."""
        if name in self._followed:
            return
        self._followed.add(name)
        for key, entry in collection.entries():
            self._note(name, Change("ADDED", key, entry, None))
        collection.listeners.append(lambda change: self._note(name, change))

    def unfollow(self, name: str) -> None:
        """The collection is gone; another may come under its name."""
        self._followed.discard(name)

    def _note(self, name: str, change: Change) -> None:
        place = (name, change.key)
        meta = change.entry.object["metadata"]
        if change.type == "ADDED":
            self._by_uid[meta["uid"]] = place
        elif change.type == "DELETED":
            self._by_uid.pop(meta["uid"], None)
        before = change.previous.object["metadata"].get("ownerReferences") if change.previous else None
        after = meta.get("ownerReferences") if change.type != "DELETED" else None
        if before is after:
            return
        for owner in before or ():
            inside = self._dependents.get(owner["uid"], {})
            inside.pop(place, None)
            if not inside:
                self._dependents.pop(owner["uid"], None)
        for owner in after or ():
            self._dependents.setdefault(owner["uid"], {})[place] = None

    def exists(self, uid: str, namespace: str) -> bool:
        """Whether there is such an owner for an object of a namespace: a namespaced owner is in the same one.

        An owner in a namespace says nothing about a dependent outside all of them, which is therefore kept.
        """
        place = self._by_uid.get(uid)
        return place is not None and (not namespace or place[1][0] in ("", namespace))

    def place(self, uid: str) -> Place | None:
        """Where an object is."""
        return self._by_uid.get(uid)

    def dependents(self, uid: str) -> list[Place]:
        """The objects that name this one as an owner, in the order in which they did."""
        return list(self._dependents.get(uid, ()))

    def blocked(self, uid: str, store: Store) -> bool:
        """Whether dependents hold back an owner's deletion in the foreground."""
        return any(_blocks(store.collection(name).get(key), uid) for name, key in self.dependents(uid))


def _blocks(entry: StoredObject | None, uid: str) -> bool:
    owners = entry.object["metadata"].get("ownerReferences") or () if entry is not None else ()
    return any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners)
