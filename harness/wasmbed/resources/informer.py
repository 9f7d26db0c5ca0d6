"""A local copy of one resource type, kept current by list and watch, as in Kubernetes' client libraries.

Readers read the copy instead of asking the API server. Handlers are called for changes, and waiting callers are woken
by the change that fulfils their condition. A broken watch continues from the last resourceVersion seen; if that is too
old (:class:`Gone`), a new list follows, of which handlers see only the differences.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.wasmbed.resources.api import ApiError, Gone, Object, Resource, ResourceApi
from harness.wasmbed.resources.outages import severity

__all__ = ["Handler", "Informer"]

log = get_log(__name__)

Handler = Callable[[Object | None, Object | None], object]
"""Called with an object's old and new form; the old one is None if it was added, the new one if it was deleted."""

_BACKOFF = Backoff(first=0.1, longest=10.0)


class Informer:
    """The copy. Create it, add handlers, :meth:`start` it, and :meth:`stop` it.

    Its objects are shared: callers must not change them.
    """

    def __init__(
        self,
        api: ResourceApi,
        resource: Resource,
        clock: Clock,
        randomness: Randomness,
        *,
        label_selector: str = "",
        field_selector: str = "",
        turn: Callable[[], Awaitable[None]] | None = None,
        lost: Callable[[str], object] | None = None,
    ) -> None:
        """``turn`` is awaited before each change is taken over; with it a reader can stay behind another one.

        ``lost`` is called with the reason each time the connection breaks; without it the reason is logged.
        """
        self.api, self.resource = api, resource
        self.relists = False
        """Whether the changes that handlers see now are those to a new list: forms in between were not seen."""
        self._clock, self._randomness = clock, randomness
        self._selectors = {"label_selector": label_selector, "field_selector": field_selector}
        self._turn = turn
        self._lost = lost
        self._objects: dict[str, Object] = {}
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._version = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def objects(self) -> Mapping[str, Object]:
        """Every object by name, as a live read-only view."""
        return MappingProxyType(self._objects)

    def get(self, name: str) -> Object | None:
        """Return the object of that name."""
        return self._objects.get(name)

    def add_handler(self, handler: Handler) -> Callable[[], None]:
        """Call ``handler`` for every further change, after the copy has it; returns a function that removes it.

        Handlers must not block. If one raises, the error is logged and the others still run.
        """
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    async def start(self) -> None:
        """List, and watch in a task. Returns after the first list, however long that takes."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"informer-{self.resource.plural}")
        await self.synced()

    async def synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    async def stop(self) -> None:
        """Stop the watch. The copy stays readable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def remember(self, written: Object) -> None:
        """Take over the API server's answer to a write, so that the writer reads its own write at once."""
        name = written["metadata"]["name"]
        if name not in self._objects and not _newer(written, self._version):
            return  # it was deleted meanwhile
        self._put(written)

    async def follow(self, written: Object, within: float) -> None:
        """Wait until the watch has delivered ``written``, the API server's answer to a write, or a later form.

        Raises :class:`TimeoutError` after ``within`` seconds.
        """
        name = written["metadata"]["name"]

        def has_arrived() -> bool:
            present = self._objects.get(name)
            versions = [self._version] if present is None else [self._version, present["metadata"]["resourceVersion"]]
            return not all(_newer(written, version) for version in versions)

        await self.wait_until(has_arrived, within, name=name)

    async def catch_up(self, within: float) -> None:
        """Wait until the copy is as new as what the API server lists now, for a party that begins to act on it.

        Raises :class:`TimeoutError` after ``within`` seconds, and what a request raises.
        """
        async with self._clock.deadline(within):
            for listed in (await self.api.list(self.resource, **self._selectors)).items:
                await self.follow(listed, within)

    async def wait_for(self, name: str, predicate: Callable[[Object | None], bool], within: float) -> Object | None:
        """Wait until ``predicate`` holds for the object of that name (None: it does not exist); returns the object.

        Raises :class:`TimeoutError` with the present status after ``within`` seconds.
        """
        try:
            await self.wait_until(lambda: predicate(self.get(name)), within, name=name)
        except TimeoutError as error:
            seen = (self.get(name) or {}).get("status", "nothing") if self.get(name) else "no such object"
            raise TimeoutError(
                f"{self.resource.kind} {name}: condition not met within {within} s; status: {seen}"
            ) from error
        return self.get(name)

    async def wait_until(self, condition: Callable[[], bool], within: float, *, name: str | None = None) -> None:
        """Wait until ``condition`` holds, judged now and after each change (of the object ``name``, where given)."""
        if condition():
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def changed(old: Object | None, new: Object | None) -> None:
            if done.done() or (name is not None and (new or old or {})["metadata"]["name"] != name):
                return
            try:
                fulfilled = condition()
            except Exception as error:
                done.set_exception(error)
                return
            if fulfilled:
                done.set_result(None)

        remove = self.add_handler(changed)
        try:
            async with self._clock.deadline(within):
                await done
        finally:
            remove()

    async def _run(self) -> None:
        listed, failures = False, 0
        while True:
            version_before = self._version
            try:
                if not listed:
                    await self._list()
                    listed = True
                await self._watch()
                failures = 0
            except Gone:
                listed, failures = False, failures + 1
            except (OSError, ApiError) as error:
                if self._lost is not None:
                    self._lost(reason(error))
                else:
                    log.log(severity(error), "%s: %s; trying again", self.resource.plural, reason(error))
                failures += 1
            except Exception:
                log.exception("%s: the watch failed; trying again", self.resource.plural)
                failures += 1
            if self._version != version_before:  # the connection worked for a while
                failures = min(failures, 1)
            await self._clock.sleep(_BACKOFF.delay(max(failures - 1, 0), self._randomness))

    async def _list(self) -> None:
        found = await self.api.list(self.resource, **self._selectors)
        self.relists = self._synced.is_set()
        names = {item["metadata"]["name"] for item in found.items}
        for name in [name for name in self._objects if name not in names]:
            self._drop(self._objects[name])
        for item in found.items:
            # A list does not repeat the type of its items.
            self._put({"apiVersion": self.resource.api_version, "kind": self.resource.kind, **item})
        self.relists = False
        self._version = found.resource_version
        self._synced.set()

    async def _watch(self) -> None:
        async with self.api.watch(self.resource, resource_version=self._version, **self._selectors) as events:
            async for event in events:
                if self._turn is not None:
                    await self._turn()
                self._version = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    if _same(event.object, self._objects.get(event.object["metadata"]["name"])):
                        self._drop(event.object)
                elif event.type != "BOOKMARK":
                    self._put(event.object)

    def _put(self, new: Object) -> None:
        name = new["metadata"]["name"]
        old = self._objects.get(name)
        if old is not None and not _same(new, old):
            self._drop(old)
            old = None
        if old is not None and not _newer(new, old["metadata"]["resourceVersion"]):
            return
        self._objects[name] = new
        self._notify(old, new)

    def _drop(self, deleted: Object) -> None:
        del self._objects[deleted["metadata"]["name"]]
        self._notify(deleted, None)

    def _notify(self, old: Object | None, new: Object | None) -> None:
        for handler in tuple(self._handlers):
            try:
                handler(old, new)
            except Exception:
                log.exception("%s: a handler failed", self.resource.plural)


def _same(one: Object, other: Object | None) -> bool:
    """Whether these are forms of one object, not of two objects with the same name at different times."""
    return other is not None and one["metadata"].get("uid") == other["metadata"].get("uid")


def _newer(candidate: Object, version: str) -> bool:
    """Whether the object's resourceVersion is later than ``version``. Versions are increasing numbers (KEP-5504); for
    other servers any difference counts as later."""
    own = str(candidate["metadata"]["resourceVersion"])
    return int(own) > int(version) if own.isdigit() and version.isdigit() else own != version
