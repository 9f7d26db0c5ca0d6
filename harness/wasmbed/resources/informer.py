"""A local copy of one resource type, kept current by list and watch, as in Kubernetes' client libraries.

Readers ask the copy and never the API server; whoever wants to know of changes registers a handler; whoever waits for
a condition is woken by the change that fulfils it. A watch that breaks is taken up again from the last
resourceVersion seen; one that is too old (:class:`Gone`) is replaced by a new list, of which handlers see only the
differences.
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

__all__ = ["Handler", "Informer"]

log = get_log(__name__)

Handler = Callable[[Object | None, Object | None], object]
"""Called with an object's old and new form: no old one when it was added, no new one when it was deleted."""

_BACKOFF = Backoff(first=0.1, longest=10.0)


class Informer:
    """The copy. Make it, add handlers, :meth:`start` it; :meth:`stop` it before it is dropped.

    Objects in it are shared: read them, never change them.
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
        """``turn`` is awaited before each change is taken over, by who must not be ahead of somebody else. ``lost`` is
        told each time the connection breaks, and why; without it that is logged."""
        self.api, self.resource = api, resource
        self._clock, self._randomness = clock, randomness
        self._selectors = {"label_selector": label_selector, "field_selector": field_selector}
        self._turn = turn
        self._lost = lost or self._log_loss
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
        """The object of that name, if there is one."""
        return self._objects.get(name)

    def add_handler(self, handler: Handler) -> Callable[[], None]:
        """Call ``handler`` for every further change, after the copy has it; returns what ends that.

        A handler returns at once; one that raises is logged and the others still run.
        """
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    async def start(self) -> None:
        """List, and go on watching in a task. Returns when the first list is there, however long that takes."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"informer-{self.resource.plural}")
        await self.synced()

    async def synced(self) -> None:
        """Wait until the first list is there."""
        await self._synced.wait()

    async def stop(self) -> None:
        """End the watch. The copy stays readable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def remember(self, written: Object) -> None:
        """Take over what the API server answered to a write, so that the writer reads its own write at once."""
        name = written["metadata"]["name"]
        if name not in self._objects and not _newer(written, self._version):
            return  # it was deleted since
        self._put(written)

    async def follow(self, written: Object, within: float) -> None:
        """Wait until the copy has come as far as what the API server answered to a write, change by change.

        Raises :class:`TimeoutError` after ``within`` seconds.
        """
        name = written["metadata"]["name"]

        def has_come_so_far() -> bool:
            present = self._objects.get(name)
            versions = [self._version] if present is None else [self._version, present["metadata"]["resourceVersion"]]
            return not all(_newer(written, version) for version in versions)

        await self.wait_until(has_come_so_far, within, name=name)

    async def wait_for(self, name: str, predicate: Callable[[Object | None], bool], within: float) -> Object | None:
        """Wait until ``predicate`` holds for the object of that name (None: it does not exist); returns the object.

        Raises :class:`TimeoutError` that says what was there instead, after ``within`` seconds.
        """
        try:
            await self.wait_until(lambda: predicate(self.get(name)), within, name=name)
        except TimeoutError as error:
            seen = (self.get(name) or {}).get("status", "nothing") if self.get(name) else "no such object"
            raise TimeoutError(f"{self.resource.kind} {name}: not so within {within} s; status: {seen}") from error
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
            heard = self._version
            try:
                if not listed:
                    await self._list()
                    listed = True
                await self._watch()
                failures = 0
            except Gone:
                listed, failures = False, failures + 1
            except (OSError, ApiError) as error:
                self._lost(reason(error))
                failures += 1
            except Exception:
                log.exception("%s: the watch failed; trying again", self.resource.plural)
                failures += 1
            if self._version != heard:
                failures = min(failures, 1)
            await self._clock.sleep(_BACKOFF.delay(max(failures - 1, 0), self._randomness))

    def _log_loss(self, why: str) -> None:
        log.warning("%s: %s; trying again", self.resource.plural, why)

    async def _list(self) -> None:
        found = await self.api.list(self.resource, **self._selectors)
        names = {item["metadata"]["name"] for item in found.items}
        for name in [name for name in self._objects if name not in names]:
            self._drop(self._objects[name])
        for item in found.items:
            # A list does not repeat the type of its items.
            self._put({"apiVersion": self.resource.api_version, "kind": self.resource.kind, **item})
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
        self._tell(old, new)

    def _drop(self, gone: Object) -> None:
        del self._objects[gone["metadata"]["name"]]
        self._tell(gone, None)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in tuple(self._handlers):
            try:
                handler(old, new)
            except Exception:
                log.exception("%s: a handler failed", self.resource.plural)


def _same(one: Object, other: Object | None) -> bool:
    """Whether these are forms of one object, and not of two that had the same name one after the other."""
    return other is not None and one["metadata"].get("uid") == other["metadata"].get("uid")


def _newer(candidate: Object, version: str) -> bool:
    """Whether the object's resourceVersion comes after ``version``; numbers that grow (KEP-5504), if they are any."""
    own = str(candidate["metadata"]["resourceVersion"])
    return int(own) > int(version) if own.isdigit() and version.isdigit() else own != version
