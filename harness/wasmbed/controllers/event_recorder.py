"""Kubernetes Events of the platform's objects, for ``kubectl describe`` and ``kubectl get events``.

The leader watches what controllers and gateways write, and tells it in the form of client-go's recorder: core Events
with a count. Events are for people: no work waits for one, and one that cannot be written is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.controllers.event_correlator import EventCorrelator, EventRecord, Happening
from harness.wasmbed.controllers.happenings import application_happenings, device_happenings, gateway_happenings
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, EVENT, GATEWAY
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["COMPONENT", "EventRecorder"]

log = get_log(__name__)

COMPONENT = "wasmbed-controllers"
"""The source of the Events."""

_READERS: Mapping[Resource, Callable[[Object | None, Object | None], Iterator[Happening]]] = {
    DEVICE: device_happenings,
    APPLICATION: application_happenings,
    GATEWAY: gateway_happenings,
}
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500


class EventRecorder(Controller):
    """Writes the Events of all objects of ``informers``. Its keys are names of Events.

    While the API server cannot be reached, Events wait and are counted, for as long as the correlator knows them.
    """

    name: ClassVar[str] = "EventRecorder"
    workers: ClassVar[int] = 1

    def __init__(
        self, api: ResourceApi, informers: Iterable[Informer], clock: Clock, randomness: Randomness, *, instance: str
    ) -> None:
        super().__init__(clock, randomness, resync=3600.0)
        self._api, self._informers, self._instance = api, tuple(informers), instance
        self._correlator = EventCorrelator(COMPONENT, instance)
        self._log = SummedLog(log, clock)

    def watch(self) -> Iterable[Callable[[], None]]:
        self._correlator = EventCorrelator(COMPONENT, self._instance)
        return [informer.add_handler(self._handler(informer.resource)) for informer in self._informers]

    def keys(self) -> Iterable[str]:
        return ()

    async def reconcile(self, key: str) -> float | None:
        record = self._correlator.get(key)
        if record is None:
            return None
        try:
            await self._write(record)
        except ApiError as error:
            if error.code == _TOO_MANY_REQUESTS or error.code >= _SERVER_ERROR:
                raise
            self._log.warning("Event %s is not written: %s", record.happening.reason, error)
        return None

    async def _write(self, record: EventRecord) -> None:
        if not record.written:
            try:
                await self._create(record)
                return
            except Conflict:
                record.written = True  # an earlier try reached the server, but its answer did not come
        try:
            await self._api.patch(EVENT, record.name, _counted(record))
        except NotFound:  # Events are deleted after an hour
            await self._create(record)

    async def _create(self, record: EventRecord) -> None:
        happening = record.happening
        await self._api.create(
            EVENT,
            {
                "apiVersion": EVENT.api_version,
                "kind": EVENT.kind,
                "metadata": {"name": record.name, "namespace": record.about["namespace"]},
                "involvedObject": record.about,
                "reason": happening.reason,
                "type": "Warning" if happening.warning else "Normal",
                "source": {"component": COMPONENT},
                "reportingComponent": COMPONENT,
                "reportingInstance": self._instance,
                "firstTimestamp": _seconds(record.first),
                **_counted(record),
                **({"related": happening.related} if happening.related else {}),
            },
        )
        record.written = True

    def _handler(self, resource: Resource) -> Callable[[Object | None, Object | None], None]:
        read = _READERS[resource]

        def changed(old: Object | None, new: Object | None) -> None:
            for happening in read(old, new):
                self._record(resource, new or old or {}, happening)

        return changed

    def _record(self, resource: Resource, raw: Object, happening: Happening) -> None:
        metadata = raw["metadata"]
        about = {"apiVersion": resource.api_version, "kind": resource.kind}
        about |= {field: metadata[field] for field in ("name", "namespace", "uid")}
        record = self._correlator.add(about, happening, self.clock.now())
        if record is not None:
            self.queue.add(record.name)


def _counted(record: EventRecord) -> dict[str, Any]:
    """The members that a repetition changes."""
    return {"count": record.count, "message": record.happening.message, "lastTimestamp": _seconds(record.last)}


def _seconds(moment: float) -> str:
    """An Event's times are of the type ``Time``, which has whole seconds."""
    return format_timestamp(float(int(moment)))
