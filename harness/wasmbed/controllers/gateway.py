"""The gateway controller: a gateway that misses several of its own beats is Offline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.conditions import find_condition, with_condition
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.phases import GatewayPhase, check
from harness.wasmbed.resources.views import Gateway

__all__ = ["GatewayController"]


@dataclass(slots=True)
class _BeatRecord:
    last_seen: str | None
    seen_at: float
    """When this controller saw it, in its own clock seconds: clocks of two machines are never compared."""
    missed: int = 0


class GatewayController(Controller):
    """Online -> Offline after ``missed_beats`` intervals without a new ``status.lastSeen``. The gateway itself writes
    Online again.

    A gateway names the interval of its beats in its status; ``beat`` (seconds) is the default. Each missed beat takes a
    separate reconciliation, so a controller that was delayed itself reads the status again before it judges.
    """

    name: ClassVar[str] = "GatewayController"
    workers: ClassVar[int] = 1

    def __init__(
        self,
        api: ResourceApi,
        gateways: Informer,
        clock: Clock,
        randomness: Randomness,
        *,
        missed_beats: int,
        beat: float,
        resync: float,
    ) -> None:
        super().__init__(clock, randomness, resync=resync)
        self._api, self._gateways = api, gateways
        self._missed_beats, self._beat = missed_beats, beat
        self._beat_records: dict[str, _BeatRecord] = {}

    def watch(self) -> Iterable[Callable[[], None]]:
        self._beat_records.clear()
        for raw in self._gateways.objects.values():
            self._note_beat(Gateway(raw))
        return [self._gateways.add_handler(self._changed)]

    def keys(self) -> Iterable[str]:
        return self._gateways.objects

    async def reconcile(self, key: str) -> float | None:
        raw = self._gateways.get(key)
        if raw is None or Gateway(raw).status.phase != GatewayPhase.ONLINE:
            return None
        gateway, record = Gateway(raw), self._beat_records[key]
        ready = find_condition(gateway.status.conditions, "Ready")
        if ready is not None and ready["status"] != "True" and record.last_seen is not None:
            gateway = await self._write(gateway, True, "HeartbeatReceived", "")
        interval = self._interval(gateway)
        if record.last_seen is None:
            await self._judge_offline(gateway, "it never wrote a heartbeat")
            return None
        left = record.seen_at + interval * (record.missed + 1) - self.clock.now()
        if left > 0:
            return left
        record.missed += 1
        if record.missed < self._missed_beats:
            return interval
        missed = f"{self._missed_beats} beats of {interval:g} s missed"
        await self._judge_offline(gateway, f"no heartbeat received since {record.last_seen}: {missed}")
        return None

    def _interval(self, gateway: Gateway) -> float:
        milliseconds = gateway.status.last_seen_interval_milliseconds
        return milliseconds / 1000 if milliseconds else self._beat

    async def _judge_offline(self, gateway: Gateway, message: str) -> None:
        phase = check(GATEWAY, gateway.status.phase, GatewayPhase.OFFLINE)
        await self._write(gateway, False, "HeartbeatTimeout", message, phase=phase, connectedDevices=0, error=message)

    async def _write(self, gateway: Gateway, ready: bool, reason: str, message: str, **status: object) -> Gateway:
        conditions = with_condition(gateway.status.conditions, "Ready", ready, reason, message, now=self.clock.now())
        patch: Object = {
            "metadata": {"resourceVersion": gateway.resource_version},
            "status": {**status, "conditions": conditions},
        }
        written = await self._api.patch_status(GATEWAY, gateway.name, patch)
        self._gateways.remember(written)
        return Gateway(written)

    def _note_beat(self, gateway: Gateway) -> None:
        record, last_seen = self._beat_records.get(gateway.name), gateway.status.last_seen
        if record is None or record.last_seen != last_seen:
            self._beat_records[gateway.name] = _BeatRecord(last_seen, self.clock.now())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._beat_records.pop((old or {})["metadata"]["name"], None)
            return
        # Only a new phase is reconciled at once; a new lastSeen is read when the present one would expire.
        self._note_beat(Gateway(new))
        if old is None or Gateway(old).status.phase != Gateway(new).status.phase:
            self.queue.add(new["metadata"]["name"])
