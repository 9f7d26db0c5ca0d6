"""The status writer: coalescing, order, conflicts, and an API server that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clusters.embedded.patches import merge_patch
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.status_patches import Status, fits_one_patch, merge
from harness.wasmbed.gateway.status_target import ClusterTarget, UncachedTarget, intermediate_step, write_interval
from harness.wasmbed.gateway.status_writer import StatusWriter
from harness.wasmbed.resources.api import ApiError, Invalid, NotFound, Object, Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE
from harness.wasmbed.resources.phases import IllegalMove
from tests.gateway.memory_api import MemoryApi


class KnownObjects(UncachedTarget):
    """Objects with known forms; a device goes through Disconnected where a move is not legal directly."""

    def __init__(self, known: dict[str, Object]) -> None:
        self.known = known

    def current(self, resource: Resource, name: str) -> Object | None:
        return self.known.get(name)

    def intermediate_step(self, resource: Resource, phase: str) -> Status | None:
        return intermediate_step(resource, phase)


class RestingObjects(UncachedTarget):
    """Objects that rest after a write for as many seconds as ``interval`` returns for it."""

    def __init__(self, interval: Callable[[Object], float]) -> None:
        self.interval = interval

    def write_interval(self, resource: Resource, answer: Object) -> float:
        return self.interval(answer)


class MissingObjects(UncachedTarget):
    """Keeps what was not written because its object does not exist."""

    def __init__(self) -> None:
        self.missing: list[tuple[Resource, str, Status]] = []

    def gone(self, resource: Resource, name: str, status: Status) -> None:
        self.missing.append((resource, name, status))


def make_writer(api: MemoryApi, clock: ManualClock, target: UncachedTarget) -> StatusWriter:
    return StatusWriter(api, clock, Randomness(1), requests=4, timeout=5, target=target)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def api() -> MemoryApi:
    """An API that has the device ``dev-1`` and the application ``app-1``."""
    api = MemoryApi()
    await api.create(DEVICE, {"metadata": {"name": "dev-1"}, "spec": {}})
    await api.create(APPLICATION, {"metadata": {"name": "app-1"}, "spec": {}})
    return api


@pytest.fixture
async def writer(api: MemoryApi, clock: ManualClock, known: dict[str, Object]) -> AsyncIterator[StatusWriter]:
    """A writer that knows the objects in ``known``."""
    writer = make_writer(api, clock, KnownObjects(known))
    yield writer
    await writer.abandon()


@pytest.fixture
def known() -> dict[str, Object]:
    return {}


def patches(api: MemoryApi) -> list[Any]:
    return [body["status"] for verb, _, _, body in api.requests if verb == "patch_status"]


def status(api: MemoryApi, plural: str = "devices", name: str = "dev-1") -> Any:
    return api.objects[plural, name].get("status")


def refuse(error: Exception) -> Callable[..., None]:
    def fail(verb: str, resource: Any, name: str) -> None:
        if verb == "patch_status":
            raise error

    return fail


def work(*asked: Any) -> None:
    """Let requests to the API succeed."""


async def test_patches_during_a_write_are_merged(api: MemoryApi, writer: StatusWriter, clock: ManualClock) -> None:
    gate = asyncio.Event()
    api.fail = lambda verb, resource, name: gate.wait()
    writer.put(APPLICATION, "app-1", {"deviceStatuses": {"dev-1": {"state": "receiving"}}})
    await clock.advance(0)
    for n in range(10):
        writer.put(APPLICATION, "app-1", {"deviceStatuses": {f"dev-{n}": {"state": "running"}}})
    assert len(writer) == 1
    gate.set()
    await writer.flush()
    assert len(patches(api)) == 2
    assert len(status(api, "applications", "app-1")["deviceStatuses"]) == 10
    assert writer.writes == 2


async def test_delayed_patches_are_written_at_the_earliest_requested_time(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    writer.put(DEVICE, "dev-1", {"health": "healthy"}, after=10)
    writer.put(DEVICE, "dev-1", {"health": "degraded"}, after=20)
    await clock.advance(9)
    assert patches(api) == []
    await clock.advance(1)
    assert patches(api) == [{"health": "degraded"}]
    writer.put(DEVICE, "dev-1", {"health": "healthy"}, after=10)
    writer.put(DEVICE, "dev-1", {"error": None})
    await clock.advance(0)
    assert patches(api)[1:] == [{"health": "healthy", "error": None}]
    await clock.advance(20)
    assert len(patches(api)) == 2


async def test_a_status_is_made_when_it_is_written(api: MemoryApi, writer: StatusWriter, clock: ManualClock) -> None:
    """Of several functions the last one is called, once; other patches keep their place before and behind it."""
    made: list[int] = []

    def maker(number: int) -> Callable[[], Status]:
        def make() -> Status:
            made.append(number)
            return {"deviceMetrics": {"n": number, "at": clock.now()}, "health": "healthy"}

        return make

    begun = clock.now()
    for number in range(3):
        writer.put(DEVICE, "dev-1", maker(number), after=10)
        await clock.advance(1)
    assert made == []
    await clock.advance(9)
    assert made == [2]
    assert patches(api) == [{"deviceMetrics": {"n": 2, "at": begun + 10}, "health": "healthy"}]
    writer.put(DEVICE, "dev-1", {"health": "degraded", "error": None}, after=10)
    writer.put(DEVICE, "dev-1", maker(3), after=10)
    writer.put(DEVICE, "dev-1", {"health": "unknown"}, after=10)
    await writer.flush()
    (patch,) = patches(api)[1:]
    assert patch == {"health": "unknown", "error": None, "deviceMetrics": {"n": 3, "at": begun + 12}}


async def test_a_large_object_rests_after_a_write(api: MemoryApi, clock: ManualClock) -> None:
    fleet = {f"dev-{n}": {"state": "receiving"} for n in range(1000)}
    paced = make_writer(api, clock, RestingObjects(write_interval))
    paced.put(APPLICATION, "app-1", {"deviceStatuses": fleet})
    await clock.advance(0)
    assert (len(patches(api)), len(paced)) == (1, 0)
    paced.put(APPLICATION, "app-1", {"metrics": {"n": 1}}, after=20)
    for n in range(1000):
        paced.put(APPLICATION, "app-1", {"deviceStatuses": {f"dev-{n}": {"state": "running"}}})
    paced.put(DEVICE, "dev-1", {"health": "healthy"})
    await clock.advance(0.4)
    assert (patches(api)[1:], len(paced)) == ([{"health": "healthy"}], 1)
    await clock.advance(0.2)
    assert len(patches(api)) == 3
    assert {entry["state"] for entry in status(api, "applications", "app-1")["deviceStatuses"].values()} == {"running"}
    await clock.advance(1)
    paced.put(APPLICATION, "app-1", {"health": "healthy"})
    await clock.advance(0)
    assert len(patches(api)) == 4
    await paced.abandon()


async def test_patches_during_a_write_wait_for_the_write_interval(api: MemoryApi, clock: ManualClock) -> None:
    gate = asyncio.Event()
    api.fail = lambda verb, resource, name: gate.wait()
    paced = make_writer(api, clock, RestingObjects(lambda answer: 2.0))
    paced.put(APPLICATION, "app-1", {"metrics": {"n": 1}})
    await clock.advance(0)
    paced.put(APPLICATION, "app-1", {"metrics": {"n": 2}})
    gate.set()
    await clock.advance(1)
    assert (len(patches(api)), len(paced)) == (1, 1)
    await clock.advance(1)
    assert (len(patches(api)), len(paced)) == (2, 0)
    await paced.abandon()


async def test_a_patch_that_may_wait_is_not_written_behind_one_that_is_under_way(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    gate = asyncio.Event()
    api.fail = lambda verb, resource, name: gate.wait()
    writer.put(DEVICE, "dev-1", {"health": "healthy"})
    await clock.advance(0)
    writer.put(DEVICE, "dev-1", {"health": "degraded"}, after=10)
    gate.set()
    await clock.advance(9)
    assert (patches(api), len(writer)) == ([{"health": "healthy"}], 1)
    await clock.advance(1)
    assert patches(api)[1:] == [{"health": "degraded"}]


async def test_a_flush_ignores_the_write_interval(api: MemoryApi, clock: ManualClock) -> None:
    paced = make_writer(api, clock, RestingObjects(lambda answer: 1000.0))
    for n in range(2):
        paced.put(APPLICATION, "app-1", {"metrics": {"n": n}})
        await clock.advance(0)
    assert (len(patches(api)), len(paced)) == (1, 1)
    await paced.flush()
    assert status(api, "applications", "app-1") == {"metrics": {"n": 1}}
    paced.put(APPLICATION, "app-1", {"metrics": {"n": 2}})
    paced.put(DEVICE, "dev-1", {"health": "healthy"})
    await paced.flush()
    assert len(patches(api)) == 4


async def test_a_removed_value_does_not_return_with_its_replacement(api: MemoryApi, writer: StatusWriter) -> None:
    def put(**entry: Any) -> None:
        writer.put(APPLICATION, "app-1", {"deviceStatuses": {"dev-1": entry}})

    put(state="running", metrics={"fuel_used": 7})
    await writer.flush()
    put(state="receiving", metrics=None)
    put(state="deployed", metrics={"memory_bytes": 1})
    put(state="error", metrics={"wall_time_ms": 2})
    await writer.flush()
    entry = status(api, "applications", "app-1")["deviceStatuses"]["dev-1"]
    assert entry == {"state": "error", "metrics": {"memory_bytes": 1, "wall_time_ms": 2}}
    assert len(patches(api)) == 3


async def test_phases_are_written_one_after_the_other(api: MemoryApi, writer: StatusWriter) -> None:
    for phase in ("Enrolling", "Enrolled", "Connected"):
        writer.put(DEVICE, "dev-1", {"phase": phase})
    writer.put(DEVICE, "dev-1", {"health": "healthy"})
    await writer.flush()
    assert [patch["phase"] for patch in patches(api)] == ["Enrolling", "Enrolled", "Connected"]
    assert status(api) == {"phase": "Connected", "health": "healthy"}


async def test_overtaken_phases_are_not_written(api: MemoryApi, writer: StatusWriter, clock: ManualClock) -> None:
    await api.patch_status(DEVICE, "dev-1", {"status": {"phase": "Connected"}})
    api.requests.clear()
    api.fail = refuse(ConnectionRefusedError("away"))
    for _ in range(3):
        writer.put(DEVICE, "dev-1", {"phase": "Disconnected", "lastHeartbeat": None})
        writer.put(DEVICE, "dev-1", {"phase": "Connected", "lastHeartbeat": "now"})
    await clock.advance(1)
    api.fail = work
    api.requests.clear()
    await clock.advance(20)
    assert [patch["phase"] for patch in patches(api)] == ["Disconnected", "Connected"]
    assert status(api) == {"phase": "Connected", "lastHeartbeat": "now"}


async def test_no_patch_is_lost_while_the_api_server_is_unreachable(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    api.fail = refuse(ConnectionRefusedError("away"))
    for n in range(5):
        writer.put(DEVICE, "dev-1", {"deviceMetrics": {f"m{n}": n}})
        await clock.advance(3)
    api.fail = refuse(ApiError({"code": 503, "reason": "ServiceUnavailable"}))
    await clock.advance(10)
    attempts = len(patches(api))
    assert writer.failures == attempts < 20
    api.fail = work
    await clock.advance(20)
    assert status(api)["deviceMetrics"] == {f"m{n}": n for n in range(5)}
    assert len(writer) == 0


async def test_a_request_without_an_answer_is_repeated(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    api.fail = lambda verb, resource, name: asyncio.Event().wait()
    writer.put(DEVICE, "dev-1", {"health": "healthy"})
    await clock.advance(4)
    api.fail = work
    await clock.advance(2)
    assert status(api) == {"health": "healthy"}


async def test_a_conflict_is_judged_again(api: MemoryApi, writer: StatusWriter, known: dict[str, Object]) -> None:
    known["dev-1"] = api.objects["devices", "dev-1"]
    await api.patch_status(DEVICE, "dev-1", {"status": {"phase": "Enrolling"}})
    await api.patch_status(DEVICE, "dev-1", {"status": {"phase": "Enrolled"}})
    written = await writer.write(DEVICE, "dev-1", {"phase": "Enrolling", "deviceId": "x"})
    assert written["status"]["deviceId"] == "x"
    phases = [event.object["status"]["phase"] for kind, event in api.log if "status" in event.object]
    assert phases == ["Enrolling", "Enrolled", "Disconnected", "Enrolling"]


async def test_an_illegal_move_is_never_written(api: MemoryApi, writer: StatusWriter) -> None:
    writer.put(DEVICE, "dev-1", {"phase": "Disconnected"})
    await writer.flush()
    assert patches(api) == []
    with pytest.raises(IllegalMove, match=r"Pending -> Connected|no phase -> "):
        await writer.write(DEVICE, "dev-1", {"phase": "Connected"})
    await writer.write(DEVICE, "dev-1", {"phase": "Enrolling"})


async def test_each_write_to_a_missing_object_is_reported(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    """A later write may be for a new object of the same name, so it is tried."""

    target = MissingObjects()
    writer = make_writer(api, clock, target)
    writer.put(DEVICE, "ghost", {"phase": "Disconnected"})
    writer.put(DEVICE, "ghost", {"phase": "Connected"})
    with pytest.raises(NotFound):
        await writer.write(DEVICE, "ghost", {"health": "healthy"})
    assert len(writer) == 0
    assert target.missing == [
        (DEVICE, "ghost", {"phase": "Disconnected"}),
        (DEVICE, "ghost", {"phase": "Connected", "health": "healthy"}),
    ]


async def test_a_patch_with_a_permanent_error_is_dropped(api: MemoryApi, writer: StatusWriter) -> None:
    api.fail = refuse(Invalid({"code": 422, "reason": "Invalid", "message": "status.health: wrong"}))
    with pytest.raises(Invalid, match="wrong"):
        await writer.write(DEVICE, "dev-1", {"health": "?"})
    api.fail = refuse(KeyError("a bug"))
    with pytest.raises(KeyError):
        await writer.write(DEVICE, "dev-1", {"health": "?"})
    api.fail = work
    await writer.write(DEVICE, "dev-1", {"health": "healthy"})


async def test_a_patch_whose_caller_was_cancelled_is_still_written(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    api.fail = refuse(ConnectionRefusedError("away"))
    waiting = asyncio.create_task(writer.write(DEVICE, "dev-1", {"phase": "Enrolling"}))
    await clock.advance(1)
    second = asyncio.create_task(writer.write(DEVICE, "dev-1", {"phase": "Enrolling", "deviceId": "x"}))
    await clock.advance(0)
    waiting.cancel()
    api.fail = work
    await clock.advance(20)
    assert (await second)["status"] == {"phase": "Enrolling", "deviceId": "x"}


async def test_abandoned_patches_are_not_written(api: MemoryApi, writer: StatusWriter, clock: ManualClock) -> None:
    api.fail = refuse(ConnectionRefusedError("away"))
    waiting = asyncio.create_task(writer.write(DEVICE, "dev-1", {"phase": "Enrolling"}))
    writer.put(APPLICATION, "app-1", {"health": "healthy"}, after=5)
    await clock.advance(1)
    await writer.abandon()
    api.fail = work
    writer.put(DEVICE, "dev-1", {"health": "healthy"})
    with pytest.raises(asyncio.CancelledError):
        await writer.write(DEVICE, "dev-1", {"health": "healthy"})
    await clock.advance(20)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert status(api) is None


values = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(objects, objects, objects)
def test_a_merged_patch_has_the_effect_of_both(target: Any, first: Any, second: Any) -> None:
    if fits_one_patch(first, second):
        assert merge_patch(target, merge(first, second)) == merge_patch(merge_patch(target, first), second)


def lose_answers(api: MemoryApi, error: Exception, times: int = 1) -> None:
    """The next status patches are written, and their answers are lost."""
    real, left = api.patch_status, iter(range(times))

    async def patch_status(resource: Any, name: str, patch: Object) -> Object:
        answer = await real(resource, name, patch)
        if next(left, None) is not None:
            raise error
        return answer

    api.patch_status = patch_status  # type: ignore[method-assign]


LOST = [ConnectionResetError("cut"), ApiError({"code": 504})]
MOVES = [
    {"phase": "Enrolling", "deviceId": "id-1", "gateway": "gateway-1", "error": None},
    {"phase": "Connected", "connectedSince": "2026-11-30T00:00:00Z", "deviceMetrics": {"old": None, "new": 1}},
]


@pytest.mark.parametrize("error", LOST, ids=["cut", "504"])
@pytest.mark.parametrize("move", MOVES, ids=["Enrolling", "Connected"])
async def test_a_move_whose_answer_was_lost_is_not_written_again(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock, move: Status, error: Exception
) -> None:
    before = "Enrolled" if move["phase"] == "Connected" else None
    api.objects["devices", "dev-1"]["status"] = {"phase": before} if before else {}
    lose_answers(api, error)
    written = asyncio.ensure_future(writer.write(DEVICE, "dev-1", move))
    await clock.advance(0)
    writer.put(DEVICE, "dev-1", {"health": "healthy"})
    await clock.advance(1)
    assert (await written)["status"]["phase"] == move["phase"]
    assert patches(api) == [move, {"health": "healthy"}]
    assert len(writer) == 0


async def test_a_move_that_was_not_written_is_written_when_its_answer_is_lost(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    api.fail = refuse(ApiError({"code": 504}))
    writer.put(DEVICE, "dev-1", MOVES[0])
    await clock.advance(0)
    api.fail = work
    await clock.advance(1)
    assert patches(api) == [MOVES[0], MOVES[0]]
    assert status(api)["phase"] == "Enrolling"


async def test_a_new_move_to_the_same_phase_is_written_although_an_answer_was_lost(
    api: MemoryApi, writer: StatusWriter, clock: ManualClock
) -> None:
    api.objects["devices", "dev-1"]["status"] = {"phase": "Enrolled"}
    lose_answers(api, LOST[0])
    writer.put(DEVICE, "dev-1", MOVES[1])
    await clock.advance(0)
    later = {**MOVES[1], "connectedSince": "2026-11-30T00:00:09Z"}
    writer.put(DEVICE, "dev-1", later)
    await clock.advance(1)
    assert [patch["phase"] for patch in patches(api)] == ["Connected", "Connected"]
    assert status(api)["connectedSince"] == later["connectedSince"]


async def test_an_enrollment_that_was_decided_meanwhile_is_not_begun_again(clock: ManualClock) -> None:
    api = MemoryApi()
    await api.create(DEVICE, {"metadata": {"name": "dev-1"}, "spec": {}})
    cache = DeviceCache(api, clock, Randomness(1))
    writer = make_writer(api, clock, ClusterTarget(cache, "gateway-1"))
    lose_answers(api, LOST[0])
    written = asyncio.ensure_future(writer.write(DEVICE, "dev-1", MOVES[0]))
    await clock.advance(0)
    await api.patch_status(DEVICE, "dev-1", {"status": {"phase": "Enrolled"}})
    await clock.advance(1)
    assert (await written)["status"]["phase"] == "Enrolled"
    assert [patch["phase"] for patch in patches(api)] == ["Enrolling", "Enrolled"]
    await writer.abandon()


@pytest.mark.parametrize("recorded", [None, "one", "two"])
async def test_an_enrollment_gives_no_other_id_than_the_record_has(clock: ManualClock, recorded: str | None) -> None:
    """The device has enrolled at another gateway since."""
    api = MemoryApi()
    await api.create(DEVICE, {"metadata": {"name": "dev-1"}, "spec": {}})
    api.objects["devices", "dev-1"]["status"] = {"phase": "Disconnected", "deviceId": recorded, "gateway": "gateway-2"}
    writer = make_writer(api, clock, ClusterTarget(DeviceCache(api, clock, Randomness(1)), "gateway-1"))
    await writer.write(DEVICE, "dev-1", {"phase": "Enrolling", "deviceId": "one", "gateway": "gateway-1"})
    assert status(api)["deviceId"] == (recorded or "one")
    assert status(api)["phase"] == ("Disconnected" if recorded == "two" else "Enrolling")
    await writer.abandon()
